"""One cycle of volt-VAR optimisation: image and replies in, decision out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.apps.decision import Alarm, Decision
from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.curtail import GroupLimit, Potential, potentials
from gateway.apps.vvo.horizon import NOTHING, Ahead, Expected, over_horizon
from gateway.apps.vvo.objective import Objective
from gateway.apps.vvo.orders import commands, requests
from gateway.apps.vvo.plan import Plan, plan
from gateway.apps.vvo.plant import Injections, Movable, Seen, movables, shown, told
from gateway.apps.vvo.problem import Control, Problem, Setting
from gateway.apps.vvo.requests import Poi
from gateway.apps.vvo.stuck import Standing, alarms, stuck, watch
from gateway.apps.vvo.usage import Usage, observe, resting
from gateway.apps.vvo.usage import alarms as hunting_alarms
from gateway.grid.estimate import Estimate, Measured, fit
from gateway.grid.known import Basis, Doubts, doubts, with_file
from gateway.grid.observe import observe as observe_feeder
from gateway.grid.powerflow import PowerFlow
from gateway.groups.messages import (
    Address,
    GroupReply,
    GroupRequest,
    LimitRequest,
    Quantity,
    Result,
    StatusRequest,
)
from gateway.points.image import ProcessImage

_STATUS = (
    Quantity.ACTIVE_POWER,
    Quantity.REACTIVE_POWER,
    Quantity.APPARENT_POWER,
    Quantity.CONNECTED,
)
#: How far another box's clock may run ahead of ours.
_CLOCKS_DIFFER_MS = 2000
#: A status older than this many asking periods is not relied on.
_STATUS_PERIODS = 3
#: How far a reactive power is moved to see what its bus makes of it.
_NUDGE_VAR = 10e3
_NO_METER, _NOT_SOLVED = "no voltage meter", "the power flow does not converge"


@dataclass(frozen=True, slots=True)
class VvoState:
    """What one cycle leaves to the next.

    Attributes:
        multipliers: loads' share of nominal, shape (3, 2).
        replies: last status a group.
        refused_ms: when a group last refused a request.
        asked_ms: when each group's status was asked last.
        sequence: number of the last message made.
        taps: where each regulator stands, and since when.
        usage: what tap changers and switches have been seen to do, by element.
        free: real power that each DER and group gives if it is let, by element.
        limits: what was asked of groups and what they hold, by group.
    """

    multipliers: NDArray[np.float64] = field(default_factory=lambda: np.ones((3, 2)))
    replies: Mapping[str, GroupReply] = field(default_factory=dict)
    refused_ms: Mapping[str, int] = field(default_factory=dict)
    asked_ms: Mapping[str, int] = field(default_factory=dict)
    sequence: int = 0
    taps: Mapping[str, Standing] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    free: Mapping[str, Potential] = field(default_factory=dict)
    limits: Mapping[str, GroupLimit] = field(default_factory=dict)


class Vvo:
    """The application. Holds the model; everything that changes is in the state.

    Args:
        config: bindings, bands, costs.
        model: the feeder as the DMS knows it.
    """

    def __init__(self, config: VvoConfig, model: PowerFlow) -> None:
        self._config = config
        self._model = model
        buses = [node.partition(".")[0] for node in model.nodes]
        self._counted = np.array([bus not in config.excluded_buses for bus in buses])

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],
        state: VvoState,
        now_ms: int,
        expected: Expected = NOTHING,
    ) -> Decision[VvoState]:
        """Decide on taps, capacitors and reactive powers.

        Args:
            image: the frozen points of this cycle.
            replies: what groups answered since the last step, oldest first.
            state: what the last step gave back.
            now_ms: UTC ms.
            expected: what is forecast.
        """
        config = self._config
        state = self._remember(state, replies, now_ms)
        messages, state = self._ask_status(state, now_ms)
        answers = told(config, state.replies, state.limits)
        present = observe_feeder(config.bindings, image, answers, expected.now_w)
        estimate = fit(self._model, present, state.multipliers)
        if not estimate.solution.converged:
            # loads fitted to a solution that is none would spoil every cycle to come
            return _held(messages, replace(state, multipliers=np.ones((3, 2))), _NOT_SOLVED)
        state = replace(state, multipliers=estimate.multipliers)
        if estimate.metered == 0:
            return _held(messages, state, _NO_METER)
        state = self._watched(image, present, state, now_ms)
        still = stuck(state.taps, now_ms) | resting(state.usage, now_ms)
        controls = self._controls(image, present, state, still, now_ms)
        objective = self._objective(controls, present.injections, {}, estimate)
        outlook = self._outlook(objective, controls, present.injections, estimate, expected.steps)
        planned = plan(objective.problem, config.max_solves, outlook)
        if planned is None:
            return _held(messages, state, _NOT_SOLVED)
        moved = _moved(controls, planned, state, now_ms)
        orders = tuple(commands(config, moved, image, now_ms))
        pois = {
            group.element: self._poi(group.element, objective, planned.best.setting)
            for group in config.groups
        }
        asks, state = self._ask(moved, pois, present.injections, state, now_ms)
        notes = self._notes(objective, estimate, present) | _notes_of(planned, objective)
        acting = config.mode == "act"
        return Decision(
            commands=orders if acting else (),
            messages=(*messages, *asks) if acting else messages,
            alarms=self._alarms(estimate, present, state, now_ms),
            state=state,
            notes=notes,
            advice=() if acting else orders,
        )

    def _watched(
        self, image: ProcessImage, present: Measured, state: VvoState, now_ms: int
    ) -> VvoState:
        """What the field shows of its controls, counted."""
        config, standing = self._config, shown(self._config, image)
        return replace(
            state,
            taps=watch(config, image, state.taps, now_ms),
            usage=observe(state.usage, standing, config.budget, config.hunting, now_ms),
            free=potentials(config, image, present, state.limits, state.free, now_ms),
        )

    def _controls(
        self,
        image: ProcessImage,
        present: Measured,
        state: VvoState,
        still: frozenset[str],
        now_ms: int,
    ) -> tuple[Movable, ...]:
        refused = frozenset(state.refused_ms)
        config, resting_s = self._config, self._config.ask_again_s
        let_be = {
            group.element
            for group in config.groups
            if group.group_id in state.limits
            and state.limits[group.group_id].rests(now_ms, resting_s)
        }
        free = {element: own for element, own in state.free.items() if element not in let_be}
        seen = Seen(image, present.injections, state.replies, refused, state.usage, free, now_ms)
        found = movables(config, seen)
        return tuple(own for own in found if own.control.element not in still)

    def _objective(
        self,
        controls: tuple[Movable, ...],
        injections: Injections,
        powers_w: Mapping[str, float],
        estimate: Estimate,
    ) -> Objective:
        """What a setting costs with present injections, but for what is named in ``powers_w``."""
        own = tuple(movable.control for movable in controls)
        # what has no supply has no voltage to hold
        judged = self._counted & (estimate.solution.voltages_pu > 0.0)
        powers = {element: power_w for element, (power_w, _) in injections.items()}
        reactive = {element: var for element, (_, var) in injections.items()}
        bias_pu = estimate.bias_pu
        return Objective(
            self._config, self._model, own, {**powers, **powers_w}, bias_pu, judged, reactive
        )

    def _outlook(
        self,
        objective: Objective,
        controls: tuple[Movable, ...],
        injections: Injections,
        estimate: Estimate,
        steps: tuple[Ahead, ...],
    ) -> Problem | None:
        if not steps:
            return None
        ahead = [
            (
                estimate.multipliers * step.load,
                self._objective(controls, injections, step.powers_w, estimate),
            )
            for step in steps
        ]
        return over_horizon(objective, ahead, self._model, estimate.multipliers)

    def _remember(self, state: VvoState, replies: Sequence[GroupReply], now_ms: int) -> VvoState:
        """Keep statuses while they are fresh, and refusals while it is no use to ask again."""
        oldest_ms = now_ms - _STATUS_PERIODS * self._config.status_every_s * 1000
        known, refused = dict(state.replies), dict(state.refused_ms)
        limits = dict(state.limits)
        for reply in replies:
            asked = limits.get(reply.group_id)
            if asked is not None and asked.message_id == reply.correlation_id:
                limits[reply.group_id] = asked.answered(reply, now_ms)
            elif reply.ranges or reply.present:
                known[reply.group_id] = reply
            elif reply.result is Result.FAILED:
                refused[reply.group_id] = now_ms
        # a stamp from the future is the clock's that stepped back: it would never grow old
        latest_ms = now_ms + _CLOCKS_DIFFER_MS
        fresh = {g: reply for g, reply in known.items() if oldest_ms <= reply.time_ms <= latest_ms}
        again_ms = now_ms - self._config.ask_again_s * 1000
        recent = {group: at_ms for group, at_ms in refused.items() if again_ms < at_ms <= now_ms}
        return replace(state, replies=fresh, refused_ms=recent, limits=limits)

    def _ask_status(
        self, state: VvoState, now_ms: int
    ) -> tuple[tuple[GroupRequest, ...], VvoState]:
        """Status of each group whose turn it is: limits are asked before they are relied on."""
        period_ms = self._config.status_every_s * 1000
        asks: list[GroupRequest] = []
        asked, sequence = dict(state.asked_ms), state.sequence
        for group in self._config.groups:
            if not 0 <= now_ms - asked.get(group.group_id, 0) < period_ms:
                sequence += 1
                address = self._address(group.group_id, sequence, now_ms)
                asks.append(StatusRequest(address=address, quantities=_STATUS))
                asked[group.group_id] = now_ms
        return tuple(asks), replace(state, asked_ms=asked, sequence=sequence)

    def _ask(
        self,
        moved: Sequence[tuple[Movable, float]],
        pois: Mapping[str, Poi],
        injections: Injections,
        state: VvoState,
        now_ms: int,
    ) -> tuple[tuple[GroupRequest, ...], VvoState]:
        numbers = itertools.count(state.sequence + 1)

        def address(group: str) -> Address:
            return self._address(group, next(numbers), now_ms)

        asks = tuple(requests(self._config, moved, state.replies, injections, address, pois))
        limits = dict(state.limits)
        for ask in asks:
            if isinstance(ask, LimitRequest):
                group = ask.address.group_id
                held_w = limits[group].held_w if group in limits else None
                limits[group] = GroupLimit(ask.address.message_id, ask.limit_w, held_w)
        sequence = next(numbers)
        if self._config.mode != "act":  # nothing is asked
            return asks, replace(state, sequence=sequence)
        return asks, replace(state, sequence=sequence, limits=limits)

    def _address(self, group: str, sequence: int, now_ms: int) -> Address:
        dms = self._config.dms_id
        message_id = f"{dms}-vvo-{now_ms:x}-{sequence}"
        return Address(message_id=message_id, dms_id=dms, group_id=group, time_ms=now_ms)

    def _poi(self, element: str, objective: Objective, setting: Setting) -> Poi:
        """A group's connection, measured on the model with its reactive power moved a little."""
        bus = self._model.injection_buses[element]
        own = np.array([node.partition(".")[0] == bus for node in self._model.nodes])
        own = own[objective.judged]
        controls = objective.problem.controls
        number = next(
            (i for i, c in enumerate(controls) if c.element == element and c.kind == "var"), None
        )
        volts = objective.judge(setting).volts_pu[own]
        if number is None or not volts.size:
            return Poi()
        nudged = list(setting)
        nudged[number] += _NUDGE_VAR
        moved = objective.judge(tuple(nudged)).volts_pu[own] - volts
        return Poi(float(volts.mean()), float(moved.max()) / _NUDGE_VAR)

    def _notes(
        self, objective: Objective, estimate: Estimate, present: Measured
    ) -> dict[str, float | str]:
        """Figures of the present state, with what they rest on."""
        model = self._model
        known = with_file(present.known, model.regulators, model.capacitors, model.injection_buses)
        doubt = Doubts()
        if known.of(Basis.UNKNOWN):
            doubt = doubts(
                known, model.network, model.nodes, model.open_branches, present.voltages_pu.keys()
            )
        volts = estimate.solution.voltages_pu + estimate.bias_pu
        judged = volts[objective.judged]
        return {
            "nodes_out": float(objective.nodes_outside(volts)),
            "v_min_pu": round(float(judged.min()), 4),
            "v_max_pu": round(float(judged.max()), 4),
            "losses_kw": round(estimate.solution.losses_w / 1e3, 2),
            "meters": float(estimate.metered),
            "nodes_out_in_doubt": float(
                objective.nodes_outside(np.where(self._in_doubt(doubt), volts, objective.middle_pu))
            ),
            "rests_on": ", ".join(f"{count} {basis}" for basis, count in known.counts().items()),
            "unknown": known.unknown(),
        }

    def _in_doubt(self, doubt: Doubts) -> NDArray[np.bool_]:
        return np.array([bool(doubt.of(node)) for node in self._model.nodes])

    def _alarms(
        self, estimate: Estimate, present: Measured, state: VvoState, now_ms: int
    ) -> tuple[Alarm, ...]:
        meters, unknown = len(self._config.bindings.voltages), present.known.unknown()
        missing = meters - estimate.metered
        text = f"{missing} of {meters} voltage meters are not online"
        return (
            Alarm("vvo", "", active=False),
            Alarm("vvo:meters", text, active=missing > 0),
            Alarm("vvo:unknown", f"not known now: {unknown}", active=bool(unknown)),
            *alarms(state.taps, stuck(state.taps, now_ms)),
            *hunting_alarms(state.usage, now_ms),
        )


