"""Runs a plant: against the clock with devices on the bus, or alone as fast as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hil.plant.bus import DeviceBus
from hil.plant.terminals import Instruments
from hil.plant.truth import TruthLog
from hil.plant.world import Plant, Snapshot
from hil.wire import FEEDER_PLC, SWITCHGEAR


def run_uncontrolled(plant: Plant, log: TruthLog, until_s: float) -> None:
    """Run without any control: taps and capacitors where they start, DERs at unity."""
    log.write(plant.step(plant.uncontrolled(plant.time_s), 0.0))
    step_s = plant.scenario.step_s
    while plant.time_s < until_s - 1e-9:
        log.write(plant.step(plant.uncontrolled(plant.time_s + step_s), step_s))


@dataclass(slots=True)
class LiveRun:
    """The plant against the wall clock.

    Attributes:
        time_scale: simulated seconds a wall second.
        hold_s: longest wait, wall seconds, for every device before the clock starts.
        paused: asked before each step; while True the present is solved again and again.
        on_settled: called once every device has answered, or ``hold_s`` is over.
        until_s: simulated time at which to end.
    """

    plant: Plant
    bus: DeviceBus
    instruments: Instruments
    log: TruthLog | None
    time_scale: float
    until_s: float
    hold_s: float
    paused: Callable[[], bool]
    on_settled: Callable[[], None]
    _seq: int = 0

    async def run(self) -> None:
        """Step until ``until_s``; drift does not add up, a late step is not made up for."""
        loop = asyncio.get_running_loop()
        step_s = self.plant.scenario.step_s
        period_s = step_s / self.time_scale
        hold_until = loop.time() + self.hold_s
        due = loop.time()
        running = settled = False
        while self.plant.time_s < self.until_s - 1e-9:
            if running:
                self._log(self._step(step_s, loop.time()))
            else:
                if not settled and (self.bus.complete or loop.time() > hold_until):
                    settled = True
                    self.on_settled()
                running = settled and not self.paused()
                present = self._step(0.0, loop.time())
                if running:
                    self._log(present)
            due = max(due + period_s, loop.time())
            await asyncio.sleep(due - loop.time())

    def _step(self, elapsed_s: float, now: float) -> Snapshot:
        if elapsed_s:
            self.plant.command(self.bus.taps, self.bus.caps, self.bus.switches)
        snapshot = self.plant.step(self.bus.injections(now), elapsed_s)
        self._seq += 1
        self.bus.send(
            (name, self.instruments.message(name, self._seq, elapsed_s, snapshot))
            for name in sorted(self.bus.connected)
        )
        return snapshot

    def _log(self, snapshot: Snapshot) -> None:
        if self.log is not None:
            self.log.write(snapshot)


def bus_devices(plant: Plant) -> frozenset[str]:
    """Names of the devices a plant expects on its bus."""
    gear = {SWITCHGEAR} if plant.scenario.switch else set()
    return frozenset(plant.scenario.ders) | {FEEDER_PLC} | gear
