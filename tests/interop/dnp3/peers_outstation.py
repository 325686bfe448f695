"""Outstations of three other stacks, each with n points of each type it has, on loopback.

What a peer lacks is said where it is: ``lacks`` names the capabilities that a test must not ask
of it. dnp3py drives no unsolicited responses over TCP, and of its events only counters carry a
time; py1815 has no counters of its own; yadnp3's Python binding sets no event variation, so none
of its events carries a time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import dnp3.outstation as dnp3py
import dnp3.outstation.tcp_runner
from dnp3.core.enums import CommandStatus as Dnp3pyStatus
from dnp3.core.timestamp import DNP3Timestamp
from dnp3.database import Database, DatabaseConfig
from dnp3.database.event_buffer import EventBufferConfig
from py1815.application import ObjectHeader, object_header
from py1815.control import (
    AnalogOutput,
    CommandStatus,
    ControlRelayOutputBlock,
    encode_analog_output_status,
    encode_binary_output_status,
)
from py1815.events import EventBuffers, EventClass
from py1815.objects import (
    AnalogPoint,
    AnalogVariation,
    BinaryPoint,
    analog_range,
    binary_range,
)
from py1815.server import OutstationServer
from py1815.session import Control, Session, UnknownObject

from tests.interop.dnp3.lazily import lazily

#: Points a block, so that each block fits a fragment.
_BLOCK = 100


class Peer(Protocol):
    """An outstation of another stack.

    Attributes:
        name, port, address: what it is and where.
        count: points of each type.
        controls: what it was told to do: (function, index, code or value).
        times: times written to it, UTC ms.
        lacks: capabilities it does not have.
    """

    name: str
    port: int
    address: int
    count: int
    controls: list[tuple[str, int, float]]
    times: list[int]
    lacks: frozenset[str]

    def set_analog(self, index: int, value: float, time_ms: int) -> None: ...
    def set_binary(self, index: int, value: bool, time_ms: int) -> None: ...
    def restart(self) -> None: ...


# ---------------------------------------------------------------------------- py1815


@dataclass
class Py1815Points:
    """A read and control provider with g1, g10, g30 and g40 points; outputs show their commands."""

    count: int
    analogs: list[float] = field(default_factory=list)
    binaries: list[bool] = field(default_factory=list)
    relays: list[bool] = field(default_factory=list)
    setpoints: list[float] = field(default_factory=list)
    controls: list[tuple[str, int, float]] = field(default_factory=list)
    refuse: CommandStatus = CommandStatus.SUCCESS
    follows: bool = True

    def __post_init__(self) -> None:
        self.analogs = [float(index) for index in range(self.count)]
        self.binaries = [index % 2 == 1 for index in range(self.count)]
        self.relays = [False] * self.count
        self.setpoints = [0.0] * self.count

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        return b"".join(self.read_blocks(headers))

    def read_blocks(self, headers: Sequence[ObjectHeader]) -> list[bytes]:
        blocks: list[bytes] = []
        for header in headers:
            groups = (1, 10, 30, 40) if header.group == 60 else (header.group,)
            first = 0 if header.start is None else header.start
            last = self.count - 1 if header.stop is None else header.stop
            blocks += [
                self._block(group, start, min(last, start + _BLOCK - 1))
                for group in groups
                for start in range(first, last + 1, _BLOCK)
            ]
        return blocks

    def _block(self, group: int, start: int, stop: int) -> bytes:
        span = slice(start, stop + 1)
        if group == 1:
            return binary_range(start, [BinaryPoint(state) for state in self.binaries[span]])
        if group == 30:
            points = [AnalogPoint(value) for value in self.analogs[span]]
            return analog_range(start, points, variation=AnalogVariation.FLOAT32_WITH_FLAG)
        if group == 10:
            head = object_header(10, 2, start=start, stop=stop)
            states = self.relays[span]
            return head + b"".join(encode_binary_output_status(state=one) for one in states)
        if group == 40:
            head = object_header(40, 3, start=start, stop=stop)
            return head + b"".join(encode_analog_output_status(v, 3) for v in self.setpoints[span])
        raise UnknownObject(group)

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        return [self._note("select", control) for control in controls]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        return [self._note(control.function.name.lower(), control) for control in controls]

    def _note(self, function: str, control: Control) -> CommandStatus:
        command = control.command
        if isinstance(command, ControlRelayOutputBlock):
            value = float(command.control_code)
        else:
            value = command.value
        self.controls.append((function, control.index, value))
        if control.index >= self.count:
            return CommandStatus.NOT_SUPPORTED
        if self.refuse is CommandStatus.SUCCESS and function != "select" and self.follows:
            if isinstance(command, AnalogOutput):
                self.setpoints[control.index] = command.value
            else:
                self.relays[control.index] = command.control_code in (0x01, 0x03, 0x41)
        return self.refuse


class Py1815Peer:
    """A session of py1815 with its points; whoever owns the octets drives it."""

    name = "py1815"
    lacks = frozenset[str]()

    def __init__(
        self, count: int, address: int = 1024, *, unsolicited: bool = True, need_time: bool = False
    ) -> None:
        self.count, self.address, self.port = count, address, 0
        self.points = Py1815Points(count)
        self.times: list[int] = []
        self.events = EventBuffers(capacity=10_000)
        for index in range(count):
            self.events.prime_analog(index, AnalogPoint(float(index)))
            self.events.prime_binary(index, BinaryPoint(index % 2 == 1))
        self.session = Session(
            self.points,
            control_provider=self.points,
            events=self.events,
            outstation_address=address,
            time_sink=self.times.append,
            need_time=need_time,
            unsolicited=unsolicited,
            unsolicited_confirm_timeout=1.0,
            restart_handler=lambda: 0,
        )
        self.server: OutstationServer | None = None

    @property
    def controls(self) -> list[tuple[str, int, float]]:
        return self.points.controls

    def set_analog(self, index: int, value: float, time_ms: int) -> None:
        self.points.analogs[index] = value
        self.events.record_analog(
            index, AnalogPoint(value), event_class=EventClass.CLASS_2, timestamp_ms=time_ms
        )
        self._notify()

    def set_binary(self, index: int, value: bool, time_ms: int) -> None:
        self.points.binaries[index] = value
        self.events.record_binary(
            index, BinaryPoint(value), event_class=EventClass.CLASS_1, timestamp_ms=time_ms
        )
        self._notify()

    def restart(self) -> None:
        self.session.restart()
        self._notify()

    def _notify(self) -> None:
        if self.server is not None:
            self.server.notify()


@asynccontextmanager
async def py1815_outstation(
    count: int,
    *,
    tls: ssl.SSLContext | None = None,
    peers: frozenset[str] = frozenset(),
    need_time: bool = False,
    unsolicited: bool = True,
) -> AsyncIterator[Py1815Peer]:
    peer = Py1815Peer(count, need_time=need_time, unsolicited=unsolicited)
    allowed = peers or None
    peer.server = OutstationServer(
        peer.session, bind="127.0.0.1:0", ssl_context=tls, authorized_peers=allowed
    )
    await peer.server.start()
    peer.port = peer.server.port
    try:
        yield peer
    finally:
        await peer.server.stop()


# ---------------------------------------------------------------------------- dnp3py


class _Dnp3pyCommands(dnp3py.DefaultCommandHandler):
    def __init__(self, controls: list[tuple[str, int, float]], count: int) -> None:
        self._controls = controls
        self._count = count

    def _note(self, function: str, index: int, value: float) -> dnp3py.CommandResult:
        if index >= self._count:
            return dnp3py.CommandResult(status=Dnp3pyStatus.NOT_SUPPORTED)
        self._controls.append((function, index, float(value)))
        return dnp3py.CommandResult(status=Dnp3pyStatus.SUCCESS)

    def select_binary_output(self, index, code, count, on_time, off_time):
        return self._note("select", index, int(code))

    def operate_binary_output(self, index, code, count, on_time, off_time, select_sequence):
        return self._note("operate", index, int(code))

    def direct_operate_binary_output(self, index, code, count, on_time, off_time):
        return self._note("direct_operate", index, int(code))

    def select_analog_output(self, index, value):
        return self._note("select", index, value)

    def operate_analog_output(self, index, value, select_sequence):
        return self._note("operate", index, value)

    def direct_operate_analog_output(self, index, value):
        return self._note("direct_operate", index, value)


class Dnp3pyPeer:
    """An outstation of dnp3py."""

    name = "dnp3py"
    lacks = frozenset({"unsolicited"})

    def __init__(self, count: int, address: int = 1024) -> None:
        self.count, self.address, self.port = count, address, 0
        self.controls: list[tuple[str, int, float]] = []
        self.times: list[int] = []
        most = {
            f"max_{kind}": count
            for kind in (
                "binary_inputs", "binary_outputs", "analog_inputs", "analog_outputs", "counters",
            )
        }  # fmt: skip
        buffers = EventBufferConfig(max_binary_events=1000, max_analog_events=1000)
        database = Database(config=DatabaseConfig(**most, event_buffer_config=buffers))
        for index in range(count):
            database.add_binary_input(index)
            database.add_binary_output(index)
            database.add_analog_input(index)
            database.add_analog_output(index)
            database.add_counter(index)
            database.update_binary_input(index, index % 2 == 1)
            database.update_analog_input(index, float(index))
        database.clear_events()
        self.database = database
        config = dnp3py.OutstationConfig(address=address, master_address=1)
        self.outstation = dnp3py.Outstation(
            config=config,
            database=database,
            handler=_Dnp3pyCommands(self.controls, count),
            time_handler=lambda stamp: self.times.append(stamp.milliseconds),
        )

    def set_analog(self, index: int, value: float, time_ms: int) -> None:
        self.database.update_analog_input(index, value, timestamp=DNP3Timestamp(time_ms))

    def set_binary(self, index: int, value: bool, time_ms: int) -> None:
        self.database.update_binary_input(index, value, timestamp=DNP3Timestamp(time_ms))

    def set_counter(self, index: int, value: int, time_ms: int) -> None:
        self.database.update_counter(index, value, timestamp=DNP3Timestamp(time_ms))

    def restart(self) -> None:
        self.outstation._state.set_restart()  # dnp3py offers no other way


@asynccontextmanager
async def dnp3py_outstation(count: int) -> AsyncIterator[Dnp3pyPeer]:
    peer = Dnp3pyPeer(count)
    runner = dnp3.outstation.tcp_runner.OutstationTcpRunner(peer.outstation, "127.0.0.1", 0)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(10):
            while not runner.is_running:
                await asyncio.sleep(0.01)
        assert runner.local_address is not None
        peer.port = runner.local_address[1]
        yield peer
    finally:
        await runner.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# ---------------------------------------------------------------------------- yadnp3


@asynccontextmanager
async def yadnp3_outstation(count: int, *, tls: object | None = None) -> AsyncIterator[Peer]:
    peer = lazily("tests.interop.dnp3.peers_yadnp3_outstation").YadnpPeer(
        count, free_port(), 1024, tls
    )
    try:
        await listening(peer.port)
        yield peer
    finally:
        # its threads end while the loop goes on
        await asyncio.get_running_loop().run_in_executor(None, peer.stop)


def free_port() -> int:
    """A port nobody has: yadnp3 does not say which it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listening(port: int) -> None:
    """Wait until something listens there."""
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)
