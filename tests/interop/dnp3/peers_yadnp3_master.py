"""opendnp3's master (yadnp3), in threads of its own."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import opendnp3

from tests.interop.dnp3.master_face import OUTSTATION, PATIENCE_S, Event, Seen, eventually


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
