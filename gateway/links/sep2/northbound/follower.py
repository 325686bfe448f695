"""Makes devices follow their plans: applies what is in force, notes what befalls events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields

from gateway.links.sep2.client_config import EndDeviceConfig, Sep2ClientConfig
from gateway.links.sep2.northbound import schedule
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.obedience import (
    ModeOutcome,
    Outcome,
    Taken,
    is_asked_for,
    news,
)
from gateway.links.sep2.northbound.outbox import Outbox
from gateway.links.sep2.northbound.programs import (
    Program,
    latest_end,
    matters_since,
    remembered,
    withdrawn,
)
from gateway.links.sep2.northbound.schedule import Effective, Plan
from gateway.links.sep2.northbound.statistics import EndDeviceState
from gateway.links.sep2.resources import DERControlBase
from gateway.links.sep2.response_codes import ResponseCode

#: Makes a device (by LFDI) do what is in force, and says what became of it. It must end in time
#: of its own: other devices wait for it.
Apply = Callable[[str, Effective], Awaitable[Outcome]]
#: Of events that are not followed while communication is lost.
_GIVEN_UP = Outcome(
    {
        one.name: ModeOutcome(Taken.REFUSED, "communication with the server is lost")
        for one in fields(DERControlBase)
    }
)
#: Programs kept of a device that has them no more.
_MOST_LEFT = 16
#: Devices looked through before others may do something.
_AT_ONCE = 16
_PlanKey = tuple[frozenset[str], frozenset[int], int | None, frozenset[int]]


@dataclass(slots=True)
class _Following:
    """One device.

    Attributes:
        device: its settings.
        finished: events that were over for it before this run.
        paths: of its programs; None until they were read once.
        left: programs it had and has no more, while their events still matter.
        plan: what it is to do.
        noted: the plan that was looked through last, and when; None before.
        applied: what it was told last; None before.
        outcome: what became of that.
    """

    device: EndDeviceConfig
    finished: frozenset[int]
    paths: frozenset[str] | None = None
    left: dict[str, Program] = field(default_factory=dict)
    noted: tuple[Plan, int] | None = None
    plan: Plan = field(default_factory=Plan)
    applied: Effective | None = None
    outcome: Outcome = field(default_factory=Outcome)


class Follower:
    """All devices of a client. Time is an argument.

    Args:
        config: settings.
        memory: offsets, and what was noted.
        outbox: takes responses.
        apply: see :data:`Apply`.
        states: kept true, by LFDI.
    """

    def __init__(
        self,
        config: Sep2ClientConfig,
        memory: Memory,
        outbox: Outbox,
        apply: Apply,
        states: Mapping[str, EndDeviceState],
    ) -> None:
        self._config = config
        self._memory = memory
        self._outbox = outbox
        self._apply = apply
        self._states = states
        self._programs: dict[str, Program] = {}
        self._devices = {
            device.lfdi: _Following(device, memory.finished(device.lfdi))
            for device in config.devices
        }

    def take(
        self, programs: Mapping[str, Program], assigned: Mapping[str, frozenset[str]], now: int
    ) -> None:
        """Follow these programs from now on.

        Args:
            programs: by path.
            assigned: LFDI to the paths of its programs; a device that is absent keeps its own.
            now: the server's time, UTC s.
        """
        before = self._programs
        kept = [one.paths or () for lfdi, one in self._devices.items() if lfdi not in assigned]
        read = {p: before[p] for paths in kept for p in paths if p in before}
        read.update(programs)
        self._programs = remembered(before, read, now, self._config.limits.controls)
        plans: dict[_PlanKey, Plan] = {}
        for lfdi, one in self._devices.items():
            paths = assigned.get(lfdi, one.paths)
            if paths is None:
                continue
            for path in (one.paths or frozenset()) - paths:
                if path in before and len(one.left) < _MOST_LEFT:
                    one.left[path] = withdrawn(before[path], now)
            one.paths = paths
            self._replan(one, plans, now)
        listed = {mrid for program in self._programs.values() for mrid in program.controls}
        self._memory.forget(listed, now)

    def _replan(self, one: _Following, plans: dict[_PlanKey, Plan], now: int) -> None:
        """Devices that have the same programs share a plan."""
        paths = one.paths or frozenset()
        mine = [self._programs[path] for path in paths if path in self._programs]
        left = [program for path, program in one.left.items() if path not in paths]
        if left:
            controls = [c for program in (*mine, *left) for c in program.controls.values()]
            since = matters_since(controls, now)
            left = [p for p in left if any(latest_end(c) > since for c in p.controls.values())]
        one.left = {program.path: program for program in left}
        key = (paths, frozenset(map(id, left)), one.device.category, one.finished)
        if key not in plans:
            made = schedule.plan(
                (*mine, *left), self._memory.draw, one.device.category, one.finished
            )
            plans[key] = one.plan if made == one.plan else made
        one.plan = plans[key]

    def report(self, lfdi: str, outcome: Outcome) -> None:
        """What became of the modes in force now is another: an operator took over, or let go."""
        self._devices[lfdi].outcome = outcome

    async def step(self, now: int, silent_s: float) -> None:
        """Do what is due.

        Args:
            now: the server's time, UTC s.
            silent_s: how long the server has been silent, s.
        """
        lost = silent_s >= self._config.comm_loss_s
        events = self._config.run_known_events or not lost
        plans = {lfdi: one.plan for lfdi, one in self._devices.items()}  # a walk may come between
        each = _each_once(plans.values())
        shared = {id(plan): plan.effective(now, events=events) for plan in each}
        following = {id(plan): plan.following(now) for plan in each}
        changed = [
            (one, shared[id(one.plan)])
            for one in self._devices.values()
            if one.paths is not None and shared[id(one.plan)] != one.applied
        ]
        async with asyncio.TaskGroup() as group:
            for one, effective in changed:
                group.create_task(self._carry(one, effective))
        for number, (lfdi, one) in enumerate(self._devices.items()):
            if one.applied is not None:
                self._note(one, plans[lfdi], now, one.outcome if events else _GIVEN_UP)
                self._show(one, following[id(plans[lfdi])])
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def next_due(self, now: int) -> int | None:
        """When :meth:`step` is due next, by the server's time, UTC s; None where never."""
        plans = _each_once(one.plan for one in self._devices.values())
        instants = (plan.next_change(now) for plan in plans)
        return min((at for at in instants if at is not None), default=None)

    async def _carry(self, one: _Following, effective: Effective) -> None:
        one.applied = effective
        one.outcome = await self._apply(one.device.lfdi, effective)

    def _note(self, one: _Following, plan: Plan, now: int, outcome: Outcome) -> None:
        lfdi, most = one.device.lfdi, self._config.limits.responses_per_event
        last, one.noted = one.noted, (plan, now)
        new = last is None or last[0] is not plan or now < last[1]
        for mrid in plan.controls if new or last is None else plan.moving(last[1], now):
            control = plan.controls[mrid][1]
            told = self._memory.told(lfdi, mrid)
            for code in news(plan, mrid, told, outcome, now):
                if len(told) >= most and code in (ResponseCode.OPT_OUT, ResponseCode.OPT_IN):
                    self._states[lfdi].dropped += 1
                    continue
                reply_to = (control.reply_to or "") if is_asked_for(control, code) else ""
                noted = self._memory.note(lfdi, mrid, code, now, reply_to)
                if reply_to:
                    self._outbox.add(noted)

    def _show(self, one: _Following, following: tuple[int, ...]) -> None:
        state = self._states[one.device.lfdi]
        modes = one.applied.modes if one.applied is not None else {}
        state.effective = {mode: setting.source for mode, setting in modes.items()}
        state.following = following


def _each_once(plans: Iterable[Plan]) -> list[Plan]:
    """Each plan once, however many devices share it."""
    return list({id(plan): plan for plan in plans}.values())
