"""Our poller against pymodbus's server: TCP by both drivers, RTU over TCP, RTU on a pty pair."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pymodbus import FramerType
from pymodbus.datastore import (
    ModbusDeviceContext,
    ModbusSequentialDataBlock,
    ModbusServerContext,
)
from pymodbus.framer import FramerRTU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import ModbusDevice, OutputPoint, PolledPoint, PollGroup
from gateway.links.modbus.exchange import ModbusExceptionError, Outcome
from gateway.links.modbus.poller import ModbusPoller
from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.errors import LinkError
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.profiles.registers import RegisterField, RegisterType
from gateway.site.clock import SystemClock

pytestmark = pytest.mark.interop


def context() -> ModbusServerContext:
    """Every table holds ``10 * address`` or ``address % 3 == 0``; unit 7 alone answers."""

    def words() -> ModbusSequentialDataBlock:
        return ModbusSequentialDataBlock(1, [10 * n for n in range(300)])

    def bits() -> ModbusSequentialDataBlock:
        return ModbusSequentialDataBlock(1, [n % 3 == 0 for n in range(2100)])

    device = ModbusDeviceContext(di=bits(), co=bits(), hr=words(), ir=words())
    return ModbusServerContext(devices={7: device}, single=False)


@asynccontextmanager
async def tcp_server(framer: FramerType) -> AsyncIterator[int]:
    server = ModbusTcpServer(context(), framer=framer, address=("127.0.0.1", 0))
    await server.listen()
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


class SerialLine:
    """Two pty pairs joined: a line between a master's and a slave's device file."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._ends = [pty.openpty() for _ in range(2)]
        self.ports = [os.ttyname(slave) for _, slave in self._ends]
        loop = asyncio.get_running_loop()
        (here, _), (there, _) = self._ends
        for source, sink in ((here, there), (there, here)):
            os.set_blocking(source, False)
            loop.add_reader(source, lambda a=source, b=sink: os.write(b, os.read(a, 4096)))
        for _, slave in self._ends:
            tty.setraw(slave)
        stack.callback(self.close)

    def close(self) -> None:
        for master, slave in self._ends:
            asyncio.get_running_loop().remove_reader(master)
            os.close(master)
            os.close(slave)


@asynccontextmanager
async def running(
    endpoint: dict[str, object], devices: tuple[ModbusDevice, ...] = (), store: object = None
) -> AsyncIterator[ModbusPoller]:
    settings = {"timeout_s": 1.0, "reconnect_min_s": 0.02, "reconnect_max_s": 0.05}
    config = EndpointConfig.model_validate({"name": "peer", **settings, **endpoint})
    clock = SystemClock()
    poller = ModbusPoller(
        PollerConfig(slot_ms=10, endpoints=(config,)),
        devices,
        store or PointStore((), clock),
        clock,
        random.Random(1),
    )
    task = asyncio.create_task(poller.run())
    try:
        await poller.caller("peer").wait_open(2.0)
        yield poller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


@pytest.fixture(params=["native", "pymodbus", "rtu-over-tcp", "rtu"])
async def endpoint(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, object]]:
    """Settings to reach a pymodbus server by each way there is."""
    kind = request.param
    async with AsyncExitStack() as stack:
        if kind == "rtu":
            line = SerialLine(stack)
            server = ModbusSerialServer(
                context(), framer=FramerType.RTU, port=line.ports[1], baudrate=115200
            )
            await server.listen()
            stack.push_async_callback(server.shutdown)
            yield {
                "transport": "rtu",
                "serial_port": line.ports[0],
                "baudrate": 115200,
                "parity": "N",
            }
            return
        framer = FramerType.RTU if kind == "rtu-over-tcp" else FramerType.SOCKET
        port = await stack.enter_async_context(tcp_server(framer))
        settings = {"host": "127.0.0.1", "port": port}
        if kind == "rtu-over-tcp":
            yield {**settings, "transport": kind}
        else:
            yield {**settings, "driver": kind}


