"""Masters of three makers at an emulated outstation, behind one face."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Protocol

import opendnp3
from py1815.control import CommandStatus
from py1815.decode import PointType
from py1815.master.api import Outstation
from py1815.master.tasks import Tasks

from hil.demo.dnp3master import Dnp3Master, Reading, Seen
from hil.devices.dnp3_server import StationServer
from hil.devices.dnp3_station import Station

_PATIENCE_S = 3.0
_KINDS = {
    PointType.BINARY_INPUT: "BI",
    PointType.BINARY_OUTPUT: "BO",
    PointType.COUNTER: "CTR",
    PointType.ANALOG_INPUT: "AI",
    PointType.ANALOG_OUTPUT: "AO",
}


class Peer(Protocol):
    """A master connected to one outstation."""

    seen: Seen

    async def integrity(self) -> None: ...

    async def poll(self) -> None: ...

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str: ...


Connect = Callable[[int, int], AbstractAsyncContextManager[Peer]]


@asynccontextmanager
async def serving(stations: Sequence[Station]) -> AsyncIterator[int]:
    """Serves a device's stations on a free port."""
    server = StationServer(stations)
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        await server.stop()


async def until(holds: Callable[[], bool], timeout_s: float = _PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


def by_dnp3py(port: int, outstation: int) -> AbstractAsyncContextManager[Peer]:
    return Dnp3Master(port, outstation)


class Py1815Peer:
    def __init__(self, port: int, outstation: int) -> None:
        self.seen = Seen()
        self.outstation = Outstation(
            "peer", host="127.0.0.1", port=port, outstation_address=outstation,
            response_timeout=_PATIENCE_S, tasks=Tasks.none(), confirm=True, reconnect=None,
            on_exchange=lambda exchange: self._take(exchange.objects),
            on_unsolicited=lambda response: self._take(response.objects),
        )  # fmt: skip

    def _take(self, objects: Sequence[Any]) -> None:
        for one in objects:
            kind = _KINDS.get(one.point)
            if kind is not None and one.value is not None and one.index is not None:
                reading = Reading(kind, one.index, float(one.value), one.flags or 0, one.time_ms)
                self.seen.readings[kind, one.index] = reading
                if one.event:
                    self.seen.events.append(reading)

    async def integrity(self) -> None:
        assert (await self.outstation.integrity_poll()).complete

    async def poll(self) -> None:
        assert (await self.outstation.scan("events")).complete

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str:
        outputs = "analog_outputs" if kind == "AO" else "binary_outputs"
        mode = "select" if select else "direct"
        done = await self.outstation.operate(mode=mode, **{outputs: {index: value}})
        point = PointType.ANALOG_OUTPUT if kind == "AO" else PointType.BINARY_OUTPUT
        status = done.status(point, index)
        assert status is not None
        return CommandStatus(status).name


@asynccontextmanager
async def by_py1815(port: int, outstation: int) -> AsyncIterator[Py1815Peer]:
    peer = Py1815Peer(port, outstation)
    await peer.outstation.connect()
    try:
        yield peer
    finally:
        await peer.outstation.close()


class _Soe(opendnp3.ISOEHandler):
    _GROUPS = ((("Group1V", "Group2V"), "BI"), (("Group10V",), "BO"), (("Group20V",), "CTR"),
               (("Group30V", "Group32V"), "AI"), (("Group40V",), "AO"))  # fmt: skip

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def BeginFragment(self, info: Any) -> None:  # noqa: N802 - the peer's name
        pass

    def EndFragment(self, info: Any) -> None:  # noqa: N802
        pass

    def Process(self, info: Any, values: Any) -> None:  # noqa: N802
        name = str(info.gv).rpartition(".")[2]
        for starts, kind in self._GROUPS:
            if name.startswith(starts):
                for one in values:
                    self._take(kind, one, event=info.isEventVariation)

    def _take(self, kind: str, one: Any, *, event: bool) -> None:
        value, flags = one.value.value, int(one.value.flags.value)
        time_ms = int(one.value.time.value) if event else None
        reading = Reading(kind, one.index, float(value), flags, time_ms)
        self._seen.readings[kind, one.index] = reading
        if event:
            self._seen.events.append(reading)


class _Application(opendnp3.IMasterApplication):
    def __init__(self) -> None:
        super().__init__()
        self.scans = 0
        self.started = False

    def OnTaskComplete(self, info: Any) -> None:  # noqa: N802
        self.scans += info.type.name == "USER_TASK"
        self.started |= info.type.name == "STARTUP_INTEGRITY_POLL"

    def Now(self) -> Any:  # noqa: N802
        return opendnp3.UTCTimestamp(int(time.time() * 1000))

    def AssignClassDuringStartup(self) -> bool:  # noqa: N802
        return False

    def _nothing(self, *_: Any) -> None:
        """Called on a thread of the peer's; the test looks at what was told instead."""

    OnReceiveIIN = OnTaskStart = OnOpen = OnClose = OnStateChange = _nothing


class _Listener(opendnp3.IChannelListener):
    def OnStateChange(self, _: Any) -> None:  # noqa: N802
        pass


class Yadnp3Peer:
    """opendnp3's; its callbacks come on a thread of its own."""

    _CODES: ClassVar[dict[str, Any]] = {
        "latch_on": (opendnp3.OperationType.LATCH_ON, opendnp3.TripCloseCode.NUL),
        "latch_off": (opendnp3.OperationType.LATCH_OFF, opendnp3.TripCloseCode.NUL),
        "pulse_on": (opendnp3.OperationType.PULSE_ON, opendnp3.TripCloseCode.NUL),
        "close": (opendnp3.OperationType.PULSE_ON, opendnp3.TripCloseCode.CLOSE),
        "trip": (opendnp3.OperationType.PULSE_ON, opendnp3.TripCloseCode.TRIP),
    }

    def __init__(self, channel: Any, outstation: int) -> None:
        self.seen = Seen()
        self._soe, self._application = _Soe(self.seen), _Application()
        config = opendnp3.MasterStackConfig()
        config.link.LocalAddr, config.link.RemoteAddr = 1, outstation
        config.master.disableUnsolOnStartup = True
        config.master.responseTimeout = opendnp3.TimeDuration.Seconds(int(_PATIENCE_S))
        self._master = channel.AddMaster(
            f"master-{outstation}", self._soe, self._application, config
        )
        self._master.Enable()

    async def started(self) -> None:
        """Connected and through with what it does by itself; commands before that are lost."""
        await until(lambda: self._application.started)

    async def integrity(self) -> None:
        await self._scan(opendnp3.ClassField.AllClasses())

    async def poll(self) -> None:
        await self._scan(opendnp3.ClassField.AllEventClasses())

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str:
        if kind == "AO":
            command: Any = opendnp3.AnalogOutputFloat32(value)
        else:
            code, trip = self._CODES[str(value)]
            command = opendnp3.ControlRelayOutputBlock(code, trip)
        ended: list[str] = []
        send = self._master.SelectAndOperate if select else self._master.DirectOperate
        send(
            command, index,
            lambda result: ended.append(result.to_list()[0].status.name),
            opendnp3.TaskConfig.Default(),
        )  # fmt: skip
        await until(lambda: bool(ended))
        return ended[0]

    async def _scan(self, classes: Any) -> None:
        before = self._application.scans
        self._master.ScanClasses(classes, self._soe, opendnp3.TaskConfig.Default())
        await until(lambda: self._application.scans > before)


@asynccontextmanager
async def on_one_channel(port: int, outstations: Sequence[int]) -> AsyncIterator[list[Yadnp3Peer]]:
    """opendnp3's masters of several outstations behind one connection."""
    manager = opendnp3.DNP3Manager(1)
    listener = _Listener()
    channel = manager.AddTCPClient(
        "client", opendnp3.levels.NOTHING, opendnp3.ChannelRetry.Default(),
        [opendnp3.IPEndpoint("127.0.0.1", port)], "0.0.0.0", listener,
    )  # fmt: skip
    peers = [Yadnp3Peer(channel, outstation) for outstation in outstations]
    try:
        for peer in peers:
            await peer.started()
        yield peers
    finally:
        # on a thread: shutting down waits for callbacks, and they need the interpreter
        await asyncio.to_thread(manager.Shutdown)
        for peer in peers:
            del peer._master
        del channel, listener


@asynccontextmanager
async def by_yadnp3(port: int, outstation: int) -> AsyncIterator[Yadnp3Peer]:
    async with on_one_channel(port, [outstation]) as (peer,):
        yield peer


MASTERS: dict[str, Connect] = {"dnp3py": by_dnp3py, "py1815": by_py1815, "yadnp3": by_yadnp3}
