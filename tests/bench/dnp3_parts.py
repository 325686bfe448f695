"""One DNP3 station in a process of its own, ours or yadnp3's, that measures itself.

``dnp3_parts.py outstation tieline|yadnp3 POINTS`` serves that many analogs and an output, prints
its port, then the CPU seconds it has used whenever it reads a line, until its input ends.
``dnp3_parts.py integrity|operate tieline|yadnp3 PORT POINTS SECONDS`` is a master that polls, or
operates, one after the other for that long and prints its figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import opendnp3

from gateway.links.dnp3.config import AssociationConfig, ChannelConfig
from gateway.links.dnp3.master import Dnp3Device, Dnp3Master, OutputPoint, PolledPoint
from gateway.links.dnp3.northbound.point_map import MappedPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.command import Command, CommandMode, CommandStatus, Priority
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from tests.interop.dnp3.peers_outstation import free_port, listening

MASTER, OUTSTATION = 1, 1024
#: Outstations on the first core, masters on the last: neither is in the other's way.
CORES = sorted(os.sched_getaffinity(0))


def cpu_s() -> float:
    """CPU of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def pin(core: int) -> None:
    os.sched_setaffinity(0, {core})


class Actuator:
    """Takes every control and does nothing about it."""

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        return CommandStatus.SUCCESS

    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        return CommandStatus.SUCCESS


def filled_store(points: int) -> PointStore:
    """Analogs that read their own index, and one output behind them."""
    specs = [PointSpec(f"a{at}", PointKind.AI, max_age_s=1e9) for at in range(points)]
    store = PointStore([*specs, PointSpec("out", PointKind.AO)], SystemClock())
    count = points + 1
    positions = np.arange(count, dtype=np.intp)
    online = np.ones(count, dtype=np.uint8)
    store.update_block(positions, positions.astype(float), online, 1_700_000_000_000)
    return store


async def tieline_outstation(points: int) -> None:
    store = filled_store(points)
    analogs = [MappedPoint(at, f"a{at}", PointType.ANALOG_INPUT, at, 1, 1) for at in range(points)]
    output = MappedPoint(points, "out", PointType.ANALOG_OUTPUT, 0, 0, output=True)
    config = OutstationConfig(
        port=0, address=OUTSTATION, masters=(MasterConfig(name="m", hosts=("127.0.0.1",)),)
    )
    made = Dnp3Outstation(config, [*analogs, output], store, Actuator(), SystemClock())
    store.subscribe(made.note_changed)
    made.server.open()
    serving = asyncio.create_task(made.run())
    await answer_marks(made.port)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def yadnp3_outstation(points: int) -> None:
    port = free_port()
    manager = opendnp3.DNP3Manager(1)
    commands, application = _Commands(), _OutstationApplication()
    channel = manager.AddTCPServer(
        "peer", opendnp3.levels.NOTHING, opendnp3.ServerAcceptMode.CloseExisting,
        opendnp3.IPEndpoint("127.0.0.1", port), _Listener(),
    )  # fmt: skip
    database = opendnp3.DatabaseConfig(points)
    for kind in (
        "binary_input", "double_binary", "binary_output_status", "counter", "frozen_counter",
        "analog_output_status", "octet_string", "time_and_interval",
    ):  # fmt: skip
        setattr(database, kind, {})
    config = opendnp3.OutstationStackConfig(database)
    config.link.LocalAddr, config.link.RemoteAddr = OUTSTATION, MASTER
    outstation = channel.AddOutstation("peer", commands, application, config)
    updates = opendnp3.UpdateBuilder()
    for at in range(points):
        value = opendnp3.Analog(float(at), opendnp3.Flags(1))
        updates.Update(value, at, opendnp3.EventMode.Suppress)
    outstation.Apply(updates.Build())
    outstation.Enable()
    await listening(port)
    await answer_marks(port)
    await asyncio.to_thread(manager.Shutdown)


