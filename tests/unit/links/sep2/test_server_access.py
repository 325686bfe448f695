"""Who may see and change what: every path, for its owner, another client and a stranger."""

from __future__ import annotations

import datetime as dt
import statistics
import time

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.links.sep2 import identity
from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import DateTimeInterval as Interval
from gateway.links.sep2.resources import (
    DERControlResponse,
    DERStatus,
    EndDevice,
    LogEvent,
    MirrorMeterReading,
    MirrorReadingSet,
    MirrorUsagePoint,
    Reading,
    ReadingType,
    Resource,
    Subscription,
)
from gateway.links.sep2.server import ProgramSetup
from tests.unit.links.sep2.certificates import Rules, authority, device_certificate
from tests.unit.links.sep2.server_rig import CURTAIL, HOST, Peer, Rig, new_peer, serving, settings

NOW = 1_800_000_000
LOG = LogEvent(
    created_date_time=NOW,
    function_set=11,
    log_event_code=1,
    log_event_id=1,
    log_event_pen=0,
    profile_id=2,
)
STATUS = DERStatus(reading_time=NOW)
#: Paths of the owner's alone, from its EndDevice (n), usage point and program.
OWN = (
    "/edev/1", "/edev/1/rg", "/edev/1/fsa", "/edev/1/fsa/1", "/edev/1/fsa/1/derp", "/edev/1/der",
    "/edev/1/der/1", "/edev/1/der/1/derp", "/edev/1/der/1/derst", "/edev/1/sub", "/edev/1/sub/1",
    "/edev/1/lel", "/edev/1/lel/1", "/derp/2", "/derp/2/derc", "/derp/2/derc/1",
    "/derp/2/actderc", "/derp/2/dc", "/mup/1", "/upt/1", "/upt/1/mr", "/upt/1/mr/1",
    "/upt/1/mr/1/rt", "/upt/1/mr/1/r", "/upt/1/mr/1/rs", "/upt/1/mr/1/rs/2",
    "/upt/1/mr/1/rs/2/r", "/rsps/2", "/rsps/2/rsp", "/rsps/2/rsp/1",
)  # fmt: skip
#: Paths that every client has, each with its own view.
COMMON = ("/dcap", "/tm", "/sdev", "/sdev/di", "/edev", "/derp", "/mup", "/upt", "/rsps")


def point(lfdi: str) -> MirrorUsagePoint:
    span = Interval(duration=300, start=NOW)
    reading = MirrorMeterReading(
        mrid=8,
        reading_type=ReadingType(uom=38),
        reading=Reading(value=1),
        mirror_reading_set=(
            MirrorReadingSet(mrid=9, time_period=span, reading=(Reading(value=2),)),
        ),
    )
    return MirrorUsagePoint(
        mrid=7,
        role_flags=1,
        service_category_kind=0,
        status=1,
        device_lfdi=lfdi,
        mirror_meter_reading=(reading,),
    )


def subscription() -> Subscription:
    return Subscription(
        subscribed_resource="/derp/2/derc",
        encoding=0,
        level="+S1",
        limit=1,
        notification_uri=f"http://{HOST}:9/",
    )


async def furnish(rig: Rig, owner: Peer) -> Resource:
    """Give the owner one of everything; gives a response of his."""
    control = await rig.server.add_control(2, CURTAIL, int(time.time()), 900)
    response = DERControlResponse(end_device_lfdi=owner.lfdi, status=1, subject=control.mrid)
    assert (await owner.ask("PUT", "/edev/1/der/1/derst", STATUS))[0] == 204
    await owner.post("/mup", point(owner.lfdi))
    await owner.post("/edev/1/sub", subscription())
    await owner.post("/edev/1/lel", LOG)
    await owner.post("/rsps/2/rsp", response)
    return response


def essence(answer: tuple[int, bytes, dict[str, str]]) -> tuple[int, bytes, dict[str, str]]:
    status, body, headers = answer
    return status, body, {name: text for name, text in headers.items() if name != "Date"}


