"""From where the controls stand to where they should: which moves, and in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gateway.apps.vvo.objective import worth_sending
from gateway.apps.vvo.problem import Judged, Problem, Setting
from gateway.apps.vvo.search import TRACKING, search

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
        order: positions of the controls that move, first to last.
        solves: power flows spent.
    """

    best: Judged
    order: tuple[int, ...]
    solves: int


def plan(problem: Problem, max_solves: int) -> Plan | None:
    """Find the moves of one cycle.

    The voltages of no state on the way are further out of the band than where the way begins.
    Where no order of all the moves allows that, shorter ones or fewer are made, the next cycle's
    being nearer.

    Args:
        problem: controls with their present settings.
        max_solves: most power flows for the search; the order takes few more.

    Returns:
        None where the power flow does not converge at the present setting.
    """
    present = tuple(control.present for control in problem.controls)
    found = search(problem, present, replace(TRACKING, max_solves=max_solves))
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
    return Plan(best, (*forced, *(i for i in order if i not in forced)), solves)


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
