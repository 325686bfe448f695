"""Coordinate descent: the plain search that ours is measured against."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.apps.vvo.problem import Control, Problem, Setting
from gateway.apps.vvo.search import Found

_WORTH_KW = 1e-3
#: Steps of a reactive power, as shares of its range; the finer where the coarser no longer help.
_SHARES = (0.25, 0.05, 0.01)


def coordinate_descent(problem: Problem, start: Setting, max_solves: int = 4000) -> Found:
    """Move one control after the other for as long as any single move helps.

    Args:
        problem: what may be moved, and what it is worth.
        start: where to begin; clipped into the ranges first.
        max_solves: most power flows.
    """
    best, solves = problem.judge(problem.clip(start)), 1
    for share in _SHARES:
        improved = True
        while improved and solves < max_solves:
            improved = False
            for number, control in enumerate(problem.controls):
                for value in _tries(control, best.setting[number], share):
                    moved = list(best.setting)
                    moved[number] = value
                    found, solves = problem.judge(tuple(moved)), solves + 1
                    if found.cost < best.cost - _WORTH_KW:
                        best, improved = found, True
    return Found(best, solves)


def _tries(control: Control, at: float, share: float) -> Iterator[float]:
    if control.kind == "switch":
        yield 1.0 - at
        return
    size = share * (control.maximum - control.minimum) if control.is_continuous else 1.0
    for value in (at - size, at + size):
        inside = min(max(value, control.minimum), control.maximum)
        if inside != at:
            yield inside
