"""DNP3 over TLS with certificates on both sides, against py1815's and yadnp3's servers."""

from __future__ import annotations

import ssl

import pytest

from gateway.links.dnp3.config import ChannelConfig
from gateway.model.errors import ConfigError
from gateway.site.pki import PkiPaths, ensure_pki
from tests.interop.dnp3.lazily import lazily
from tests.interop.dnp3.master_rig import device, running, until
from tests.interop.dnp3.peers_outstation import free_port, py1815_outstation, yadnp3_outstation

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("pki"), "127.0.0.1", ["gateway", "stranger"])


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("foreign"), "127.0.0.1", ["gateway"])


def server_context(pki: PkiPaths) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    context.load_verify_locations(pki.ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls(port: int, ca: PkiPaths, ours: PkiPaths, client: str = "gateway") -> ChannelConfig:
    pair = ours.clients[client]
    certificates = {"ca": ca.ca.certificate, "certificate": pair.certificate, "key": pair.key}
    return ChannelConfig.model_validate(
        {
            "name": "c", "transport": "tls", "host": "127.0.0.1", "port": port,
            "tls": certificates, "reconnect_min_s": 0.05, "reconnect_max_s": 0.1,
        }
    )  # fmt: skip


def py1815_tls(pki: PkiPaths):
    return py1815_outstation(3, tls=server_context(pki), peers=frozenset({"gateway"}))


async def test_a_thousand_analogs_over_py1815s_tls(pki):
    outstation = py1815_outstation(1000, tls=server_context(pki), peers=frozenset({"gateway"}))
    async with outstation as peer, running(tls(peer.port, pki, pki), [device(1000, 0)]) as rig:
        await until(lambda: rig.state().integrity_polls > 0)
        assert [rig.value(f"d.AI{at}") for at in range(1000)] == list(range(1000))
        peer.set_analog(7, -1.0, 1_700_000_000_000)
        await until(lambda: rig.value("d.AI7") == -1.0)


async def test_yadnp3s_tls(pki):
    opendnp3 = lazily("opendnp3")
    config = opendnp3.TLSConfig(
        str(pki.ca.certificate), str(pki.server.certificate), str(pki.server.key)
    )
    async with (
        yadnp3_outstation(5, tls=config) as peer,
        running(tls(peer.port, pki, pki), [device(5, 0)]) as rig,
    ):
        await until(lambda: rig.state().integrity_polls > 0)
        assert rig.value("d.AI4") == 4.0


async def test_a_server_of_another_ca_is_not_spoken_to(pki, foreign):
    async with (
        py1815_tls(foreign) as peer,
        running(tls(peer.port, pki, pki), [device(3, 0)]) as rig,
    ):
        channel = rig.master.channel_states["c"]
        await until(lambda: channel.refused_connects >= 2)
        assert "CERTIFICATE_VERIFY_FAILED" in channel.last_error
        assert channel.connects == 0
        assert not rig.good("d.AI0")


@pytest.mark.parametrize(("whose", "name"), [("foreign", "gateway"), ("pki", "stranger")])
async def test_a_server_that_does_not_take_our_certificate_gives_nothing(pki, foreign, whose, name):
    ours = foreign if whose == "foreign" else pki
    async with (
        py1815_tls(pki) as peer,
        running(tls(peer.port, pki, ours, name), [device(3, 0)]) as rig,
    ):
        channel = rig.master.channel_states["c"]
        # TLS 1.3 tells a refused client only after the handshake
        await until(lambda: channel.losses + channel.refused_connects >= 2)
        assert rig.state().fragments == 0
        assert not rig.good("d.AI0")


async def test_a_certificate_that_is_not_there_is_a_configuration_error(pki, tmp_path):
    channel = tls(free_port(), pki, pki)
    assert channel.tls is not None
    broken = channel.model_copy(
        update={"tls": channel.tls.model_copy(update={"ca": tmp_path / "none.pem"})}
    )
    with pytest.raises(ConfigError, match=r"none\.pem"):
        async with running(broken, [device(1, 0)]):
            pass
