"""TLS with client certificates: py1815's master as the judge."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from gateway.links.dnp3.outstation_config import MasterConfig, TlsConfig
from gateway.site.pki import PkiPaths, ensure_pki
from tests.interop.dnp3.master_face import eventually
from tests.interop.dnp3.outstation_rig import LOOPBACK, serving
from tests.interop.dnp3.peers_master import py1815_master

pytestmark = pytest.mark.interop
MASTERS = (
    MasterConfig(name="dms", address=1, hosts=LOOPBACK, certificate_name="dms"),
    MasterConfig(name="backup", address=2, hosts=LOOPBACK, certificate_name="backup"),
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("pki"), "127.0.0.1", ["dms", "backup", "other"])


def ours(pki: PkiPaths) -> TlsConfig:
    return TlsConfig(certificate=pki.server.certificate, key=pki.server.key, ca=pki.ca.certificate)


def theirs(pki: PkiPaths, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.ca.certificate))
    if name is not None:
        pair = pki.clients[name]
        context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_a_master_with_its_certificate_is_served(pki: PkiPaths) -> None:
    async with serving(MASTERS, tls=ours(pki)) as rig:
        for name, address in (("dms", 1), ("backup", 2)):
            async with py1815_master(rig.port, address, theirs(pki, name)) as peer:
                rig.put("ai.0", 12.5)
                await peer.integrity()
                assert peer.seen.values["AI", 0] == 12.5
                assert await peer.operate("BO", 1, 1, select=True) == 0
        assert [taken[3] for taken in rig.outputs.taken] == ["dms", "backup"]


async def test_a_certificate_says_which_master_one_is(pki: PkiPaths) -> None:
    async with serving(MASTERS, tls=ours(pki)) as rig:
        async with py1815_master(rig.port, 1, theirs(pki, "backup"), 0.3) as peer:
            exchange = await peer.outstation.integrity_poll()
            assert not exchange.complete
        assert rig.outstation.masters()[0].counts == {}


async def test_another_certificate_of_the_ca_is_refused(pki: PkiPaths) -> None:
    async with serving(MASTERS, tls=ours(pki)) as rig:
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port, ssl=theirs(pki, "other"))
        await eventually(lambda: rig.outstation.statistics.refused_certificates == 1)
        writer.transport.abort()


async def test_no_certificate_is_refused(pki: PkiPaths) -> None:
    async with serving(MASTERS, tls=ours(pki)) as rig:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", rig.port, ssl=theirs(pki, None)
            )
            try:
                await reader.read(1)  # TLS 1.3 tells the client only now
            finally:
                writer.transport.abort()
        except (ssl.SSLError, ConnectionError):
            pass
        await eventually(lambda: rig.outstation.statistics.handshakes_failed == 1)


async def test_plain_text_is_refused(pki: PkiPaths) -> None:
    async with serving(MASTERS, tls=ours(pki)) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(bytes.fromhex("05 64 05 C9 00 04 01 00 00 00"))
        assert (await reader.read(100))[:2] != b"\x05\x64"
        writer.close()
        await eventually(lambda: rig.outstation.statistics.handshakes_failed == 1)
