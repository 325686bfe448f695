"""Which moves may go out at once: those that are safe in any order and at any speed.

Commands of one cycle arrive in any order, a tap changer waits and then takes seconds a step, and a
DER ramps. The states on the way are a box, one side a control, and what is still on its way from
earlier cycles is part of it. Voltages nearly add up over moves, and how far they are out of band
is convex in them: the worst state of a box is one of its corners. What does not fit waits for the
next cycle, which sees how far the field has come; a changer that does not follow is given up there
(:mod:`gateway.apps.vvo.stuck`).
"""

from __future__ import annotations

import numpy as np

from gateway.apps.vvo.problem import Array, Problem, Setting

#: How far several moves may be off the sum of each alone, as a share of all but the largest.
_BEND = 0.05
#: Excess of voltage that is the power flow's noise, pu.
_NOISE_PU = 1e-6
#: Corners that are looked at; moves that would make more wait.
_MOST_CORNERS = 4096


def together(
    problem: Problem, goal: Setting, order: tuple[int, ...], forced: int = 0
) -> tuple[int, ...]:
    """The first moves of an order that no interleaving makes worse than sending nothing.

    Args:
        problem: controls with what they were told and what they show.
        goal: where the moves lead.
        order: positions of the controls that move, first to last.
        forced: so many of the first go in any case; their range left them no choice.
    """
    box = _Box(problem)
    for number, control in enumerate(problem.controls):
        if control.standing != control.present:
            box.add(number, control.present)
    for number in order[:forced]:
        box.add(number, goal[number])
    most_pu = box.excess_pu() + _NOISE_PU
    for count, number in enumerate(order[forced:], forced):
        box.add(number, goal[number])
        if box.excess_pu() > most_pu:
            return order[:count]
    return order


class _Box:
    """Voltages at every corner while controls are anywhere between where they stand and told."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._standing = tuple(control.standing for control in problem.controls)
        self._base = problem.judge(self._standing).volts_pu
        self._corners: dict[int, list[Array]] = {}

    def add(self, number: int, value: float) -> None:
        """Let a control go as far as ``value``, besides wherever it may go already."""
        moved = list(self._standing)
        moved[number] = value
        change = self._problem.judge(tuple(moved)).volts_pu - self._base
        self._corners.setdefault(number, []).append(change)

    def excess_pu(self) -> float:
        """Most that voltages can be out of the band together, added up; infinite if unknown."""
        if np.prod([1.0 + len(side) for side in self._corners.values()]) > _MOST_CORNERS:
            return float("inf")
        volts, total, largest = (self._base[None, :], *(np.zeros((1, self._base.size)),) * 2)
        for side in self._corners.values():
            steps = np.array([np.zeros_like(self._base), *side])[:, None, :]
            size = np.abs(steps)
            volts, total, largest = (
                grown.reshape(-1, self._base.size)
                for grown in (volts + steps, total + size, np.maximum(largest, size))
            )
        limits, bend = self._problem.limits, _BEND * (total - largest)
        worst = np.maximum(volts + bend - limits.high_pu, limits.low_pu - volts + bend)
        return float(np.maximum(worst, 0.0).sum(axis=1).max())
