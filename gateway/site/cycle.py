"""The DMS's control cycle: freeze, decide in the worker, order through the one path."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.apps.decision import Alarm, Decision
from gateway.groups.messages import GroupReply, GroupRequest
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult
from gateway.points.image import ProcessImage
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.worker import StepFailedError, StepOverrunError, StepWorker

State = TypeVar("State")
#: Results and alarms kept for the operator's table.
_KEPT = 200
#: How long a child may take to start and to build its application.
_BUILD_S = 20.0


@dataclass
class CycleRecord:
    """What the cycle has done, for status pages and reports.

    Attributes:
        cycles: completed.
        late: cycles that began after their time.
        notes: the last decision's figures.
        advice: what the application would do where it may only advise.
        results: latest commands' outcomes, oldest first.
        alarms: active ones by source.
        fault: text of the last overrun or failure; empty when the last cycle was well.
    """

    cycles: int = 0
    late: int = 0
    notes: dict[str, float | str] = field(default_factory=dict)
    advice: tuple[Command, ...] = ()
    results: deque[CommandResult] = field(default_factory=lambda: deque(maxlen=_KEPT))
    alarms: dict[str, Alarm] = field(default_factory=dict)
    fault: str = ""


class ControlCycle(Generic[State]):
    """Runs one application every ``period_s``.

    Args:
        period_s: cycle time.
        worker: runs the application's step.
        state: the application's first state.
        store, router: where it looks and where it commands.
        ask: sends a group function and brings the reply.
        clock: stamps the cycles.

    Attributes:
        record: what it has done.
        forecast: makes, of the cycle's image, what the step gets after its time; None for nothing.
        limit_s: the most a step may take; the period unless set otherwise.
        show: shows the application's own points, with the image the step had.
        held: says why nothing is to be decided now; empty where there is no reason.
        heard: told how each command ended.
    """

    def __init__(
        self,
        period_s: float,
        worker: StepWorker,
        state: State,
        store: PointStore,
        router: Router,
        ask: Callable[[GroupRequest], Awaitable[GroupReply]],
        clock: Clock,
    ) -> None:
        self._period_s = period_s
        self._worker = worker
        self._state = state
        self._store = store
        self._router = router
        self._ask = ask
        self._clock = clock
        self._replies: list[GroupReply] = []
        self.record = CycleRecord()
        self.forecast: Callable[[ProcessImage], object] | None = None
        self.limit_s = period_s
        self.held: Callable[[], str] = str
        self.heard: Callable[[CommandResult], None] | None = None
        self._wanted = asyncio.Event()
        self.show: Callable[[Mapping[str, float | None], ProcessImage], None] | None = None

    @property
    def state(self) -> State:
        """What the last cycle left to the next."""
        return self._state

    def wake(self) -> None:
        """Begin the next cycle now, whenever its time would be."""
        self._wanted.set()

    async def run(self) -> None:
        """Cycle until cancelled; an overrun or a failed step skips its orders, nothing else."""
        due_s = self._clock.monotonic_s()
        try:
            while True:
                await self._cycle()
                due_s += self._period_s
                wait_s = due_s - self._clock.monotonic_s()
                if wait_s < 0:  # never catch up by hurrying: the next image is as good
                    self.record.late += 1
                    due_s = self._clock.monotonic_s()
                if await self._rest(max(wait_s, 0)):
                    due_s = self._clock.monotonic_s()
        finally:
            self._worker.close()

    async def _rest(self, wait_s: float) -> bool:
        """Wait for the next cycle's time; whether it was asked for before."""
        try:
            await asyncio.wait_for(self._wanted.wait(), wait_s)
        except TimeoutError:
            return False
        self._wanted.clear()
        return True

    async def _cycle(self) -> None:
        if why := self.held():
            self.record.notes, self.record.advice = {"held": why}, ()
            return
        image, now_ms = self._store.freeze(), self._clock.utc_ms()
        replies, self._replies = tuple(self._replies), []
        ahead = () if self.forecast is None else (self.forecast(image),)
        # a new child builds the model first, at start and after each that was cut
        timeout_s = self.limit_s if self._worker.is_built else self.limit_s + _BUILD_S
        try:
            decision: Decision[State] = await self._worker.step(
                timeout_s, image, replies, self._state, now_ms, *ahead
            )
        except (StepOverrunError, StepFailedError) as error:
            self.record.fault = str(error)
            return
        self._state = decision.state
        self._note(decision)
        if self.show is not None:
            self.show(decision.readings, image)
        async with asyncio.TaskGroup() as orders:
            for commands in _chains(decision.commands):
                orders.create_task(self._order(commands))
            for message in decision.messages:
                orders.create_task(self._request(message))
        self.record.cycles += 1

    async def _order(self, commands: list[Command]) -> None:
        """One chain in order; the first refusal ends it.

        A set point that did not go out must not be followed by its enable.
        """
        for command in commands:
            result = await self._router.submit(command)
            self.record.results.append(result)
            if self.heard is not None:
                self.heard(result)
            if not result.ok:
                return

    async def _request(self, message: GroupRequest) -> None:
        self._replies.append(await self._ask(message))

    def _note(self, decision: Decision[State]) -> None:
        self.record.fault = ""
        self.record.notes = decision.notes
        self.record.advice = decision.advice
        for alarm in decision.alarms:
            if alarm.active:
                self.record.alarms[alarm.source] = alarm
            else:
                self.record.alarms.pop(alarm.source, None)


def _chains(commands: Iterable[Command]) -> Iterable[list[Command]]:
    """Commands that belong together, by correlation; one without stands alone."""
    chains: dict[str, list[Command]] = {}
    for command in commands:
        chains.setdefault(command.correlation or command.point, []).append(command)
    return chains.values()
