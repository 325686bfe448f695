"""Local models of the feeder, measured on its own power flow.

Each control is moved alone and in pairs: first differences give the slope of the objective and of
every voltage, second differences the objective's curvature. Losses are near to quadratic, so a
model with curvature points at the optimum where a linear one only points at a corner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.problem import Array, Control, Judged, Problem, Setting

#: Probe of a tap in steps, of a var as a share of its half range.
_TAP_PROBE, _VAR_PROBE = 1.0, 0.25


@dataclass(frozen=True, slots=True)
class LocalModel:
    """Objective to second order and voltages to first, about a judged setting.

    Steps are in units of :func:`scales`.

    Attributes:
        base: the setting measured about.
        slope: kW a unit, shape (controls,).
        curvature: kW a unit squared, positive semidefinite, shape (controls, controls).
        volts_slope: pu a unit, shape (controls, nodes).
    """

    base: Judged
    slope: Array
    curvature: Array
    volts_slope: Array


def scales(controls: tuple[Control, ...]) -> Array:
    """What one unit of a control is: a tap step, a switch operation, half the range of a var."""
    return np.array(
        [(c.maximum - c.minimum) / 2.0 or 1.0 if c.is_continuous else 1.0 for c in controls]
    )


def measure(
    problem: Problem,
    base: Judged,
    judge: Callable[[Setting], Judged],
    curvature: Array | None = None,
    *,
    pairs: bool = True,
) -> LocalModel:
    """Measure a model about a setting.

    Args:
        problem: controls and their ranges; probes may leave a range by one probe.
        base: where to measure, judged.
        judge: full power flow; counted by the caller.
        curvature: an earlier one, kept; measured where None.
        pairs: whether curvature between controls is measured as well, which costs a solve a pair.
    """
    probes = _Probes(problem, base, judge)
    ahead = [probes.solve({i: probes.step[i]}) for i in range(probes.count)]
    behind = [
        probes.solve({i: -probes.step[i]}) if probes.both[i] else None for i in range(probes.count)
    ]
    rise = np.array([probe.value_kw - base.value_kw for probe in ahead])
    slope = rise / probes.step
    volts = np.array([probe.volts_pu - base.volts_pu for probe in ahead])
    volts_slope = volts.reshape(probes.count, -1) / probes.step[:, None]
    own = np.zeros(probes.count)
    for i, probe in enumerate(behind):
        if probe is not None:
            fall = probe.value_kw - base.value_kw
            slope[i] = (rise[i] - fall) / (2.0 * probes.step[i])
            own[i] = (rise[i] + fall) / probes.step[i] ** 2
            volts_slope[i] = (ahead[i].volts_pu - probe.volts_pu) / (2.0 * probes.step[i])
    if curvature is None:
        curvature = np.diag(own)
        if pairs:
            probes.fill_pairs(curvature, rise)
        curvature = _convex(curvature, ~probes.both)
    # a switch has one other state: whatever its curvature, the model must meet it there
    once = ~probes.both
    slope[once] -= 0.5 * np.diag(curvature)[once] * probes.step[once]
    return LocalModel(base, slope, curvature, volts_slope)


class _Probes:
    def __init__(self, problem: Problem, base: Judged, judge: Callable[[Setting], Judged]) -> None:
        self._base, self._judge = base, judge
        self._scale = scales(problem.controls)
        self.count = len(problem.controls)
        self.both = np.array([c.kind != "switch" for c in problem.controls], dtype=np.bool_)
        self.step = np.array(
            [_probe(c, x) for c, x in zip(problem.controls, base.setting, strict=True)]
        )

    def solve(self, moves: dict[int, float]) -> Judged:
        moved = list(self._base.setting)
        for position, units in moves.items():
            moved[position] += float(units * self._scale[position])
        return self._judge(tuple(moved))

    def fill_pairs(self, curvature: Array, rise: Array) -> None:
        for i in range(self.count):
            for j in range(i):
                both = self.solve({i: self.step[i], j: self.step[j]}).value_kw
                mixed = both - self._base.value_kw - rise[i] - rise[j]
                curvature[i, j] = curvature[j, i] = mixed / (self.step[i] * self.step[j])


def _probe(control: Control, value: float) -> float:
    if control.kind == "switch":
        return 1.0 - 2.0 * value
    size = _TAP_PROBE if control.kind == "tap" else _VAR_PROBE
    return size if value <= (control.minimum + control.maximum) / 2.0 else -size


def _convex(curvature: Array, free: NDArray[np.bool_]) -> Array:
    """The nearest positive semidefinite curvature; ``free`` diagonals are chosen to help."""
    helped = curvature.copy()
    for i in np.flatnonzero(free):
        helped[i, i] = np.abs(helped[i]).sum()
    values, vectors = np.linalg.eigh(helped)
    convex: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return convex
