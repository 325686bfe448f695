"""What a search works on: controls with their ranges and wear, and what a setting is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that can be set.

    Attributes:
        element: name in the feeder model.
        kind: ``tap`` (integers), ``switch`` (0 or 1), ``var`` (continuous, var) or ``watt``
            (continuous, W; its maximum is what the DER gives if it is let).
        minimum, maximum: where it may go this time.
        present: where it was told to stand, which need not be inside its range.
        wear_kw: kW that moving it must save: a step of a tap or switch, any change of a var.
        shown: where the field shows it; None where that is ``present``. A changer on its way
            stands between the two.
    """

    element: str
    kind: Literal["tap", "switch", "var", "watt"]
    minimum: float
    maximum: float
    present: float = 0.0
    wear_kw: float = 0.0
    shown: float | None = None

    @property
    def is_continuous(self) -> bool:
        """Whether it takes any value in its range."""
        return self.kind in ("var", "watt")

    @property
    def standing(self) -> float:
        """Where it is, whatever it was told."""
        return self.present if self.shown is None else self.shown


#: A setting of every control, in the controls' order.
Setting = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The voltage band and what leaving it costs.

    Attributes:
        low_pu, high_pu: the band.
        margin_pu: kept free inside the band where it is affordable.
        outside_kw_per_pu, margin_kw_per_pu: cost of a pu outside the band, and inside the margin.
    """

    low_pu: float
    high_pu: float
    margin_pu: float
    outside_kw_per_pu: float
    margin_kw_per_pu: float

    def penalty_kw(self, volts_pu: Array) -> float:
        """What voltages cost; shape (nodes,)."""
        outside = self.excess_pu(volts_pu)
        close = _excess(volts_pu, self.low_pu + self.margin_pu, self.high_pu - self.margin_pu)
        return self.outside_kw_per_pu * outside + self.margin_kw_per_pu * close

    def excess_pu(self, volts_pu: Array) -> float:
        """How far voltages are out of the band, added up."""
        return _excess(volts_pu, self.low_pu, self.high_pu)

    def outside(self, volts_pu: Array) -> int:
        """How many voltages are out of the band."""
        return int(np.count_nonzero((volts_pu < self.low_pu) | (volts_pu > self.high_pu)))


@dataclass(frozen=True, slots=True)
class Judged:
    """A setting on the full power flow.

    Attributes:
        setting: what was judged.
        cost: value, penalty and wear, kW; infinite where the power flow does not converge.
        value_kw: the objective alone.
        volts_pu: voltages of the nodes that count, shape (nodes,).
    """

    setting: Setting
    cost: float
    value_kw: float
    volts_pu: Array


@dataclass(frozen=True, slots=True)
class Problem:
    """Controls, limits and the full power flow behind a function."""

    controls: tuple[Control, ...]
    limits: Limits
    judge: Callable[[Setting], Judged]

    def clip(self, setting: Setting) -> Setting:
        """The nearest setting inside every range; taps and switches whole."""
        return tuple(
            _clip(control, value) for control, value in zip(self.controls, setting, strict=True)
        )


def wear_kw(controls: tuple[Control, ...], setting: Setting) -> float:
    """What getting to a setting costs in wear."""
    total = 0.0
    for control, value in zip(controls, setting, strict=True):
        moved = abs(value - control.present)
        total += control.wear_kw * (moved > 0.0 if control.is_continuous else moved)
    return total


def _clip(control: Control, value: float) -> float:
    inside = min(max(value, control.minimum), control.maximum)
    return inside if control.is_continuous else float(round(inside))


def _excess(volts: Array, low: float, high: float) -> float:
    return float((np.maximum(volts - high, 0.0) + np.maximum(low - volts, 0.0)).sum())
