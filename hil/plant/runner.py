"""Runs a plant: against the clock with devices on the bus, or alone as fast as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hil.plant.bus import DeviceBus
from hil.plant.byhand import ByHand
from hil.plant.terminals import Instruments
from hil.plant.truth import TruthLog
from hil.plant.world import Plant, Snapshot
from hil.wire import FEEDER_PLC, SWITCHGEAR


def run_uncontrolled(plant: Plant, log: TruthLog, until_s: float) -> None:
    """Run without any control: taps and capacitors where they start, DERs at unity.

    Where the scenario is about an outage its relays act, and a crew switches by hand.
    """
    by_hand = (
        None if plant.scenario.outage is None else ByHand(plant.scenario, plant.scenario.outage)
    )
    snapshot = plant.step(plant.uncontrolled(plant.time_s), 0.0)
    log.write(snapshot)
    while plant.time_s < until_s - 1e-9:
        ahead_s, present = plant.scenario.step_s, frozenset(plant.scenario.ders)
        if by_hand is not None:
            ahead_s = by_hand.see(plant, snapshot)
            present = by_hand.ders_on(plant.time_s)
        wanted = plant.uncontrolled(plant.time_s + ahead_s)
        snapshot = plant.step({n: i for n, i in wanted.items() if n in present}, ahead_s)
        log.write(snapshot)


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
        period_s = self.plant.scenario.step_s / self.time_scale  # of a long step as well
        hold_until = loop.time() + self.hold_s
        due = loop.time()
        running = settled = False
        while self.plant.time_s < self.until_s - 1e-9:
            if running:
                ahead_s = self.plant.scenario.step_after(self.plant.time_s)
                self._log(self._step(ahead_s, loop.time()))
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
            self.plant.hear_relays(self.bus.by_relay, self.bus.locked)
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
