"""Coordinate search over taps, capacitors and reactive powers.

Every step is judged by the full power flow, never by a linear model of it: sweeps of single moves
with shrinking reactive steps, then moves of two controls at once, until nothing helps or the
budget of solves is spent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

#: Reactive power steps as shares of a control's range, coarse to fine.
_SHARES = (0.5, 0.2, 0.08, 0.03)


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that can be set.

    Attributes:
        element: name in the feeder model.
        kind: ``tap`` (integers), ``switch`` (0 or 1) or ``var`` (continuous, var).
        minimum, maximum: where it may go this time.
    """

    element: str
    kind: Literal["tap", "switch", "var"]
    minimum: float
    maximum: float


#: A setting of every control, in the controls' order.
Setting = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome of a search.

    Attributes:
        setting: the best found; the start where nothing was better.
        cost: its cost.
        solves: power flows spent.
    """

    setting: Setting
    cost: float
    solves: int


def coordinate_search(
    controls: tuple[Control, ...],
    start: Setting,
    cost: Callable[[Setting], float],
    max_solves: int,
) -> Found:
    """Improve a setting until no single or paired move helps.

    Args:
        controls: what may be moved and how far.
        start: where they are; clipped into the controls' ranges first.
        cost: lower is better; infinite where a setting cannot be judged.
        max_solves: most calls of ``cost``.
    """
    search = _Search(controls, cost, max_solves)
    best = search.judge(tuple(_clip(c, x) for c, x in zip(controls, start, strict=True)))
    for share in _SHARES:
        best = search.descend(best, partial(_single_moves, controls, share=share))
    best = search.descend(best, partial(_pair_moves, controls))
    for share in _SHARES[1:]:
        best = search.descend(best, partial(_single_moves, controls, share=share))
    return replace(best, solves=search.solves)


class _Search:
    """Counts and remembers what was judged."""

    def __init__(
        self, controls: tuple[Control, ...], cost: Callable[[Setting], float], max_solves: int
    ) -> None:
        self._controls = controls
        self._cost = cost
        self._max_solves = max_solves
        self._known: dict[Setting, float] = {}
        self.solves = 0

    def judge(self, setting: Setting) -> Found:
        if setting not in self._known:
            self._known[setting] = self._cost(setting)
            self.solves += 1
        return Found(setting, self._known[setting], self.solves)

    def descend(self, best: Found, moves: Callable[[Setting], Iterator[Setting]]) -> Found:
        """Take every move that helps, again from where it leads, until none does."""
        improved = True
        while improved and self.solves < self._max_solves:
            improved = False
            for candidate in moves(best.setting):
                if self.solves >= self._max_solves:
                    break
                judged = self.judge(candidate)
                if judged.cost < best.cost - 1e-9:
                    best, improved = judged, True
                    break
        return best


def _clip(control: Control, value: float) -> float:
    inside = min(max(value, control.minimum), control.maximum)
    return inside if control.kind == "var" else float(round(inside))


def _steps(control: Control, value: float, share: float) -> Iterator[float]:
    if control.kind == "tap":
        wanted: tuple[float, ...] = (value - 1, value + 1, value - 2, value + 2)
    elif control.kind == "switch":
        wanted = (1.0 - value,)
    else:
        step = share * (control.maximum - control.minimum)
        wanted = (value - step, value + step)
    for candidate in wanted:
        clipped = _clip(control, candidate)
        if clipped != value:
            yield clipped


def _single_moves(controls: tuple[Control, ...], at: Setting, share: float) -> Iterator[Setting]:
    for position, control in enumerate(controls):
        for value in _steps(control, at[position], share):
            yield (*at[:position], value, *at[position + 1 :])


def _pair_moves(controls: tuple[Control, ...], at: Setting) -> Iterator[Setting]:
    for first, second in itertools.combinations(range(len(controls)), 2):
        for a in _steps(controls[first], at[first], _SHARES[1]):
            for b in _steps(controls[second], at[second], _SHARES[1]):
                moved = list(at)
                moved[first], moved[second] = a, b
                yield tuple(moved)
