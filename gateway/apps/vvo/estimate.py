"""Fitting the feeder model to what is measured now.

The model is never the plant: lengths, loads and forecasts are off. Loads are scaled a phase until
the head's flow agrees, then what is left between measured and modelled voltage is carried as a
bias a node into every candidate's voltages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.config import VvoConfig
from gateway.grid.powerflow import PHASES, PowerFlow, Solution
from gateway.points.image import ProcessImage

_PASSES = 4
#: Loads are believed between these shares of nominal; outside, the meter is doubted instead.
_MULTIPLIER_MIN, _MULTIPLIER_MAX = 0.05, 2.5
#: Largest bias believed, pu; a meter further off than this is doubted, not the model.
MAX_BIAS_PU = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """The model as fitted.

    Attributes:
        multipliers: loads' share of nominal, real and reactive a phase, shape (3, 2).
        bias_pu: measured less modelled voltage, shape (nodes,).
        metered: how many nodes had a good meter.
        solution: the fitted model's present state.
    """

    multipliers: NDArray[np.float64]
    bias_pu: NDArray[np.float64]
    metered: int
    solution: Solution


def fit(
    model: PowerFlow,
    config: VvoConfig,
    image: ProcessImage,
    multipliers: NDArray[np.float64],
) -> Estimate:
    """Scale loads to the head's flow and read the voltage bias.

    Taps, capacitors and injections must be set on the model already.

    Args:
        model: left at the fitted state.
        config: says which points are meters.
        image: this cycle's measurements; what is not good is not used.
        multipliers: the last cycle's, kept for phases whose head meter is lost.
    """
    measured = np.array(
        [_head(image, config.head_p), _head(image, config.head_q)], dtype=np.float64
    ).T
    fitted = multipliers.copy()
    model.scale_loads(fitted)
    solution = model.solve()
    for _ in range(_PASSES if np.isfinite(measured).any() else 0):
        modelled = np.array([solution.head_p_w, solution.head_q_var]).T
        step = (measured - modelled) / _slope(model, fitted, solution)
        fitted = np.where(np.isfinite(step), fitted + step, fitted)
        fitted = np.clip(fitted, _MULTIPLIER_MIN, _MULTIPLIER_MAX)
        model.scale_loads(fitted)
        solution = model.solve()
    bias, metered = _bias(model, config, image, solution)
    return Estimate(fitted, bias, metered, solution)


def _head(image: ProcessImage, points: tuple[str, ...]) -> list[float]:
    values = [image.good_value(point) for point in points]
    values += [None] * (len(PHASES) - len(values))
    return [np.nan if value is None else value for value in values]


def _slope(
    model: PowerFlow, multipliers: NDArray[np.float64], solution: Solution
) -> NDArray[np.float64]:
    """Change of head flow for one unit of multiplier, measured on the model, shape (3, 2)."""
    nudge = 0.02
    model.scale_loads(multipliers + nudge)
    nudged = model.solve()
    change = np.array(
        [nudged.head_p_w - solution.head_p_w, nudged.head_q_var - solution.head_q_var]
    ).T
    slope: NDArray[np.float64] = change / nudge
    return np.where(np.abs(slope) > 1.0, slope, np.nan)


def _bias(
    model: PowerFlow, config: VvoConfig, image: ProcessImage, solution: Solution
) -> tuple[NDArray[np.float64], int]:
    """Bias a node: its own meter's, else the mean of its phase's meters, else none."""
    position = {node: number for number, node in enumerate(model.nodes)}
    own: dict[int, float] = {}
    by_phase: dict[str, list[float]] = {}
    for node, point in config.voltages:
        value = image.good_value(point)
        if value is None or node not in position:
            continue
        difference = value - float(solution.voltages_pu[position[node]])
        if abs(difference) > MAX_BIAS_PU:
            continue
        own[position[node]] = difference
        by_phase.setdefault(node.rpartition(".")[2], []).append(difference)
    bias = np.zeros(len(model.nodes))
    for node, number in position.items():
        alike = by_phase.get(node.rpartition(".")[2])
        if number in own:
            bias[number] = own[number]
        elif alike:
            bias[number] = sum(alike) / len(alike)
    return bias, len(own)
