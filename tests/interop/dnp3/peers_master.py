"""Masters of three other stacks behind one face, on loopback.

What a peer lacks, it says in ``lacks``: dnp3py's master gives no statuses of controls (they are
read from its raw response here) and no octet strings; py1815's does not decode octet strings.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import opendnp3
from dnp3.application.builder import build_cold_restart_request
from dnp3.application.fragment import RequestFragment
from dnp3.application.header import RequestHeader
from dnp3.core.enums import FunctionCode as Dnp3pyFunction
from dnp3.master import Master as Dnp3pyMaster
from dnp3.master.commands import CommandBuilder
from dnp3.master.config import MasterConfig
from dnp3.master.handler import DefaultSOEHandler, ResponseInfo
from dnp3.master.tcp_runner import MasterTcpRunner
from py1815.decode import PointType
from py1815.master.api import Outstation
from py1815.master.tasks import Tasks

OUTSTATION, PATIENCE_S = 1024, 5.0


@dataclass(frozen=True)
class Event:
    """One event as a master reported it."""

    kind: str
    index: int
    value: float
    time_ms: int | None


@dataclass
class Seen:
    """What a master was told.

    Attributes:
        values: last of each point, static or event.
        events: in the order they came.
        iin: indications of the last response, IIN1 in the low octet.
    """

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    iin: int = 0


class Peer(Protocol):
    """A master of another stack, connected."""

    seen: Seen

    async def integrity(self) -> None:
        """Read classes 1, 2, 3 and 0."""

    async def poll(self) -> None:
        """Read classes 1, 2 and 3."""

    async def enable_unsolicited(self) -> None:
        """For all three classes."""

    async def listen(self) -> None:
        """Let what comes unasked come in."""

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        """Latch a binary output or set an analog one; the status of its object."""

    async def clear_restart(self) -> None:
        """Write IIN1.7."""

    async def cold_restart(self) -> int:
        """Ask for a restart; the delay answered, ms."""


async def eventually(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that other threads or tasks bring about."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


class _Recorder(DefaultSOEHandler):
    """dnp3py's handler, with what comes as an event kept in order."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def _take(self, kind: str, values: list[Any]) -> None:
        for value in values:
            self._seen.values[kind, value.index] = float(value.value)
            if value.timestamp is not None:
                moment = value.timestamp.replace(tzinfo=value.timestamp.tzinfo or UTC)
                since = moment - datetime(1970, 1, 1, tzinfo=UTC)
                time_ms = round(since.total_seconds() * 1000)
                self._seen.events.append(Event(kind, value.index, float(value.value), time_ms))

    def on_binary_input(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("BI", values)

    def on_binary_output(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("BO", values)

    def on_analog_input(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("AI", values)

    def on_analog_output(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("AO", values)

    def on_counter(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("CTR", values)


class _Raw(Dnp3pyMaster):
    """dnp3py's master, keeping the last response as it came."""

    raw = b""

    def process_response(self, data: bytes) -> ResponseInfo | None:
        self.raw = data
        return super().process_response(data)


class Dnp3pyPeer:
    def __init__(self, runner: MasterTcpRunner, seen: Seen) -> None:
        self._runner = runner
        self.seen = seen

    async def integrity(self) -> None:
        self._note(await self._runner.integrity_poll())

    async def poll(self) -> None:
        self._note(await self._runner.class_poll())

    async def enable_unsolicited(self) -> None:
        self._note(await self._runner.enable_unsolicited())

    async def listen(self) -> None:
        await self._runner.listen_unsolicited(timeout=1.0)

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        builder = CommandBuilder()
        if kind == "AO":
            builder.add_analog(index, value)
        else:
            (builder.latch_on if value else builder.latch_off)(index)
        master = self._runner.master
        assert isinstance(master, _Raw)
        if not select:
            direct = builder.build_direct_operate()
            self._note(await self._runner.request(master.build_direct_operate(direct)))
            return master.raw[-1]
        await self._runner.request(master.build_select(builder.build_select()))
        if master.raw[-1] != 0:
            return master.raw[-1]
        self._note(await self._runner.request(master.build_operate(builder.build_operate())))
        return master.raw[-1]

    async def clear_restart(self) -> None:
        sequence = self._runner.master.next_request_sequence()
        header = RequestHeader.build(Dnp3pyFunction.WRITE, seq=sequence)
        self._note(await self._runner.request(_ClearRestart(header, ())))

    async def cold_restart(self) -> int:
        sequence = self._runner.master.next_request_sequence()
        self._note(await self._runner.request(build_cold_restart_request(sequence)))
        master = self._runner.master
        assert isinstance(master, _Raw)
        assert master.raw[4:8] == bytes.fromhex("34 02 07 01")  # g52v2, one of them
        return int.from_bytes(master.raw[8:10], "little")

    def _note(self, infos: list[ResponseInfo]) -> None:
        self.seen.iin = int(infos[-1].iin)


class _ClearRestart(RequestFragment):
    """A write of group 80 variation 1, index 7, to 0: dnp3py builds none."""

    def to_bytes(self) -> bytes:
        return self.header.to_bytes() + bytes.fromhex("50 01 00 07 07 00")


class Py1815Peer:
    _KIND: ClassVar[dict[PointType, str]] = {
        PointType.BINARY_INPUT: "BI", PointType.BINARY_OUTPUT: "BO", PointType.COUNTER: "CTR",
        PointType.FROZEN_COUNTER: "FCTR", PointType.ANALOG_INPUT: "AI",
        PointType.ANALOG_OUTPUT: "AO",
    }  # fmt: skip

    def __init__(self, outstation: Outstation, seen: Seen) -> None:
        self.outstation = outstation
        self.seen = seen

    def take(self, objects: tuple[Any, ...]) -> None:
        for one in objects:
            kind = self._KIND.get(one.point) if one.point is not None else None
            if kind is None or one.value is None:
                continue
            self.seen.values[kind, one.index] = float(one.value)
            if one.event:
                self.seen.events.append(Event(kind, one.index, float(one.value), one.time_ms))

    async def integrity(self) -> None:
        await self._done(self.outstation.integrity_poll())

    async def poll(self) -> None:
        await self._done(self.outstation.scan("events"))

    async def enable_unsolicited(self) -> None:
        await self._done(self.outstation.enable_unsolicited())

    async def listen(self) -> None:
        await asyncio.sleep(0)

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        outputs = {"binary_outputs": {index: bool(value)}}
        if kind == "AO":
            outputs = {"analog_outputs": {index: value}}
        done = await self.outstation.operate(mode="select" if select else "direct", **outputs)
        point = PointType.ANALOG_OUTPUT if kind == "AO" else PointType.BINARY_OUTPUT
        status = done.status(point, index)
        assert status is not None
        return int(status)

    async def clear_restart(self) -> None:
        await self._done(self.outstation.clear_restart())

    async def cold_restart(self) -> int:
        exchange = await self._done(self.outstation.restart("cold"))
        (delay,) = exchange.objects
        return int.from_bytes(delay.raw[-2:], "little")

    async def _done(self, asked: Awaitable[Any]) -> Any:
        exchange = await asked
        assert exchange.complete, exchange.outcome
        iin = exchange.iin
        self.seen.iin = int(iin.first) | int(iin.second) << 8
        return exchange


class _Soe(opendnp3.ISOEHandler):
    _KIND: ClassVar[dict[int, str]] = {
        1: "BI", 2: "BI", 3: "DBI", 4: "DBI", 10: "BO", 11: "BO", 20: "CTR", 21: "FCTR",
        22: "CTR", 23: "FCTR", 30: "AI", 32: "AI", 40: "AO", 42: "AO",
    }  # fmt: skip

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def BeginFragment(self, info: Any) -> None:  # noqa: N802 - the peer's name
        pass

    def EndFragment(self, info: Any) -> None:  # noqa: N802
        pass

    def Process(self, info: Any, values: Any) -> None:  # noqa: N802
        name = str(info.gv)  # GroupVariation.Group32Var7
        group = int(name.partition("Group")[2].split("Group")[-1].partition("Var")[0])
        kind = self._KIND.get(group)
        if kind is None:
            return
        for one in values:
            value = one.value.value
            number = float(getattr(value, "value", value))
            self._seen.values[kind, one.index] = number
            if info.isEventVariation:
                timed = str(info.tsquality) != "TimestampQuality.INVALID"
                time_ms = int(one.value.time.value) if timed else None
                self._seen.events.append(Event(kind, one.index, number, time_ms))


class _Application(opendnp3.IMasterApplication):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self.done: list[tuple[str, bool]] = []
        self.finished = 0

    def OnReceiveIIN(self, iin: Any) -> None:  # noqa: N802
        self._seen.iin = iin.LSB | iin.MSB << 8

    def OnTaskComplete(self, info: Any) -> None:  # noqa: N802
        self.done.append((info.type.name, info.result == opendnp3.TaskCompletion.SUCCESS))
        self.finished += 1

    def OnTaskStart(self, *_: Any) -> None:  # noqa: N802
        pass

    def OnOpen(self) -> None:  # noqa: N802
        pass

    def OnClose(self) -> None:  # noqa: N802
        pass

    def OnStateChange(self, _: Any) -> None:  # noqa: N802
        pass

    def AssignClassDuringStartup(self) -> bool:  # noqa: N802
        return False

    def Now(self) -> Any:  # noqa: N802
        return opendnp3.UTCTimestamp(int(time.time() * 1000))


class _Listener(opendnp3.IChannelListener):
    def OnStateChange(self, _: Any) -> None:  # noqa: N802
        pass


class Yadnp3Peer:
    """opendnp3; its callbacks come on a thread of its own."""

    def __init__(self, master: Any, soe: _Soe, application: _Application, seen: Seen) -> None:
        self._master = master
        self._soe = soe
        self.application = application
        self.seen = seen

    async def integrity(self) -> None:
        await self._scan(opendnp3.ClassField.AllClasses())

    async def poll(self) -> None:
        await self._scan(opendnp3.ClassField.AllEventClasses())

    async def enable_unsolicited(self) -> None:
        await eventually(lambda: ("ENABLE_UNSOLICITED", True) in self.application.done)

    async def listen(self) -> None:
        await asyncio.sleep(0)

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        command: Any = opendnp3.AnalogOutputFloat32(value)
        if kind == "BO":
            latch = opendnp3.OperationType.LATCH_ON if value else opendnp3.OperationType.LATCH_OFF
            command = opendnp3.ControlRelayOutputBlock(latch)
        ended: list[int] = []
        send = self._master.SelectAndOperate if select else self._master.DirectOperate
        send(
            command, index,
            lambda result: ended.append(int(result.to_list()[0].status.value)),
            opendnp3.TaskConfig.Default(),
        )  # fmt: skip
        await eventually(lambda: bool(ended))
        return ended[0]

    async def clear_restart(self) -> None:
        await eventually(lambda: ("CLEAR_RESTART", True) in self.application.done)

    async def cold_restart(self) -> int:
        ended: list[int] = []
        self._master.Restart(
            opendnp3.RestartType.COLD,
            lambda result: ended.append(_milliseconds(result.restartTime)),
            opendnp3.TaskConfig.Default(),
        )
        await eventually(lambda: bool(ended))
        return ended[0]

    async def _scan(self, classes: Any) -> None:
        before = self._scans()
        self._master.ScanClasses(classes, self._soe, opendnp3.TaskConfig.Default())
        await eventually(lambda: self._scans() > before)

    def _scans(self) -> int:
        return sum(1 for name, _ in self.application.done if name == "USER_TASK")


def _milliseconds(duration: Any) -> int:
    text = str(duration)
    digits = "".join(itertools.takewhile(str.isdigit, text))
    return int(digits or -1)


@asynccontextmanager
async def dnp3py_master(port: int, address: int = 1) -> AsyncIterator[Dnp3pyPeer]:
    seen = Seen()
    config = MasterConfig(address=address, outstation_address=OUTSTATION)
    master = _Raw(config=config, handler=_Recorder(seen))
    runner = MasterTcpRunner(
        master=master, host="127.0.0.1", port=port, response_timeout=PATIENCE_S
    )
    async with runner:
        yield Dnp3pyPeer(runner, seen)


@asynccontextmanager
async def py1815_master(
    port: int,
    address: int = 1,
    tls: ssl.SSLContext | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[Py1815Peer]:
    seen = Seen()
    outstation = Outstation(
        "ours", host="127.0.0.1", port=port, outstation_address=OUTSTATION,
        master_address=address, response_timeout=patience_s, read_retries=0,
        tasks=Tasks.none(), tls=tls, reconnect=None,
    )  # fmt: skip
    peer = Py1815Peer(outstation, seen)
    outstation.on_exchange = lambda exchange: peer.take(exchange.objects)
    outstation.on_unsolicited = lambda response: peer.take(response.objects)
    await outstation.connect()
    try:
        yield peer
    finally:
        await outstation.close()


@asynccontextmanager
async def yadnp3_master(port: int, address: int = 1) -> AsyncIterator[Yadnp3Peer]:
    seen = Seen()
    manager = opendnp3.DNP3Manager(1)
    listener, soe, application = _Listener(), _Soe(seen), _Application(seen)
    channel = manager.AddTCPClient(
        "client", opendnp3.levels.NOTHING, opendnp3.ChannelRetry.Default(),
        [opendnp3.IPEndpoint("127.0.0.1", port)], "0.0.0.0", listener,
    )  # fmt: skip
    config = opendnp3.MasterStackConfig()
    config.link.LocalAddr, config.link.RemoteAddr = address, OUTSTATION
    config.master.disableUnsolOnStartup = True
    config.master.responseTimeout = opendnp3.TimeDuration.Seconds(int(PATIENCE_S))
    master = channel.AddMaster("master", soe, application, config)
    master.Enable()
    try:
        yield Yadnp3Peer(master, soe, application, seen)
    finally:
        # on a thread: shutting down waits for callbacks, and they need the interpreter
        await asyncio.to_thread(manager.Shutdown)
        del channel, master, listener


MASTERS: dict[str, Callable[[int], Any]] = {
    "dnp3py": dnp3py_master, "py1815": py1815_master, "yadnp3": yadnp3_master,
}  # fmt: skip
