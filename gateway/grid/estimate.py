"""Fitting the feeder model to what is measured now.

The model is never the plant: lengths, loads and forecasts are off. Loads are scaled a phase until
the head's flow agrees, then what is left between measured and modelled voltage is carried as a
bias a node into every candidate's voltages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.grid.known import Known
from gateway.grid.powerflow import PHASES, PowerFlow, Solution

_PASSES, _NUDGE = 3, 0.02
#: Directions in which the head moves by less than this share of the most are not fitted.
_LEAST_SHARE = 1e-3
#: Loads are believed between these shares of nominal; outside, the meter is doubted instead.
_MULTIPLIER_MIN, _MULTIPLIER_MAX = 0.05, 2.5
#: Largest bias believed, pu; a meter further off than this is doubted, not the model.
MAX_BIAS_PU = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a feeder now; what is not named stays on the model as it was.

    Attributes:
        taps: step by regulator.
        capacitors, switches: True is closed, by capacitor and by branch.
        injections: W and var by DER, generation positive.
        head_p_w, head_q_var: flow into the feeder by phase 1, 2, 3; None where no meter is good.
        voltages_pu: by node, good meters only.
        known: what each state rests on.
    """

    taps: Mapping[str, int] = field(default_factory=dict)
    capacitors: Mapping[str, bool] = field(default_factory=dict)
    switches: Mapping[str, bool] = field(default_factory=dict)
    injections: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    head_p_w: Sequence[float | None] = ()
    head_q_var: Sequence[float | None] = ()
    voltages_pu: Mapping[str, float] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The model as fitted.

    Attributes:
        multipliers: loads' share of nominal, real and reactive a phase, shape (3, 2).
        bias_pu: measured less modelled voltage, shape (nodes,).
        metered: how many nodes had a good meter.
        solution: the fitted model's present state.
        errors_pu: measured less modelled voltage by metered node, doubted meters as well.
    """

    multipliers: NDArray[np.float64]
    bias_pu: NDArray[np.float64]
    metered: int
    solution: Solution
    errors_pu: Mapping[str, float]


def fit(model: PowerFlow, measured: Measured, multipliers: NDArray[np.float64]) -> Estimate:
    """Put what is measured on the model, scale loads to the head's flow, read the voltage bias.

    Args:
        model: left at the fitted state.
        measured: this cycle's measurements.
        multipliers: the last cycle's, kept for phases whose head meter is lost.

    Raises:
        KeyError: the model has no such regulator, capacitor, switch or DER.
    """
    _apply(model, measured)
    head = np.array([_phases(measured.head_p_w), _phases(measured.head_q_var)], np.float64).T
    fitted = multipliers.copy()
    model.scale_loads(fitted)
    solution = model.solve()
    known = np.isfinite(head)
    slope = _slope(model, fitted, solution)[np.ix_(known.ravel(), known.ravel())]
    for _ in range(_PASSES if known.any() else 0):
        modelled = np.array([solution.head_p_w, solution.head_q_var]).T
        # least squares: a phase without load has no multiplier to find
        step = np.linalg.lstsq(slope, (head - modelled)[known], rcond=_LEAST_SHARE)[0]
        fitted[known] = np.clip(fitted[known] + step, _MULTIPLIER_MIN, _MULTIPLIER_MAX)
        model.scale_loads(fitted)
        solution = model.solve()
    position = {node: number for number, node in enumerate(model.nodes)}
    errors_pu = {
        node: value - float(solution.voltages_pu[position[node]])
        for node, value in measured.voltages_pu.items()
        if node in position
    }
    bias, metered = _bias(position, errors_pu)
    return Estimate(fitted, bias, metered, solution, errors_pu)


def _apply(model: PowerFlow, measured: Measured) -> None:
    for regulator, tap in measured.taps.items():
        model.set_tap(regulator, tap)
    for capacitor, closed in measured.capacitors.items():
        model.set_capacitor(capacitor, closed=closed)
    for branch, closed in measured.switches.items():
        model.set_switch(branch, closed=closed)
    for element, (power_w, reactive_power_var) in measured.injections.items():
        model.set_injection(element, power_w, reactive_power_var)


def _phases(values: Sequence[float | None]) -> list[float]:
    padded = [*values, *[None] * (len(PHASES) - len(values))]
    return [np.nan if value is None else value for value in padded]


def _slope(
    model: PowerFlow, multipliers: NDArray[np.float64], solution: Solution
) -> NDArray[np.float64]:
    """Change of each head flow for one unit of each multiplier, shape (6, 6).

    Each is moved alone: a load between phases, or on three, answers to more than one.
    """
    slope = np.zeros((multipliers.size, multipliers.size))
    for number in range(multipliers.size):
        nudged = multipliers.copy()
        nudged.flat[number] += _NUDGE
        model.scale_loads(nudged)
        moved = model.solve()
        change = [moved.head_p_w - solution.head_p_w, moved.head_q_var - solution.head_q_var]
        slope[:, number] = np.array(change).T.ravel() / _NUDGE
    model.scale_loads(multipliers)
    return slope


def _bias(
    position: Mapping[str, int], errors_pu: Mapping[str, float]
) -> tuple[NDArray[np.float64], int]:
    """Bias a node: its own meter's, else the mean of its phase's meters, else none."""
    own = {node: error for node, error in errors_pu.items() if abs(error) <= MAX_BIAS_PU}
    by_phase: dict[str, list[float]] = {}
    for node, error in own.items():
        by_phase.setdefault(node.rpartition(".")[2], []).append(error)
    bias = np.zeros(len(position))
    for node, number in position.items():
        alike = by_phase.get(node.rpartition(".")[2])
        if node in own:
            bias[number] = own[node]
        elif alike:
            bias[number] = sum(alike) / len(alike)
    return bias, len(own)