async def test_all_functions(endpoint: dict[str, object]) -> None:
    async with running(endpoint) as poller:
        caller = poller.caller("peer")
        for table in (Table.HOLDING, Table.INPUT):
            registers = await caller.read(7, table, 100, 125)
            assert registers.tolist() == [10 * n for n in range(100, 225)]
        for table in (Table.COIL, Table.DISCRETE):
            bits = await caller.read(7, table, 3, 2000)
            assert bits.tolist() == [int(n % 3 == 0) for n in range(3, 2003)]
        assert (await caller.write_registers(7, 5, [111])).outcome is Outcome.OK
        assert (await caller.write_registers(7, 6, [222], single_function=16)).outcome is Outcome.OK
        assert (await caller.write_registers(7, 7, list(range(123)))).outcome is Outcome.OK
        held = await caller.read(7, Table.HOLDING, 5, 125)
        assert held.tolist() == [111, 222, *range(123)]
        assert (await caller.write_coils(7, 20, [True])).outcome is Outcome.OK
        assert (await caller.write_coils(7, 22, [True], single_function=15)).outcome is Outcome.OK
        assert (await caller.write_coils(7, 23, [True, False, True] * 5)).outcome is Outcome.OK
        coils = await caller.read(7, Table.COIL, 20, 18)
        assert coils.tolist() == [1, 1, 1, *[1, 0, 1] * 5]  # 21 was a multiple of 3 before


async def test_refusals(endpoint: dict[str, object]) -> None:
    async with running(endpoint) as poller:
        caller = poller.caller("peer")
        with pytest.raises(ModbusExceptionError) as refusal:
            await caller.read(7, Table.HOLDING, 5000, 10)
        assert refusal.value.code == 2
        result = await caller.write_registers(7, 5000, [1])
        assert (result.outcome, result.code) == (Outcome.EXCEPTION, 2)


async def test_poll_and_command(endpoint: dict[str, object]) -> None:
    fields = [
        (Table.HOLDING, RegisterField(10, RegisterType.INT16, scale=0.1), 10.0),
        (Table.HOLDING, RegisterField(12, RegisterType.UINT32), 120 * 65536 + 130),
        (Table.INPUT, RegisterField(20, RegisterType.UINT16), 200.0),
        (Table.COIL, RegisterField(9, RegisterType.BIT), 1.0),
        (Table.DISCRETE, RegisterField(10, RegisterType.BIT), 0.0),
    ]
    store = PointStore([PointSpec(f"d.p{n}", PointKind.AI) for n in range(5)], SystemClock())
    points = tuple(PolledPoint(n, table, field) for n, (table, field, _) in enumerate(fields))
    output = OutputPoint("d.out", Table.HOLDING, 10, RegisterType.INT16, scale=0.1, read_back=True)
    device = ModbusDevice(
        DeviceConfig(name="d", endpoint="peer", unit=7), (PollGroup(0.05, points),), (output,)
    )
    async with running(endpoint, (device,), store) as poller:
        await until(lambda: all(store.at(n).is_good for n in range(5)))
        assert [store.at(n).value for n in range(5)] == [value for _, _, value in fields]
        command = Command("d.out", -3.5, "test", Priority.OPERATOR)
        assert (await poller.operate(command)).status is CommandStatus.SUCCESS
        await until(lambda: store["d.p0"].value == -3.5)
    assert not any(store.at(n).is_good for n in range(5))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3.0):
        while not condition():
            await asyncio.sleep(0.005)