async def test_the_matrix(tmp_path):
    owner, other, stranger, boss = (new_peer() for _ in range(4))
    clients = [
        ClientConfig(lfdi=owner.lfdi),
        ClientConfig(lfdi=other.lfdi),
        ClientConfig(lfdi=boss.lfdi, role="aggregator", devices=(owner.lfdi,)),
    ]
    only_owner = ProgramSetup(number=2, mrid=2, primacy=1, devices=frozenset({owner.lfdi}))
    async with serving(settings(tmp_path, clients), [only_owner]) as rig:
        for peer in (owner, other, stranger, boss):
            rig.connect(peer)
        response = await furnish(rig, owner)
        nothing = essence(await other.ask("GET", "/edev/999"))
        assert nothing[:2] == (404, b"")
        for path in OWN:
            assert (await owner.ask("GET", path))[0] == 200, path
            assert (await boss.ask("GET", path))[0] == 200, path
            assert essence(await other.ask("GET", path)) == nothing, path
            assert (await other.ask("HEAD", path))[0] == 404, path
            assert (await stranger.ask("GET", path))[0] == 403, path
        for path in COMMON:
            assert (await owner.ask("GET", path))[0] == 200, path
            assert (await other.ask("GET", path))[0] == 200, path
            assert (await stranger.ask("GET", path))[0] == 403, path
        assert (await stranger.ask("GET", "/no/such"))[0] == 403
        for path in ("/mup", "/upt", "/derp", "/rsps"):
            assert (await other.get(path)).all == 0, path
        assert [d.lfdi for d in (await other.get("/edev?l=9")).items] == [other.lfdi]
        assert {d.lfdi for d in (await boss.get("/edev?l=9")).items} == {boss.lfdi, owner.lfdi}
        writes: list[tuple[str, str, Resource | None]] = [
            ("PUT", "/edev/1/der/1/derst", STATUS),
            ("POST", "/edev/1/lel", LOG),
            ("POST", "/edev/1/sub", subscription()),
            ("DELETE", "/edev/1/sub/1", None),
            ("POST", "/mup/1", MirrorMeterReading(mrid=8, reading=Reading(value=3))),
            ("DELETE", "/mup/1", None),
            ("POST", "/rsps/2/rsp", response),
            ("DELETE", "/edev/1", None),
        ]
        before = [await owner.ask("GET", path) for path in OWN]
        for method, path, body in writes:
            assert essence(await other.ask(method, path, body))[:2] == (404, b""), path
            assert (await stranger.ask(method, path, body))[0] == 403, path
        # for what is not its EndDevice a client is refused where it names that itself
        assert (await other.ask("POST", "/mup", point(owner.lfdi)))[0] == 403
        after = [await owner.ask("GET", path) for path in OWN]
        assert [essence(a) for a in after] == [essence(b) for b in before]
        assert (await owner.ask("DELETE", "/edev/1"))[0] == 403  # the configuration's


async def test_not_there_and_not_yours_take_the_same_time(tmp_path):
    owner, other = new_peer(), new_peer()
    clients = [ClientConfig(lfdi=peer.lfdi) for peer in (owner, other)]
    async with serving(settings(tmp_path, clients)) as rig:
        rig.connect(owner), rig.connect(other)
        await owner.post("/mup", point(owner.lfdi))
        times: dict[str, list[float]] = {"/mup/1": [], "/mup/99": []}
        for _ in range(150):
            for path, taken in times.items():
                start = time.perf_counter()
                assert (await other.ask("GET", path))[0] == 404
                taken.append(time.perf_counter() - start)
        mine, none = (statistics.median(taken) for taken in times.values())
        assert 0.67 < mine / none < 1.5


