"""Some of the attacks and lies over real sockets: a good request still has its answer in 2 s."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.links.dnp3.frames import UNCONFIRMED, FrameReader, Reassembler
from gateway.links.dnp3.outstation_config import MasterConfig
from gateway.model.point import PointKind
from tests.fuzz.dnp3.attacks import attacks
from tests.fuzz.dnp3.lies import LIES, Asked, Tongue, asked, truth
from tests.interop.dnp3.master_rig import device, running, tcp, until
from tests.interop.dnp3.outstation_rig import LOOPBACK, Rig, serving
from tests.unit.links.dnp3.outstation_bench import link_frame, octets

PATIENCE_S, BREATH_S = 2.0, 0.55
ATTACKS, CUT_ATTACKS, LIES_TOLD = 300, 10, 112


class Master:
    """A master's end of a connection that is told what to send, octet by octet."""

    def __init__(self, port: int, address: int) -> None:
        self._port, self._address, self._sequence = port, address, 0
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, stream: bytes) -> None:
        """Send; over a new connection where the last one was cut."""
        if self._writer is None or self._writer.is_closing() or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._frames, self._fragments = FrameReader(), Reassembler(65_536)
        with suppress(ConnectionError):
            self._writer.write(stream)
            await self._writer.drain()

    async def answered_after_s(self) -> float:
        """How long a good read takes to be answered, wall seconds."""
        begun_s = time.monotonic()
        self._sequence = (self._sequence + 1) % 16
        ask = bytes((0xC0 | self._sequence, 1)) + octets("1E 05 00 00 04")
        async with asyncio.timeout(PATIENCE_S):
            await self.send(self._frame(ask))
            while not await self._hears_the_answer():
                if self._reader.at_eof():
                    await self.send(self._frame(ask))
        return time.monotonic() - begun_s

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def _hears_the_answer(self) -> bool:
        heard = False
        with suppress(ConnectionError):
            for frame in self._frames.feed(await self._reader.read(65_536), time.monotonic()):
                if frame.function != UNCONFIRMED or not frame.payload:
                    continue
                answer = self._fragments.add(frame.payload)
                if answer is not None and answer[1] == 130:
                    await self.send(self._frame(bytes((0xD0 | answer[0] & 0x0F, 0))))
                elif answer is not None and answer[0] & 0x0F == self._sequence:
                    heard |= answer[4:9] == octets("1E 05 00 00 04")
        return heard

    def _frame(self, fragment: bytes) -> bytes:
        return link_frame(0xC4, b"\xc0" + fragment, 1024, self._address)


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[Rig, Master, Master]]:
    """The outstation, a master that will misbehave, and one that never does."""
    masters = (
        MasterConfig(name="hostile", address=1, hosts=LOOPBACK),
        MasterConfig(name="dms", address=2, hosts=LOOPBACK),
    )
    async with serving(masters, {PointKind.DBI: 2}, control_timeout_s=1.0) as rig:
        hostile, dms = Master(rig.port, 1), Master(rig.port, 2)
        try:
            yield rig, hostile, dms
        finally:
            hostile.close()
            dms.close()


async def test_an_attacked_outstation_answers_the_attacker_and_everybody_else() -> None:
    suffered = attacks(random.Random(7), 10_000)
    whole = [attack for attack in suffered if not attack.cut][:ATTACKS]
    cut = [attack for attack in suffered if attack.cut][:CUT_ATTACKS]
    async with attacked() as (rig, hostile, dms):
        for number, attack in enumerate(whole + cut):
            await hostile.send(attack.stream)
            if attack.cut:
                await asyncio.sleep(BREATH_S)
            assert await hostile.answered_after_s() < PATIENCE_S, attack
            if number % 5 == 0:
                assert await dms.answered_after_s() < PATIENCE_S, attack
                rig.put("ai.1", float(number))
        assert len(rig.outstation.masters()) == 2
        assert len(rig.outstation.server._connections) <= 2
        assert len(asyncio.all_tasks()) < 10
        states = {state.name: state for state in rig.outstation.masters()}
        assert states["hostile"].counts["requests"] > ATTACKS
        assert "malformed requests" not in states["dms"].counts


async def test_two_hundred_connections_that_say_nothing_keep_nobody_out() -> None:
    async with attacked() as (rig, _, dms):
        silent = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(200)]
        assert await dms.answered_after_s() < PATIENCE_S
        assert len(rig.outstation.server._connections) <= 16
        for _, writer in silent:
            writer.transport.abort()


class Liar:
    """A TCP outstation that answers each request honestly until it is told to lie."""

    def __init__(self, rng: random.Random) -> None:
        self.value, self.port = 0, 0
        self.lie: str | None = None
        self._rng = rng

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tongue = Tongue()
        with suppress(ConnectionError):
            while said := await reader.read(4096):
                for request in asked(said):
                    writer.write(self._answer(tongue, request))
        writer.close()

    def _answer(self, tongue: Tongue, request: Asked) -> bytes:
        if self.lie is None:
            return tongue.say(truth(request, self.value), request.sequence)
        lie, self.lie = LIES[self.lie], None
        return lie(self._rng, tongue, request)


@asynccontextmanager
async def lying(rng: random.Random) -> AsyncIterator[Liar]:
    liar = Liar(rng)
    server = await asyncio.start_server(liar.serve, "127.0.0.1", 0)
    liar.port = server.sockets[0].getsockname()[1]
    try:
        yield liar
    finally:
        server.close()


async def test_a_master_lied_to_over_tcp_takes_the_truth_afterwards() -> None:
    rng = random.Random(11)
    settings = {
        "address": 10, "timeout_s": 0.05, "scans": ((0.02, (1, 2, 3, 0)),), "retry_min_s": 0.02,
        "retry_max_s": 0.05,
    }  # fmt: skip
    async with lying(rng) as liar:
        channel = tcp(liar.port, reconnect_max_s=0.05)
        async with running(channel, [device(4, 0, **settings)]) as rig:
            for number in range(LIES_TOLD):
                liar.value = 100_000 + number
                liar.lie = list(LIES)[number % len(LIES)]
                await until(lambda: liar.lie is None, PATIENCE_S)
                await until(
                    lambda: rig.good("d.AI0") and rig.value("d.AI0") == liar.value, PATIENCE_S
                )
                rig.changes.clear()
            assert rig.state().connected
            assert len(asyncio.all_tasks()) < 10