def rtu(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def mbap(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


class Peer:
    """A raw TCP peer that answers what it is told, with a count of what it was asked."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(300):
                self.asked.append(data)
                answer = self.answer(data)
                if answer is None:
                    break
                writer.write(answer)
        except ConnectionError:
            pass
        writer.transport.abort()


@asynccontextmanager
async def raw_peer(peer: Peer) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in peer.writers:
            writer.transport.abort()
        await server.wait_closed()


LIES = {
    "fewer registers": struct.pack(">BBH", 3, 2, 7),
    "more registers": struct.pack(">BB3H", 3, 6, 7, 7, 7),
    "wrong function": struct.pack(">BB2H", 4, 4, 7, 7),
    "a write's answer": struct.pack(">BHH", 6, 0, 7),
    "exception": b"\x83\x04",
}


@pytest.mark.parametrize("framing", ["tcp", "rtu-over-tcp"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_pymodbus_believes_it_we_do_not(lie: bytes, framing: str) -> None:
    def answer(data: bytes) -> bytes:
        if framing == "tcp":
            return mbap(int.from_bytes(data[:2], "big"), data[6], lie)
        return rtu(data[0], lie)

    async with raw_peer(Peer(answer)) as port:
        settings = {"host": "127.0.0.1", "port": port, "transport": framing, "timeout_s": 0.2}
        async with running({**settings, "driver": "pymodbus", "quiet_s": 0.01}) as poller:
            with pytest.raises(Exception, match=r"fit|exception|answer|lost"):
                await poller.caller("peer").read(1, Table.HOLDING, 0, 2)


@pytest.mark.parametrize("transaction", [0, 999])
async def test_pymodbus_answer_with_a_foreign_transaction_is_not_taken(transaction: int) -> None:
    peer = Peer(lambda data: mbap(transaction, data[6], struct.pack(">BB2H", 3, 4, 7, 7)))
    async with raw_peer(peer) as port:
        settings = {"host": "127.0.0.1", "port": port, "driver": "pymodbus", "timeout_s": 0.1}
        async with running(settings) as poller:
            with pytest.raises(LinkError):
                await poller.caller("peer").read(1, Table.HOLDING, 0, 2)


async def test_pymodbus_reset_fails_at_once_and_a_write_is_sent_once() -> None:
    peer = Peer(lambda data: None)
    async with raw_peer(peer) as port:
        settings = {"host": "127.0.0.1", "port": port, "driver": "pymodbus", "timeout_s": 30.0}
        async with running(settings) as poller:
            caller = poller.caller("peer")
            async with asyncio.timeout(1.0):
                assert (await caller.write_registers(1, 0, [1])).outcome is Outcome.LOST
            await caller.wait_open(1.0)
    assert len(peer.asked) == 1


async def test_pymodbus_silence_costs_one_timeout_and_a_write_is_sent_once() -> None:
    peer = Peer(lambda data: b"")
    async with raw_peer(peer) as port:
        settings = {"host": "127.0.0.1", "port": port, "driver": "pymodbus", "timeout_s": 0.1}
        async with running(settings) as poller:
            result = await poller.caller("peer").write_registers(1, 0, [1])
            assert result.outcome is Outcome.TIMEOUT
    assert len(peer.asked) == 1


async def test_late_rtu_answer_is_not_taken_for_another() -> None:
    """RTU has no transaction id: after a time-out the line stays quiet until late is over."""
    peer = Peer(lambda data: b"")
    late = rtu(1, struct.pack(">BB2H", 3, 4, 7, 7))
    right = rtu(2, struct.pack(">BB2H", 3, 4, 8, 8))
    async with raw_peer(peer) as port:
        settings = {"host": "127.0.0.1", "port": port, "transport": "rtu-over-tcp"}
        async with running({**settings, "timeout_s": 0.1, "quiet_s": 0.2}) as poller:
            caller = poller.caller("peer")
            with pytest.raises(LinkError):
                await caller.read(1, Table.HOLDING, 0, 2)
            next_read = asyncio.create_task(caller.read(2, Table.HOLDING, 50, 2))
            await asyncio.sleep(0.1)
            assert len(peer.asked) == 1
            peer.writers[0].write(late)
            await until(lambda: len(peer.asked) == 2)
            peer.writers[0].write(right)
            assert (await next_read).tolist() == [8, 8]


async def test_garbage_on_an_rtu_line_is_survived() -> None:
    answers = [b"\xff" * 40, rtu(1, struct.pack(">BB2H", 3, 4, 7, 7))[:-1] + b"\0"]
    peer = Peer(lambda data: answers.pop() if answers else rtu(data[0], b"\x03\x02\0\x05"))
    async with raw_peer(peer) as port:
        settings = {"host": "127.0.0.1", "port": port, "transport": "rtu-over-tcp"}
        quick = {"unit_backoff_min_s": 0.001, "unit_backoff_max_s": 0.001, "quiet_s": 0.01}
        async with running({**settings, **quick, "timeout_s": 0.1}) as poller:
            caller = poller.caller("peer")
            for _ in range(2):
                with pytest.raises(LinkError):
                    await caller.read(1, Table.HOLDING, 0, 1)
                await caller.wait_open(1.0)
            await asyncio.sleep(0.02)
            assert (await caller.read(1, Table.HOLDING, 0, 1)).tolist() == [5]
