"""One demo from start to record: everything started, asked, watched and stopped."""

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
from hil.demo.northbound import UtilityMaster
from hil.demo.notes import plant_notes
from hil.demo.reference import run_uncontrolled
from hil.demo.script import play, steps_within
from hil.demo.session import GATEWAY, ONLINE, Session
from hil.demo.setpoints import asked
from hil.demo.table import View
from hil.demo.truthtail import TruthTail
from hil.report.record import Exchange, Northbound, Recording, Samples
from hil.report.run import Run

GROUP = "mg680"
_FOLLOW_EVERY_S, _SAMPLE_EVERY_S, _DRAW_EVERY_S = 0.1, 0.5, 0.25

Show = Callable[[View], None]


@dataclass(frozen=True, slots=True)
class Take:
    """A demo that has run.

    Attributes:
        recording: what was asked and seen.
        controlled, uncontrolled: the truth with and without the loop, over the same time.
        feeder: the feeder's ``.dss`` master.
    """

    recording: Recording
    controlled: Run
    uncontrolled: Run
    feeder: Path


@dataclass(slots=True)
class Runner:
    """Runs one demo.

    Args:
        session: not started yet.
        seconds: wall seconds to run for.
        show: draws the live table; None draws nothing.
    """

    session: Session
    seconds: float
    show: Show | None = None
    _status: dict[str, Any] = field(default_factory=dict)
    _fault: str = ""
    _samples: Samples = field(default_factory=Samples)
    _exchanges: list[Exchange] = field(default_factory=list)
    _truth: TruthTail = field(init=False)
    _utility: UtilityMaster | None = None

    def __post_init__(self) -> None:
        self._truth = TruthTail(self.session.truth)

    async def run(self) -> Take:
        """Start, run for the time asked, stop.

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
    def _end_s(self) -> float:
        return self.seconds * self.session.time_scale

    @property
    def _reference(self) -> Path:
        return self.session.folder / "uncontrolled.jsonl"

    async def _work(self) -> None:
        session = self.session
        log = session.logs / "uncontrolled.log"
        await run_uncontrolled(session.scenario_path, self._end_s, self._reference, log)
        without = Run.read(self._reference)
        async with session.client() as client:
            self._status = await session.connected(client)
            await session.bench.run_clock()
            background = [
                asyncio.create_task(part)
                for part in (
                    self._follow(),
                    self._sample(client),
                    self._draw(without),
                    self._ask(client),
                    self._watch_from_above(),
                )
            ]
            try:
                first = asyncio.FIRST_EXCEPTION
                done, _ = await asyncio.wait(background, timeout=self.seconds, return_when=first)
                for task in done:
                    task.result()
            finally:
                await end_all(background)
            self._truth.poll(time.time())
            await self._look(client)
            if self._fault:
                raise DemoError(f"the {GATEWAY} does not answer: {self._fault}")

    async def _ask(self, client: OperatorClient) -> None:
        await play(
            steps_within(self.seconds),
            lambda ask: client.ask(ask, GROUP),
            self._truth,
            self._exchanges,
        )

    async def _watch_from_above(self) -> None:
        """The utility's master, where the site is an outstation."""
        facts = self.session.facts.outstation
        if facts is not None:
            port = self.session.ports["dnp3_outstation"]
            self._utility = UtilityMaster(port, facts, self._truth, self.seconds)
            await self._utility.run()

    async def _follow(self) -> None:
        while True:
            self._truth.poll(time.time())
            await asyncio.sleep(_FOLLOW_EVERY_S)

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
        samples, scenario = self._samples, self.session.bench.scenario
        samples.time_s.append(self._truth.simulated_s(time.time()))
        samples.lost.append(self._status["comm_lost_points"])
        for der in scenario.ders:
            series = samples.q_asked_var.setdefault(der, [])
            series.append(asked(scenario, der, "q", self._value))

    def _value(self, point: str) -> float | None:
        value, flags, _ = self._status["points"].get(point, (None, 0, 0))
        return value if flags == ONLINE else None

    async def _draw(self, without: Run) -> None:
        if self.show is None:
            return
        while True:
            self.show(self._view(without))
            await asyncio.sleep(_DRAW_EVERY_S)

    def _view(self, without: Run) -> View:
        now_s = self._truth.now_s
        return View(
            scenario=self.session.bench.scenario,
            voltages=self.session.facts.voltages,
            status=self._status,
            truth=self._truth.last,
            without_out=int(without.nodes_out[without.at(now_s)]),
            exchanges=tuple(self._exchanges),
            time_s=now_s,
            end_s=self._end_s,
            fault=self._fault,
            northbound=self._northbound,
        )

    @property
    def _northbound(self) -> Northbound | None:
        return None if self._utility is None else self._utility.record

    def _take(self) -> Take:
        scenario = self.session.bench.scenario
        recording = Recording(
            title=scenario.title,
            notes=plant_notes(scenario),
            poi=(GROUP, scenario.ders[GROUP].s_max_va),
            cycle_s=self.session.facts.cycle_s * self.session.time_scale,
            time_scale=self.session.time_scale,
            exchanges=tuple(self._exchanges),
            messages=tuple(self._messages()),
            samples=self._samples,
            status=self._status,
            northbound=self._northbound,
            csip=self._ders(),
        )
        controlled, without = Run.read(self.session.truth), Run.read(self._reference)
        end_s = min(float(controlled.time_s[-1]), float(without.time_s[-1]))
        return Take(recording, controlled.until(end_s), without.until(end_s), scenario.feeder)

    def _messages(self) -> list[dict[str, Any]]:
        return [
            entry | {"time_s": round(self._truth.simulated_s(entry["time_ms"] / 1000), 1)}
            for entry in self._status.get("messages", ())
        ]

    def _ders(self) -> dict[str, Any]:
        """What the 2030.5 inverters were told and answered, in simulated time."""
        return {
            name: der
            | {
                "orders": [
                    order | {"time_s": self._truth.simulated_s(order["made_ms"] / 1000)}
                    for order in der["orders"]
                ]
            }
            for name, der in self._status.get("sep2", {}).items()
        }
