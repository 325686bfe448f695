"""Who may connect, who gives way, who is cut off; controls that overrun; several behind a port."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from gateway.links.dnp3.northbound.server import OutstationServer
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.errors import LinkError, LocalProtocolError
from gateway.model.point import PointKind
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from tests.interop.dnp3.master_face import eventually
from tests.interop.dnp3.outstation_rig import LOOPBACK, Outputs, serving
from tests.unit.links.dnp3.outstation_bench import Answer, answers, link_frame, octets, unframe

ONE = (MasterConfig(name="one", address=1, hosts=LOOPBACK, unsolicited=False),)
TWO = (*ONE, MasterConfig(name="two", address=2, hosts=LOOPBACK, unsolicited=False))
READ, LATCH = "1E 02 00 00 00", "0C 01 17 01 01 03 01 00 00 00 00 00 00 00 00 00"


class Line:
    """A bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: str, *, to: int = 1024, of: int = 1) -> Answer:
        self.writer.write(link_frame(0xC4, b"\xc0" + octets(request), to, of))
        async with asyncio.timeout(5):
            head = await self.reader.readexactly(10)
            size = head[2] - 5
            rest = await self.reader.readexactly(size + 2 * -(-size // 16))
        (answer,) = answers(unframe(head + rest))
        return answer

    async def ended(self) -> bool:
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read(1) == b""
        return True


@contextlib.asynccontextmanager
async def connected(port: int):
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield line
    finally:
        line.writer.close()


async def test_a_host_that_is_not_listed_is_refused() -> None:
    elsewhere = (MasterConfig(name="far", hosts=("127.0.0.9/32", "::1/128")),)
    async with serving(elsewhere) as rig, connected(rig.port) as line:
        assert await line.ended()
        assert rig.outstation.statistics.refused_hosts == 1


async def test_a_master_that_is_not_listed_is_not_heard() -> None:
    async with serving(TWO, first_word_s=0.2) as rig, connected(rig.port) as line:
        line.writer.write(link_frame(0xC9, of=3) + link_frame(0xC9, to=1025, of=4))
        assert await line.ended()
        assert rig.outstation.statistics.strange_frames == 2
        assert rig.outstation.statistics.silent == 1


async def test_masters_are_told_apart_by_their_address() -> None:
    async with serving(TWO) as rig, connected(rig.port) as first, connected(rig.port) as second:
        await first.ask(f"C0 01 {READ}", of=1)
        await second.ask(f"C0 01 {READ}", of=2)
        states = {state.name: state for state in rig.outstation.masters()}
        assert states["one"].peer
        assert states["two"].peer
        second.writer.write(link_frame(0xC9, of=1))  # one's word on two's line
        await eventually(lambda: rig.outstation.masters()[1].counts.get("frames not ours") == 1)


async def test_a_master_that_comes_again_takes_over() -> None:
    async with serving(ONE) as rig, connected(rig.port) as old:
        await old.ask(f"C0 01 {READ}")
        async with connected(rig.port) as new:
            await new.ask(f"C0 01 {READ}")
            assert await old.ended()
            assert rig.outstation.statistics.taken_over == 1
            await new.ask(f"C1 01 {READ}")


async def test_there_is_room_for_so_many_and_strangers_give_way() -> None:
    async with (
        serving(TWO, max_connections=2) as rig,
        connected(rig.port) as known,
        connected(rig.port) as stranger,
    ):
        await known.ask(f"C0 01 {READ}", of=1)
        async with connected(rig.port) as third:
            await third.ask(f"C0 01 {READ}", of=2)
            assert await stranger.ended()
            async with connected(rig.port) as fourth:
                assert await fourth.ended()
                assert rig.outstation.statistics.refused_full == 1


async def test_who_does_not_read_is_cut_off() -> None:
    many = {PointKind.AI: 1000}
    async with serving(ONE, counts=many, max_unsent=20_000) as rig:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, ("127.0.0.1", rig.port))
        with contextlib.suppress(ConnectionError):
            for n in range(3000):
                ask = bytes((0xC0, 0xC0 | n % 16, 0x01)) + octets("1E 06 00 00 C7")
                await loop.sock_sendall(plain, link_frame(0xC4, ask))
        await eventually(lambda: rig.outstation.statistics.slow_readers == 1)
        plain.close()


async def test_a_port_that_is_taken_is_a_lost_link() -> None:
    async with serving(ONE) as rig:
        config = OutstationConfig(port=rig.port, masters=ONE)
        store = PointStore((), SystemClock())
        other = Dnp3Outstation(config, (), store, Outputs(store), SystemClock())
        with pytest.raises(LinkError, match=str(rig.port)):
            await other.run()


async def test_two_outstations_stand_behind_one_port() -> None:
    clock = SystemClock()
    store = PointStore((), clock)
    both = [
        Dnp3Outstation(
            OutstationConfig(port=0, address=address, masters=ONE), (), store, Outputs(store),
            clock, {0: text},
        )
        for address, text in ((10, "ten"), (11, "eleven"))
    ]  # fmt: skip
    server = OutstationServer(both[0].station.config, [one.served() for one in both], clock)
    server.open()
    running = asyncio.create_task(server.run())
    async with connected(server.port) as line:
        assert (await line.ask("C0 01 6E 00 06", to=10)).body.endswith(b"ten")
        assert (await line.ask("C0 01 6E 00 06", to=11)).body.endswith(b"eleven")
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


class Slow(Outputs):
    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        await asyncio.sleep(0.3)
        return await super().operate(point, value, mode, master)


async def test_a_control_out_of_time_is_undefined_and_the_next_is_not_started() -> None:
    async with serving(ONE, control_timeout_s=0.1) as rig, connected(rig.port) as line:
        rig.outputs.__class__ = Slow
        two = "0C 01 17 02 01 03 01 00 00 00 00 00 00 00 00 00 02 03 01 00 00 00 00 00 00 00 00 00"
        answer = await line.ask(f"C0 05 {two}")
        assert [answer.body[15], answer.body[27]] == [CommandStatus.UNDEFINED] * 2
        await eventually(lambda: bool(rig.outputs.taken))
        await line.ask(f"C1 01 {READ}")
        assert [point for point, *_ in rig.outputs.taken] == ["bo.1"]


async def test_a_control_is_carried_out_once_though_its_master_is_gone() -> None:
    async with serving(ONE) as rig:
        rig.outputs.__class__ = Slow
        async with connected(rig.port) as line:
            line.writer.write(link_frame(0xC4, b"\xc0" + octets(f"C0 05 {LATCH}")))
            await line.writer.drain()
            await eventually(lambda: rig.outstation.masters()[0].counts.get("requests") == 1)
        await eventually(lambda: len(rig.outputs.taken) == 1)
        async with connected(rig.port) as line:
            assert (await line.ask(f"C0 01 {READ}")).function == 0x81
        assert len(rig.outputs.taken) == 1


async def test_an_open_end_is_not_called_too_late() -> None:
    async with serving(ONE) as rig, connected(rig.port) as line:
        rig.outputs.verdict = CommandStatus.SUCCESS
        original = rig.outputs.operate

        async def late(*args: object) -> CommandStatus:
            await original(*args)
            return CommandStatus.TIMEOUT

        rig.outputs.operate = late
        answer = await line.ask(f"C0 05 {LATCH}")
        assert answer.body[-1] == CommandStatus.UNDEFINED


def test_what_the_loader_must_refuse() -> None:
    from gateway.links.dnp3.northbound.database import PointSetup, faults
    from gateway.links.dnp3.objects import PointType

    wrong = [
        PointSetup(PointType.ANALOG_INPUT, 1),
        PointSetup(PointType.ANALOG_INPUT, 1),
        PointSetup(PointType.BINARY_INPUT, 70_000),
        PointSetup(PointType.BINARY_INPUT, 1, event_class=4),
        PointSetup(PointType.BINARY_INPUT, 2, static=9),
        PointSetup(PointType.ANALOG_INPUT, 2, deadband=-1),
        PointSetup(PointType.FROZEN_COUNTER, 3),
    ]
    assert len(faults(wrong)) == 6
    store = PointStore((), SystemClock())
    with pytest.raises(LocalProtocolError):
        Dnp3Outstation(
            OutstationConfig(masters=ONE), (), store, Outputs(store), SystemClock(), {70_000: "x"}
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"masters": ()},
        {"masters": (ONE[0], ONE[0])},
        {"masters": ONE, "address": 1},
        {"masters": ONE, "tls": {"certificate": "a", "key": "b", "ca": "c"}},
        {"masters": ONE, "unknown": 1},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        OutstationConfig(**settings)
