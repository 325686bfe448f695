"""A raw Modbus TCP server that misbehaves on request, and a running poller against it."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import ModbusDevice, OutputPoint, PolledPoint, PollGroup
from gateway.links.modbus.poller import ModbusPoller
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.profiles.registers import RegisterField, RegisterType
from gateway.site.clock import SystemClock

#: transaction, unit, pdu -> what goes back on the wire, as it stands
Answer = Callable[[int, int, bytes], bytes]


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A frame written by hand, apart from the code under test."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def honest(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Registers hold their own address; writes are echoed."""
    function, address, count = struct.unpack(">BHH", pdu[:5])
    if function in (3, 4):
        data = struct.pack(f">{count}H", *range(address, address + count))
        return frame(transaction, unit, bytes([function, len(data)]) + data)
    if function in (1, 2):
        data = bytes([0b01010101] * ((count + 7) // 8))
        return frame(transaction, unit, bytes([function, len(data)]) + data)
    return frame(transaction, unit, pdu[:5])


class HostileServer:
    """Answers as ``answer`` says; closes with a reset where it raises ConnectionResetError."""

    def __init__(self) -> None:
        self.answer: Answer = honest
        self.requests: list[tuple[int, int, bytes]] = []
        self.connections = 0
        self.chunk_bytes = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def send(self, data: bytes) -> None:
        """Send bytes nobody asked for to every client."""
        for writer in tuple(self._writers):
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readexactly(7)
                transaction, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                self.requests.append((transaction, unit, pdu))
                await self._send(writer, self.answer(transaction, unit, pdu))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._writers.discard(writer)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.chunk_bytes:
            writer.write(data)
            return
        for start in range(0, len(data), self.chunk_bytes):
            writer.write(data[start : start + self.chunk_bytes])
            await asyncio.sleep(0)


class Rig:
    """A poller over one or two hostile servers, into a real store.

    Points are ``<device>.r<address>``; each device polls three registers from 100 on.
    """

    def __init__(self, poller: ModbusPoller, store: PointStore, server: HostileServer) -> None:
        self.poller = poller
        self.store = store
        self.server = server

    def __getitem__(self, point: str) -> Measurement:
        return self.store[point]

    def good(self, device: str) -> bool:
        return all(self.store[f"{device}.r{address}"].is_good for address in ADDRESSES)

    def lost(self, device: str) -> bool:
        return not any(self.store[f"{device}.r{address}"].is_good for address in ADDRESSES)

    def unit(self, unit: int, endpoint: str = "plant"):
        return self.poller.statistics.lines[endpoint].unit(unit)

    def assert_nothing_wrong(self) -> None:
        """Whatever is published as good is what the honest register holds: its address."""
        for point in self.store.index:
            value = self.store[point]
            if value.is_good:
                assert value.value == float(point.rpartition(".r")[2])


ADDRESSES = (100, 101, 102)


async def eventually(condition: Callable[[], bool], within_s: float = 3.0) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


def _device(name: str, endpoint: str, unit: int, first: int, period_s: float) -> ModbusDevice:
    points = tuple(
        PolledPoint(first + n, Table.HOLDING, RegisterField(address, RegisterType.UINT16))
        for n, address in enumerate(ADDRESSES)
    )
    outputs = (
        OutputPoint(f"{name}.setpoint", Table.HOLDING, 200, RegisterType.INT16, scale=0.1),
        OutputPoint(f"{name}.energy", Table.HOLDING, 210, RegisterType.UINT32),
        OutputPoint(f"{name}.checked", Table.HOLDING, 220, read_back=True),
        OutputPoint(f"{name}.switch", Table.COIL, 10),
    )
    config = DeviceConfig(name=name, endpoint=endpoint, unit=unit)
    return ModbusDevice(config, (PollGroup(period_s, points),), outputs)


MakeRig = Callable[..., Awaitable[Rig]]


@asynccontextmanager
async def _running(poller: ModbusPoller) -> AsyncIterator[None]:
    task = asyncio.create_task(poller.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


@pytest.fixture
async def make_rig() -> AsyncIterator[MakeRig]:
    """Start ``make_rig(units=(1, 2), **endpoint settings)``; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def make(
            units: tuple[int, ...] = (1,), period_s: float = 0.02, **settings: object
        ) -> Rig:
            server = HostileServer()
            await server.start()
            stack.push_async_callback(server.stop)
            quick = {
                "timeout_s": 0.08,
                "reconnect_min_s": 0.02,
                "reconnect_max_s": 0.05,
                "unit_backoff_min_s": 0.2,
                "unit_backoff_max_s": 0.4,
            }
            endpoint = EndpointConfig.model_validate(
                {"name": "plant", "host": "127.0.0.1", "port": server.port, **quick, **settings}
            )
            specs = [
                PointSpec(f"dev{unit}.r{address}", PointKind.AI)
                for unit in units
                for address in ADDRESSES
            ]
            clock = SystemClock()
            store = PointStore(specs, clock)
            devices = [
                _device(f"dev{unit}", "plant", unit, n * len(ADDRESSES), period_s)
                for n, unit in enumerate(units)
            ]
            config = PollerConfig(slot_ms=10, endpoints=(endpoint,))
            poller = ModbusPoller(config, devices, store, clock, random.Random(7))
            await stack.enter_async_context(_running(poller))
            return Rig(poller, store, server)

        yield make
