"""Judging a setting over what is coming: a move that the next steps take back does not pay.

Operations found for the present are weighed over the present and every step ahead, all on the
full power flow, and those that do not pay are left out. Reactive powers are the same at every step
of this: what is sent of them is for the present alone, since they cost no wear to change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.apps.vvo.objective import Objective
from gateway.apps.vvo.problem import Array, Judged, Problem, Setting, wear_kw
from gateway.grid.powerflow import PowerFlow


@dataclass(frozen=True, slots=True)
class Ahead:
    """One forecast step.

    Attributes:
        load: loads' share of the present.
        powers_w: real power by element of the model; what is not named stays as it is.
    """

    load: float
    powers_w: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is forecast.

    Attributes:
        steps: ahead, evenly spaced, the nearest first; empty where nothing is.
        now_w: real power, by element, of DERs that cannot be read now.
    """

    steps: tuple[Ahead, ...] = ()
    now_w: Mapping[str, float] = field(default_factory=dict)


NOTHING = Expected()


def over_horizon(
    present: Objective,
    ahead: Sequence[tuple[Array, Objective]],
    model: PowerFlow,
    multipliers: Array,
) -> Problem:
    """The problem whose objective is the mean of all steps, with every step's voltages.

    Args:
        present: the step that is decided on.
        ahead: loads' multipliers, shape (3, 2), and objective of each step to come.
        model: what all of them judge on; left with the present's loads.
        multipliers: the present's loads, shape (3, 2).
    """
    scenes = [*ahead, (multipliers, present)]
    share, controls = 1.0 / len(scenes), present.problem.controls
    limits = replace(
        present.limits,
        outside_kw_per_pu=present.limits.outside_kw_per_pu * share,
        margin_kw_per_pu=present.limits.margin_kw_per_pu * share,
    )

    def judge(setting: Setting) -> Judged:
        found = []
        for loads, objective in scenes:
            model.scale_loads(loads)
            found.append(objective.judge(setting))
        value_kw = share * sum(one.value_kw for one in found)
        volts = np.concatenate([one.volts_pu for one in found])
        cost = value_kw + limits.penalty_kw(volts) + wear_kw(controls, setting)
        solved = all(math.isfinite(one.cost) for one in found)
        return Judged(setting, cost if solved else math.inf, value_kw, volts)

    return Problem(controls, limits, judge)


def held(problem: Problem, setting: Setting) -> Problem:
    """The problem with its taps and switches held where a setting has them."""
    controls = tuple(
        control if control.is_continuous else replace(control, minimum=value, maximum=value)
        for control, value in zip(problem.controls, setting, strict=True)
    )
    return replace(problem, controls=controls)
