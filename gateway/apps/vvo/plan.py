"""From where the controls stand to where they should: which moves, and in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gateway.apps.vvo.horizon import held
from gateway.apps.vvo.objective import worth_sending
from gateway.apps.vvo.problem import Judged, Problem, Setting
from gateway.apps.vvo.search import TRACKING, Effort, Found, search
from gateway.apps.vvo.together import together

#: Excess of voltage that is the power flow's noise, pu.
_NOISE_PU = 1e-7
#: Moves up to which every order is weighed; above, each next move is the one that helps most.
_MOST_MOVES = 7
#: Where moves are too long to be made one after the other, so many steps of them are tried.
_PARTS = (2, 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Moves that the model's power flow has seen, one state after the other.

    Attributes:
        best: the state they lead to.
        order: positions of the controls that move now, first to last; any of them may be late or
            slow, see :func:`~gateway.apps.vvo.together.together`.
        solves: power flows spent.
        waiting: how many moves wait for the field to show these.
    """

    best: Judged
    order: tuple[int, ...]
    solves: int
    waiting: int = 0


def plan(problem: Problem, max_solves: int, outlook: Problem | None = None) -> Plan | None:
    """Find the moves of one cycle.

    The voltages of no state on the way are further out of the band than where the way begins.
    Where no order of all the moves allows that, shorter ones or fewer are made, the next cycle's
    being nearer. What may not go together with the first moves waits for the next cycle too.

    Args:
        problem: controls with their present settings.
        max_solves: most power flows for the search; the order takes few more.
        outlook: the same controls over what is coming, see
            :func:`~gateway.apps.vvo.horizon.over_horizon`.

    Returns:
        None where the power flow does not converge at the present setting.
    """
    present = tuple(control.present for control in problem.controls)
    found = seek(problem, present, max_solves, outlook)
    stay = problem.judge(problem.clip(present))
    if not math.isfinite(stay.cost):
        return None
    goal = _sent(problem, found.best.setting, stay.setting)
    best, solves = stay, found.solves
    order: tuple[int, ...] = ()
    for most in (math.inf, *_PARTS):
        route = _Route(problem, stay, _within(problem, goal, stay.setting, most))
        end, way = route.found()
        solves += route.solves
        if end.cost < best.cost:
            best, order = end, way
        if len(way) == len(route.moves):
            break
    forced = tuple(i for i, value in enumerate(stay.setting) if value != present[i])
    order = (*forced, *(i for i in order if i not in forced))
    now = together(problem, best.setting, order, len(forced))
    if len(now) < len(order):
        moves = dict(zip(now, (best.setting[i] for i in now), strict=True))
        best = problem.judge(tuple(moves.get(i, at) for i, at in enumerate(stay.setting)))
    return Plan(best, now, solves + len(order) + 2, len(order) - len(now))


def seek(
    problem: Problem, start: Setting, max_solves: int, outlook: Problem | None = None
) -> Found:
    """The setting to go to, whatever the way there.

    Power is taken from a DER only where a voltage stays out of band without.
    """
    effort = replace(TRACKING, max_solves=max_solves)
    found = search(_unbridled(problem), start, effort)
    watts = any(control.kind == "watt" for control in problem.controls)
    if watts and problem.limits.outside(found.best.volts_pu):
        again = search(problem, found.best.setting, effort)
        found = replace(again, solves=again.solves + found.solves)
    return found if outlook is None else _sifted(problem, found, outlook, effort)


def _sifted(problem: Problem, found: Found, outlook: Problem, effort: Effort) -> Found:
    """What is found, less the operations that do not pay over what is coming.

    Tried: all of them, all but each one, and none; reactive powers follow in each.
    """
    stay = problem.clip(tuple(control.present for control in problem.controls))
    moved = [
        number
        for number, control in enumerate(problem.controls)
        if not control.is_continuous and found.best.setting[number] != stay[number]
    ]
    most_pu = problem.limits.excess_pu(found.best.volts_pu) + _NOISE_PU
    best, cost, solves = found.best, outlook.judge(found.best.setting).cost, found.solves
    for undone in _without(moved):
        setting = tuple(
            stay[number] if number in undone else value
            for number, value in enumerate(found.best.setting)
        )
        other = search(held(problem, setting), setting, effort)
        ahead = outlook.judge(other.best.setting).cost
        solves += other.solves
        if ahead < cost and problem.limits.excess_pu(other.best.volts_pu) <= most_pu:
            best, cost = other.best, ahead
    return Found(best, solves)


def _without(moved: list[int]) -> list[tuple[int, ...]]:
    """Which moves to leave out: all of them, then each one, and once where there is but one."""
    each = [(number,) for number in moved] if len(moved) > 1 else []
    return [tuple(moved), *each] if moved else []


def _unbridled(problem: Problem) -> Problem:
    """The problem with every DER at the real power it can give."""
    controls = tuple(
        replace(control, minimum=control.maximum) if control.kind == "watt" else control
        for control in problem.controls
    )
    return replace(problem, controls=controls)


def _within(problem: Problem, goal: Setting, stay: Setting, most: float) -> Setting:
    """A setting on the way to ``goal``, no tap further than ``most`` steps from where it stands."""
    return tuple(
        min(max(to, at - most), at + most) if control.kind == "tap" else to
        for control, to, at in zip(problem.controls, goal, stay, strict=True)
    )


def _sent(problem: Problem, wanted: Setting, stay: Setting) -> Setting:
    """A setting less the moves that are not worth sending."""
    return tuple(
        value if worth_sending(control, value) else still
        for control, value, still in zip(problem.controls, wanted, stay, strict=True)
    )


class _Route:
    """States between two settings, each a set of moves done."""

    def __init__(self, problem: Problem, stay: Judged, goal: Setting) -> None:
        self._problem, self._stay, self._goal = problem, stay, goal
        self._most_pu = problem.limits.excess_pu(stay.volts_pu) + _NOISE_PU
        self.moves = tuple(i for i, value in enumerate(goal) if value != stay.setting[i])
        self.solves = 0

    def found(self) -> tuple[Judged, tuple[int, ...]]:
        """The best state that can be reached without a worse violation, and the way there."""
        ways: dict[frozenset[int], tuple[int, ...]] = {frozenset(): ()}
        best = self._stay
        way: tuple[int, ...] = ()
        layer: list[frozenset[int]] = [frozenset()]
        while layer:
            states: dict[frozenset[int], Judged] = {}
            for done in layer:
                for move in self.moves:
                    then = done | {move}
                    if move in done or then in states or then in ways:
                        continue
                    states[then] = self._judge(then)
                    if self._safe(states[then]):
                        ways[then] = (*ways[done], move)
            safe = [then for then in states if then in ways]
            safe.sort(key=lambda then: states[then].cost)
            if safe and states[safe[0]].cost < best.cost:
                best, way = states[safe[0]], ways[safe[0]]
            layer = safe if len(self.moves) <= _MOST_MOVES else safe[:1]
        return best, way

    def _judge(self, done: frozenset[int]) -> Judged:
        self.solves += 1
        pairs = enumerate(zip(self._goal, self._stay.setting, strict=True))
        return self._problem.judge(tuple(to if i in done else at for i, (to, at) in pairs))

    def _safe(self, state: Judged) -> bool:
        if not math.isfinite(state.cost):
            return False
        return self._problem.limits.excess_pu(state.volts_pu) <= self._most_pu
