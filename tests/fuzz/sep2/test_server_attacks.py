"""Attack bodies, slow clients and 10,000 malformed bodies: the right refusal, and no growth."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import ssl
import time

import pytest

from gateway.links.sep2.codec import encode
from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import DERStatus
from tests.unit.links.sep2.server_rig import HOST, Rig, client_context, new_peer, serving, settings

NS = b'xmlns="urn:ieee:std:2030.5:ns"'
GOOD = encode(DERStatus(reading_time=1_800_000_000))
PATH = "/edev/1/der/1/derst"
PUT = (
    b"PUT /edev/1/der/1/derst HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/sep+xml\r\nContent-Length: 500\r\n\r\n"
)
MALFORMED = 10_000
#: Generous against a busy machine: it is growth that must not be, not a few pages.
MOST_GROWTH_MB = 24

ATTACKS = {
    "XXE": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<DERStatus " + NS + b"><readingTime>&x;</readingTime></DERStatus>",
    "billion laughs": b'<!DOCTYPE d [<!ENTITY a "' + b"lol" * 99 + b'">'
    b'<!ENTITY b "' + b"&a;" * 99 + b'">]><DERStatus ' + NS + b">&b;</DERStatus>",
    "deep": b"<a>" * 15_000,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "name of XML's fifth edition": GOOD.replace(b"xmlns", "xml\u07eeq".encode()),
    "NUL": GOOD.replace(b"18", b"1\x008"),
    "many attributes": b"<DERStatus "
    + NS
    + b"".join(b' a%d="1"' % at for at in range(4000))
    + b"/>",
    "empty": b"",
    "no XML": b"\xff\xfe\x00",
    "two roots": GOOD + GOOD,
    "cut": GOOD[:-5],
    "another namespace": GOOD.replace(b"ieee", b"eeei"),
    "another resource": b"<Time " + NS + b"/>",
    "out of range": GOOD.replace(b"1800000000", b"99999999999999999999"),
    "EXI": b"$EXI\xa0" + bytes(64),
}


def listed(peer) -> list[ClientConfig]:
    return [ClientConfig(lfdi=peer.lfdi)]


def rss_mb() -> float:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_at_once(tmp_path, name):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig:
        rig.connect(peer)
        await peer.get("/tm")
        begun = time.perf_counter()
        status, body, _ = await peer.ask("PUT", PATH, ATTACKS[name])
        assert time.perf_counter() - begun < 0.25
        assert status == 400
        assert b"<reasonCode>0</reasonCode>" in body
        assert (await peer.ask("GET", PATH))[0] == 404
        assert (await peer.ask("PUT", PATH, GOOD))[0] == 204
        assert rig.told[0][3].reading_time == 1_800_000_000


async def test_10000_malformed_bodies_leave_nothing_behind(tmp_path):
    peer, dice = new_peer(), random.Random(7)
    async with serving(settings(tmp_path, listed(peer), transport=QUICK)) as rig:
        rig.connect(peer)

        def mutant() -> bytes:
            body = bytearray(GOOD)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(body))
                body[at : at + dice.randint(0, 3)] = dice.randbytes(dice.randint(1, 3))
            return bytes(body)

        async def send(count: int) -> set[int]:
            return {(await peer.ask("PUT", PATH, mutant()))[0] for _ in range(count)}

        await send(1000)
        before = rss_mb()
        statuses = set().union(*await asyncio.gather(*(send(MALFORMED // 8) for _ in range(8))))
        assert statuses <= {400, 204}  # a mutant may be a good document
        assert rss_mb() - before < MOST_GROWTH_MB
        assert rig.server.statistics.refused["malformed"] > MALFORMED * 0.9
        assert (await peer.ask("PUT", PATH, GOOD))[0] == 204


async def test_a_comment_does_not_change_a_number(tmp_path):
    """A reader that stops at the comment would take 18 for 1,800,000,000."""
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig:
        rig.connect(peer)
        body = GOOD.replace(b"1800000000", b"18<!--x-->00000000")
        status, _, _ = await peer.ask("PUT", PATH, body)
        assert status in (204, 400)
        assert [what[3].reading_time for what in rig.told] == [1_800_000_000] * (status == 204)


async def raw(rig: Rig, context: ssl.SSLContext):
    port = rig.server.port
    return await asyncio.open_connection(HOST, port, ssl=context, server_hostname="")


QUICK = {"requests_per_s": 1e6, "burst": 100_000}
SLOW = QUICK | {"head_timeout_s": 0.3, "body_timeout_s": 0.3, "idle_timeout_s": 0.6}


@pytest.mark.parametrize(
    ("start", "answer"),
    [
        (b"GET /tm HTTP/1.1\r\nHost: x\r\nA: ", b""),
        (PUT, b"HTTP/1.1 408"),
    ],
    ids=["head", "body"],
)
async def test_who_trickles_is_cut_off(tmp_path, start, answer):
    peer = new_peer()
    config = settings(tmp_path, listed(peer), transport=SLOW)
    async with serving(config) as rig:
        reader, writer = await raw(rig, client_context(tmp_path, peer))
        begun = time.perf_counter()
        writer.write(start)

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        try:
            async with asyncio.timeout(3):
                try:
                    received = await reader.read()
                except ConnectionError:
                    received = b""
        finally:
            trickling.cancel()
        assert received[: len(answer)] == answer
        assert bool(received) == bool(answer)
        assert 0.25 < time.perf_counter() - begun < 2.0
        writer.transport.abort()


async def test_who_says_nothing_is_let_go_and_who_does_not_read_is_cut(tmp_path):
    peer = new_peer()
    config = settings(tmp_path, listed(peer), transport=SLOW)
    async with serving(config) as rig:
        context = client_context(tmp_path, peer)
        reader, writer = await raw(rig, context)
        assert await asyncio.wait_for(reader.read(), 3) == b""
        assert rig.server.statistics.connections_idle == 1
        writer.close()
        reader, writer = await raw(rig, context)
        writer.transport.pause_reading()
        ask = b"GET /edev?l=9 HTTP/1.1\r\nHost: x\r\n\r\n"

        async def flood() -> None:
            async with asyncio.timeout(10):
                while True:
                    writer.write(ask * 50)
                    await writer.drain()
                    await asyncio.sleep(0.01)

        with pytest.raises(ConnectionError):
            await flood()
        assert rig.server.statistics.connections_slow == 1
        writer.transport.abort()


async def test_one_client_cannot_take_all_connections(tmp_path):
    greedy, other = new_peer(), new_peer()
    limits = {"max_connections_per_client": 3}
    clients = [ClientConfig(lfdi=p.lfdi) for p in (greedy, other)]
    async with serving(settings(tmp_path, clients, transport=limits)) as rig:
        context = client_context(tmp_path, greedy)
        opened = [await raw(rig, context) for _ in range(3)]

        async def one_more() -> bytes:
            try:
                reader, writer = await raw(rig, context)
                writer.write(b"GET /tm HTTP/1.1\r\nHost: x\r\n\r\n")
                return await asyncio.wait_for(reader.read(), 3)
            except ConnectionError:
                return b""

        assert await one_more() == b""
        assert rig.server.statistics.connections_refused == 1
        rig.connect(other)
        assert (await other.ask("GET", "/tm"))[0] == 200
        for _, each in opened:
            each.transport.abort()
