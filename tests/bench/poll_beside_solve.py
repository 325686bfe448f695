"""A polling process that has feeders optimised beside it, measured from inside.

Run as a child: ``python -m tests.bench.poll_beside_solve SECONDS CASE PORT...``. Prints one JSON
object. It polls alone, then with cold searches back to back in the worker, then with searches that
are cut, so that the worker is killed and built anew again and again.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from gateway.apps.decision import Decision
from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import ModbusDevice, PolledPoint, PollGroup
from gateway.links.modbus.poller import ModbusPoller
from gateway.links.modbus.slot import PolledBlock
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.profiles.registers import RegisterField, RegisterType
from gateway.site.clock import SystemClock
from gateway.site.cycle import ControlCycle
from gateway.site.vvo_case import Case, load_case, solve_case
from gateway.site.worker import Step, StepWorker

DEVICES, REGISTERS = 100, 50
#: Few a slot: every slot of the second has polls.
BLOCKS_PER_SLOT = 5
WARM_UP_S = 2.5
#: Less than half of what a cold search takes.
CUT_S = 0.2


class Watched(ModbusPoller):
    """Notes when its slots were due."""

    due_s = 0.0

    def _run_slots(self) -> None:
        self.due_s = self._began_s + self._tick_count * self.config.slot_ms / 1000
        super()._run_slots()


def build(case: Path, first_is_nothing: bool) -> Step:
    """The worker's step: a cold search, a child's first perhaps none.

    A child's first step may take its time to build, so only a later one is cut.
    """
    return partial(search, load_case(case), count(0 if first_is_nothing else 1))


def search(case: Case, calls: Iterator[int], *_: object) -> Decision[None]:
    if next(calls) == 0:
        return Decision((), (), (), None, {})
    answer = solve_case(case, "power", "zip", time.perf_counter)
    return Decision((), (), (), None, {"solve_ms": answer.solve_ms})


def poller_of(ports: list[int]) -> tuple[Watched, PointStore]:
    clock = SystemClock()
    fields = [RegisterField(n, RegisterType.INT16, scale=0.1) for n in range(REGISTERS)]
    specs = [
        PointSpec(f"dev{device}.r{n}", PointKind.AI, "V")
        for device in range(DEVICES)
        for n in range(REGISTERS)
    ]
    store = PointStore(specs, clock)
    endpoints = tuple(
        EndpointConfig(name=f"dev{n}", host="127.0.0.1", port=ports[n % len(ports)])
        for n in range(DEVICES)
    )
    config = PollerConfig(endpoints=endpoints, blocks_per_slot=BLOCKS_PER_SLOT)
    poller = Watched(config, (), store, clock)
    for device in range(DEVICES):
        points = tuple(
            PolledPoint(device * REGISTERS + n, Table.HOLDING, fields[n]) for n in range(REGISTERS)
        )
        unit = DeviceConfig(name=f"dev{device}", endpoint=f"dev{device}")
        poller.add_device(ModbusDevice(unit, (PollGroup(1.0, points),)))
    return poller, store


def watch(poller: Watched) -> list[float]:
    """A list that every poll puts its lateness in, s."""
    late_s: list[float] = []
    start = PolledBlock.start

    def watched(block: PolledBlock) -> None:
        start(block)
        late_s.append(time.monotonic() - poller.due_s)

    PolledBlock.start = watched
    return late_s


async def optimised(seconds: float, store: PointStore, case: Path, limit_s: float) -> dict:
    """Cycles as a gateway runs them, as fast as they go."""
    worker = StepWorker(partial(build, case, limit_s == CUT_S))
    clock = SystemClock()
    cycle = ControlCycle(0.001, worker, None, store, None, None, clock)
    cycle.limit_s = limit_s
    task = asyncio.create_task(cycle.run())
    await asyncio.sleep(seconds)
    counts = worker.statistics
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    figures = {"steps": counts.steps, "overruns": counts.overruns, "failures": counts.failures}
    return figures | cycle.record.notes


async def main() -> None:
    seconds, case, ports = float(sys.argv[1]), Path(sys.argv[2]), [int(p) for p in sys.argv[3:]]
    poller, store = poller_of(ports)
    polling = asyncio.create_task(poller.run())
    await asyncio.sleep(WARM_UP_S)
    late_s = watch(poller)
    units = [line.unit(1) for line in poller.statistics.lines.values()]
    result: dict[str, Any] = {}
    for phase, limit_s in (("alone", 0.0), ("solving", 60.0), ("cut", CUT_S)):
        late_s.clear()
        missed, overruns = sum(u.missed for u in units), poller.statistics.overruns
        if limit_s:
            counts = await optimised(seconds, store, case, limit_s)
        else:
            counts = {}
            await asyncio.sleep(seconds)
        result[phase] = {
            "late_s": list(late_s),
            "missed": sum(u.missed for u in units) - missed,
            "skipped": poller.statistics.overruns - overruns,
            **counts,
        }
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