async def test_registration_in_band_is_once_and_only_for_oneself(tmp_path):
    device, boss, unlisted = new_peer(), new_peer(), new_peer()
    clients = [ClientConfig(lfdi=device.lfdi), ClientConfig(lfdi=boss.lfdi, role="aggregator")]
    config = settings(tmp_path, clients, registration="in-band", pin=123_455)
    async with serving(config) as rig:
        for peer in (device, boss, unlisted):
            rig.connect(peer)
        assert (await device.get("/dcap")).end_device_list_link.all == 0
        assert (await device.ask("GET", "/sdev"))[0] == 403
        assert (await device.ask("GET", "/derp"))[0] == 403

        def asked(lfdi: str) -> EndDevice:
            return EndDevice(lfdi=lfdi, sfdi=identity.sfdi(lfdi), changed_time=NOW)

        assert (await unlisted.ask("POST", "/edev", asked(unlisted.lfdi)))[0] == 403
        assert (await device.ask("POST", "/edev", asked(unlisted.lfdi)))[0] == 403
        wrong = EndDevice(lfdi=device.lfdi, sfdi=1, changed_time=NOW)
        assert (await device.ask("POST", "/edev", wrong))[0] == 400
        place = await device.post("/edev", asked(device.lfdi))
        again = await device.ask("POST", "/edev", asked(device.lfdi))
        assert (again[0], again[2]["Location"]) == (200, place)
        assert (await device.get(f"{place}/rg")).pin == 123_455
        assert (await boss.ask("POST", "/edev", asked(device.lfdi)))[0] == 403
        behind = await boss.post("/edev", asked("AB" * 20))
        assert (await boss.get(behind)).lfdi == "AB" * 20
        assert (await device.ask("GET", behind))[0] == 404
        assert (await boss.ask("DELETE", behind))[0] == 204
        assert (await boss.ask("GET", behind))[0] == 404


async def test_with_registration_closed_nobody_registers(tmp_path):
    device = new_peer()
    async with serving(settings(tmp_path, [ClientConfig(lfdi=device.lfdi)])) as rig:
        rig.connect(device)
        asked = EndDevice(lfdi="AB" * 20, sfdi=identity.sfdi("AB" * 20), changed_time=NOW)
        assert (await device.ask("POST", "/edev", asked))[0] == 403
        assert (await device.get("/edev")).all == 1


RULES = {
    "RSA": Rules(key=rsa.generate_private_key(65537, 2048)),
    "it expires": Rules(not_after=dt.datetime(2099, 1, 1, tzinfo=dt.UTC)),
    "no HardwareModuleName": Rules(names=(x509.DNSName("device.example"),)),
    "no alternative name": Rules(names=()),
    "no policies": Rules(policies=()),
    "key usage not critical": Rules(usage_critical=False),
    "SHA-384": Rules(digest=hashes.SHA384()),
}


@pytest.mark.parametrize("name", RULES)
async def test_a_certificate_that_breaks_a_rule_gets_403_for_everything(tmp_path, name):
    peer = Peer(device_certificate(RULES[name]))
    config = settings(tmp_path, [ClientConfig(lfdi=peer.lfdi)])
    async with serving(config) as rig:
        rig.connect(peer)
        for path in ("/dcap", "/tm", "/edev", "/edev/1"):
            assert (await peer.ask("GET", path))[0] == 403
        assert rig.server.statistics.refused == {"certificate": 4}


UNTRUSTED = {
    "unknown CA": lambda: device_certificate(ca=authority("Another")),
    "expired": lambda: device_certificate(Rules(not_after=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))),
    "not yet valid": lambda: device_certificate(
        Rules(not_before=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    ),
    "P-384": lambda: device_certificate(Rules(key=ec.generate_private_key(ec.SECP384R1()))),
}


@pytest.mark.parametrize("name", UNTRUSTED)
async def test_a_certificate_that_tls_refuses_does_not_connect(tmp_path, name):
    peer = Peer(UNTRUSTED[name]())
    config = settings(tmp_path, [ClientConfig(lfdi=peer.lfdi)])
    async with serving(config) as rig:
        rig.connect(peer)
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await peer.ask("GET", "/dcap")
        assert rig.server.statistics.requests == 0


async def test_the_right_key_under_another_certificate_is_another_client(tmp_path):
    """The LFDI is the certificate's, so a new one for the same key is not registered."""
    listed = new_peer()
    renewed = Peer(device_certificate(Rules(key=listed.made.key)))
    async with serving(settings(tmp_path, [ClientConfig(lfdi=listed.lfdi)])) as rig:
        rig.connect(renewed)
        assert (await renewed.ask("GET", "/dcap"))[0] == 403
        assert rig.server.statistics.refused == {"not-listed": 1}