async def answer_marks(port: int) -> None:
    print(port, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(cpu_s(), flush=True)


class _Listener(opendnp3.IChannelListener):
    def OnStateChange(self, state: Any) -> None:  # noqa: N802 - theirs
        pass


class _OutstationApplication(opendnp3.IOutstationApplication):
    pass


class _Commands(opendnp3.ICommandHandler):
    def Begin(self) -> None:  # noqa: N802
        pass

    def End(self) -> None:  # noqa: N802
        pass

    def Select(self, command: Any, index: int) -> Any:  # noqa: N802
        return opendnp3.CommandStatus.SUCCESS

    def Operate(self, command: Any, index: int, handler: Any, kind: Any) -> Any:  # noqa: N802
        return opendnp3.CommandStatus.SUCCESS


def tieline_master(port: int, points: int, **settings: Any) -> tuple[Dnp3Master, PointStore]:
    """Our master with a real store, not yet running."""
    channel = ChannelConfig(name="c", host="127.0.0.1", port=port, master_address=MASTER)
    config = AssociationConfig(
        name="d", channel="c", address=OUTSTATION, unsolicited=(), scans=(), time_sync="none",
        **settings,
    )  # fmt: skip
    specs = [PointSpec(f"a{at}", PointKind.AI, max_age_s=1e9) for at in range(points)]
    store = PointStore(specs, SystemClock())
    polled = [PolledPoint(at, PointType.ANALOG_INPUT, at) for at in range(points)]
    output = OutputPoint("out", PointType.ANALOG_OUTPUT, 0, mode=CommandMode.DIRECT_OPERATE)
    device = Dnp3Device(config, tuple(polled), (output,))
    return Dnp3Master([channel], [device], store, SystemClock(), random.Random(1)), store


@contextlib.asynccontextmanager
async def running(master: Dnp3Master) -> Any:
    serving = asyncio.create_task(master.run())
    while master.states["d"].integrity_polls < 2:
        await asyncio.sleep(0.01)
    try:
        yield master.states["d"]
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def tieline_integrity(port: int, points: int, seconds: float) -> dict[str, float]:
    master, store = tieline_master(port, points, integrity_s=0.001)
    async with running(master) as state:
        polls, before_s = state.integrity_polls, cpu_s()
        await asyncio.sleep(seconds)
        polls, used_s = state.integrity_polls - polls, cpu_s() - before_s
        good = all(store.at(at).value == at and store.at(at).is_good for at in range(points))
    return {"polls": polls, "cpu_us": used_s * 1e6 / polls / points, "right": good}


async def tieline_operate(port: int, points: int, seconds: float) -> dict[str, float]:
    master, _ = tieline_master(port, points, integrity_s=0.1)
    took_ms: list[float] = []
    async with running(master):
        master.states["d"].integrity_polls = 0
        end_s = time.perf_counter() + seconds
        while (begun_s := time.perf_counter()) < end_s:
            command = Command("out", float(len(took_ms)), "bench", Priority.OPERATOR)
            result = await master.operate(command)
            took_ms.append((time.perf_counter() - begun_s) * 1e3)
            assert result.status is CommandStatus.SUCCESS, result
            await asyncio.sleep(0.001)
    return {"count": len(took_ms), "p50_ms": median(took_ms)}


class _Soe(opendnp3.ISOEHandler):
    """Index, value and flags of every analog as Python numbers; ``bare`` only counts what came."""

    def __init__(self, *, bare: bool) -> None:
        super().__init__()
        self.bare, self.count = bare, 0
        self.taken: list[tuple[int, float, int]] = []

    def BeginFragment(self, info: Any) -> None:  # noqa: N802
        pass

    def EndFragment(self, info: Any) -> None:  # noqa: N802
        pass

    def Process(self, info: Any, values: Any) -> None:  # noqa: N802
        if "Group30" not in str(info.gv):  # the output's status
            return
        self.count += len(values)
        if not self.bare:
            self.taken += [(one.index, one.value.value, one.value.flags.value) for one in values]


class _MasterApplication(opendnp3.IMasterApplication):
    def __init__(self) -> None:
        super().__init__()
        self.done = threading.Event()
        self.ready = threading.Event()

    def OnTaskComplete(self, info: Any) -> None:  # noqa: N802
        if info.type.name == "USER_TASK":
            self.done.set()
        elif info.type.name == "STARTUP_INTEGRITY_POLL":
            self.ready.set()

    def OnReceiveIIN(self, iin: Any) -> None:  # noqa: N802
        pass

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


@contextlib.contextmanager
def yadnp3_master(port: int, soe: opendnp3.ISOEHandler) -> Iterator[tuple[Any, Any]]:
    manager = opendnp3.DNP3Manager(1)
    listener, application = _Listener(), _MasterApplication()
    channel = manager.AddTCPClient(
        "client", opendnp3.levels.NOTHING, opendnp3.ChannelRetry.Default(),
        [opendnp3.IPEndpoint("127.0.0.1", port)], "0.0.0.0", listener,
    )  # fmt: skip
    config = opendnp3.MasterStackConfig()
    config.link.LocalAddr, config.link.RemoteAddr = MASTER, OUTSTATION
    config.master.disableUnsolOnStartup = True
    master = channel.AddMaster("master", soe, application, config)
    master.Enable()
    assert application.ready.wait(10)
    try:
        yield master, application
    finally:
        manager.Shutdown()
        del channel, master


async def yadnp3_integrity(
    port: int, points: int, seconds: float, *, bare: bool = False
) -> dict[str, float]:
    polls, soe = 0, _Soe(bare=bare)
    with yadnp3_master(port, soe) as (master, application):
        soe.count, before_s, end_s = 0, cpu_s(), time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            soe.taken = []
            application.done.clear()
            master.ScanClasses(opendnp3.ClassField.AllClasses(), soe, opendnp3.TaskConfig.Default())
            assert application.done.wait(10)
            polls += 1
        used_s = cpu_s() - before_s
    right = soe.count == polls * points
    right &= bare or soe.taken == [(at, float(at), 1) for at in range(points)]
    return {"polls": polls, "cpu_us": used_s * 1e6 / polls / points, "right": right}


async def yadnp3_operate(port: int, _points: int, seconds: float) -> dict[str, float]:
    took_ms: list[float] = []
    ended = threading.Event()
    with yadnp3_master(port, _Soe(bare=True)) as (master, _):
        end_s = time.perf_counter() + seconds
        while (begun_s := time.perf_counter()) < end_s:
            ended.clear()

            def on_end(result: Any, begun_s: float = begun_s) -> None:
                took_ms.append((time.perf_counter() - begun_s) * 1e3)
                assert result.to_list()[0].status == opendnp3.CommandStatus.SUCCESS
                ended.set()

            command = opendnp3.AnalogOutputFloat32(float(len(took_ms)))
            master.DirectOperate(command, 0, on_end, opendnp3.TaskConfig.Default())
            assert ended.wait(10)
            await asyncio.sleep(0.001)
    return {"count": len(took_ms), "p50_ms": median(took_ms)}


OUTSTATIONS = {"tieline": tieline_outstation, "yadnp3": yadnp3_outstation}
MASTERS = {
    ("integrity", "tieline"): tieline_integrity,
    ("integrity", "yadnp3"): yadnp3_integrity,
    ("integrity", "yadnp3-bare"): partial(yadnp3_integrity, bare=True),
    ("operate", "tieline"): tieline_operate,
    ("operate", "yadnp3"): yadnp3_operate,
}


def main() -> None:
    what, who, *rest = sys.argv[1:]
    if what == "outstation":
        pin(CORES[0])
        asyncio.run(OUTSTATIONS[who](int(rest[0])))
        return
    pin(CORES[-1])
    port, points, seconds = int(rest[0]), int(rest[1]), float(rest[2])
    print(json.dumps(asyncio.run(MASTERS[what, who](port, points, seconds))), flush=True)


if __name__ == "__main__":
    main()
