"""An outage from start to record: the bench with a fault on it, the gateway left to itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.demo.client import ClientError, OperatorClient
from hil.demo.endings import end_all
from hil.demo.errors import DemoError
from hil.demo.notes import plant_notes
from hil.demo.reference import run_uncontrolled
from hil.demo.session import GATEWAY, ONLINE, Session
from hil.demo.truthtail import TruthTail
from hil.report.outage import OutageRun
from hil.report.sequence import OutageRecord
from hil.scenario import HandStep

_FOLLOW_EVERY_S, _SAMPLE_EVERY_S = 0.1, 0.5
_STATES = {
    1: "connected to the grid",
    2: "an island",
    3: "leaving the grid as planned",
    4: "leaving the grid at once",
    5: "synchronising",
    6: "black start",
}

#: Told each change worth a line while the demo runs.
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class OutageTake:
    """An outage that has run.

    Attributes:
        record: what was seen.
        ours, theirs: the truth with the gateway and without, over the same time.
        feeder: the feeder's ``.dss`` master.
    """

    record: OutageRecord
    ours: OutageRun
    theirs: OutageRun
    feeder: Path


@dataclass(slots=True)
class OutageRunner:
    """Runs one outage.

    Args:
        session: not started yet, its scenario about an outage.
        seconds: longest run, wall seconds; None for the whole scenario.
        tell: told what changes; None for silence.
    """

    session: Session
    seconds: float | None = None
    tell: Tell | None = None
    _status: dict[str, Any] = field(default_factory=dict)
    _fault: str = ""
    _microgrid: list[tuple[float, str]] = field(default_factory=list)
    _told: str = ""
    _truth: TruthTail = field(init=False)

    def __post_init__(self) -> None:
        self._truth = TruthTail(self.session.truth)

    async def run(self) -> OutageTake:
        """Start, run to the scenario's end or for the time asked, stop.

        Raises:
            DemoError: something did not start, or died on the way.
        """
        async with self.session as session:
            try:
                await session.run_while_alive(self._work())
            finally:
                self._truth.close()
        return self._take()

    @property
    def _reference(self) -> Path:
        return self.session.folder / "uncontrolled.jsonl"

    async def _work(self) -> None:
        session, scenario = self.session, self.session.bench.scenario
        log = session.logs / "uncontrolled.log"
        await run_uncontrolled(session.scenario_path, scenario.duration_s, self._reference, log)
        async with session.client() as client:
            self._status = await session.connected(client)
            await session.bench.run_clock()
            sampling = asyncio.create_task(self._sample(client))
            try:
                async with asyncio.timeout(self.seconds):
                    while self._truth.now_s < scenario.duration_s:
                        self._follow()
                        if sampling.done():
                            sampling.result()
                        await asyncio.sleep(_FOLLOW_EVERY_S)
            except TimeoutError:
                self._follow()  # as far as it was asked to go
            finally:
                await end_all((sampling,))
            await self._look(client)
            if self._fault:
                raise DemoError(f"the {GATEWAY} does not answer: {self._fault}")

    def _follow(self) -> None:
        self._truth.poll(time.time())
        last = self._truth.last
        if self.tell is None or not last:
            return
        open_ = ", ".join(name for name, closed in last["switches"].items() if not closed)
        text = f"{last['customers_out']:5d} customers out; open: {open_}"
        if text != self._told:
            self._told = text
            self.tell(f"{last['time_s']:6.0f} s  {text}")

    async def _sample(self, client: OperatorClient) -> None:
        while True:
            await self._look(client)
            await asyncio.sleep(_SAMPLE_EVERY_S)

    async def _look(self, client: OperatorClient) -> None:
        try:
            self._status = await client.status()
        except ClientError as error:
            self._fault = str(error)
            return
        self._fault = ""
        poi = self.session.bench.scenario.poi
        value, flags, _ = self._status["points"].get(f"{poi}.state", (None, 0, 0))
        if value is None or flags != ONLINE:
            return
        state = f"{poi}: {_STATES.get(int(value), 'unknown')}"
        if not self._microgrid or self._microgrid[-1][1] != state:
            self._microgrid.append((self._simulated_s(1000 * time.time()), state))

    def _simulated_s(self, utc_ms: float) -> float:
        return round(self._truth.simulated_s(utc_ms / 1000), 1)

    def _take(self) -> OutageTake:
        scenario, status = self.session.bench.scenario, self._status
        outage = scenario.outage
        assert outage is not None  # noqa: S101 - the truth log has been read as one of an outage
        ours, theirs = OutageRun.read(self.session.truth), OutageRun.read(self._reference)
        end_s = min(float(ours.time_s[-1]), scenario.duration_s)
        record = OutageRecord(
            title=scenario.title,
            notes=plant_notes(scenario),
            time_scale=self.session.time_scale,
            repaired_s=outage.repaired_s,
            by_hand=tuple(_in_words(step) for step in outage.by_hand),
            fault_bus=scenario.fault[0].nodes[0].partition(".")[0] if scenario.fault else "",
            microgrid=tuple(self._microgrid),
            messages=self._timed(status.get("messages", ()), "time_ms"),
            flisr=self._flisr(),
            status=status,
        )
        return OutageTake(record, ours.until(end_s), theirs.until(end_s), scenario.feeder)

    def _flisr(self) -> dict[str, Any] | None:
        """The gateway's own account, its steps in simulated time; None where it has none."""
        flisr: dict[str, Any] | None = self._status.get("flisr")
        if flisr is None:
            return None
        return flisr | {"steps": list(self._timed(flisr.get("steps", ()), "at_ms"))}

    def _timed(self, entries: Any, key: str) -> tuple[dict[str, Any], ...]:
        """Entries that have a time, in simulated time as well."""
        return tuple(
            entry | {"time_s": self._simulated_s(entry[key])} for entry in entries if entry.get(key)
        )


def _in_words(step: HandStep) -> str:
    act = "closed" if step.close else "opened"
    return f"{step.switch} {act} {step.after_s / 60:g} min after the {step.after}"