def _notes_of(planned: Plan, objective: Objective) -> dict[str, float | str]:
    """Figures of what is to be done."""
    expected_pu = objective.judge(planned.best.setting).volts_pu
    return {
        "nodes_out_expected": float(objective.limits.outside(expected_pu)),
        "solves": float(planned.solves),
        "cost_kw": round(planned.best.cost, 2),
        "waiting": float(planned.waiting),
    }


def _moved(
    controls: tuple[Movable, ...], planned: Plan, state: VvoState, now_ms: int
) -> list[tuple[Movable, float]]:
    """What goes out, in order; last the limits that have held nothing back for long, lifted."""
    idle = [
        (own, own.control.maximum)
        for number, own in enumerate(controls)
        if number not in planned.order and _is_idle(own.control, state, now_ms)
    ]
    return [(controls[number], planned.best.setting[number]) for number in planned.order] + idle


def _is_idle(control: Control, state: VvoState, now_ms: int) -> bool:
    """Whether this is a real power whose limit has held nothing back for long."""
    known = state.free.get(control.element)
    return control.kind == "watt" and known is not None and known.is_idle(now_ms)


def _held(messages: tuple[GroupRequest, ...], state: VvoState, why: str) -> Decision[VvoState]:
    """Nothing is commanded in a cycle whose state is not known."""
    return Decision(
        (), messages, (Alarm("vvo", f"{why}: every control is held"),), state, {"held": why}
    )
