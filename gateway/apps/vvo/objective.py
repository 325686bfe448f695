"""What a setting costs: losses or power, voltages out of band, and the wear of moving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.plant import Movable
from gateway.apps.vvo.search import Setting
from gateway.grid.powerflow import PowerFlow

#: kW a pu outside the band, and inside it but nearer to its edge than the margin.
_OUTSIDE_KW_PER_PU, _MARGIN_KW_PER_PU = 1e5, 5e3
#: Changes smaller than this share of a control's range are not worth sending.
WORTH_SENDING = 0.01


class Objective:
    """Judges settings on the full power flow.

    Args:
        config: bands and costs.
        model: set and solved for every setting judged.
        controls: what a setting sets, and where each stands now.
        powers_w: present real power of each ``var`` control's element.
        bias_pu: added to modelled voltages, shape (nodes,).
        judged: which nodes count, shape (nodes,).
    """

    def __init__(
        self,
        config: VvoConfig,
        model: PowerFlow,
        controls: tuple[Movable, ...],
        powers_w: dict[str, float],
        bias_pu: NDArray[np.float64],
        judged: NDArray[np.bool_],
    ) -> None:
        self._config = config
        self._model = model
        self._controls = controls
        self._powers_w = powers_w
        self._bias_pu = bias_pu
        self._judged = judged

    def cost(self, setting: Setting) -> float:
        """Cost of a setting in kW; infinite where the power flow does not converge."""
        self.apply(setting)
        solution = self._model.solve()
        if not solution.converged:
            return float("inf")
        volts = (solution.voltages_pu + self._bias_pu)[self._judged]
        by_losses = self._config.objective == "losses"
        value_w = solution.losses_w if by_losses else solution.power_w
        return value_w / 1e3 + self._penalty_kw(volts) + self._wear_kw(setting)

    def apply(self, setting: Setting) -> None:
        """Put a setting on the model."""
        for movable, value in zip(self._controls, setting, strict=True):
            control = movable.control
            if control.kind == "tap":
                self._model.set_tap(control.element, round(value))
            elif control.kind == "switch":
                self._model.set_capacitor(control.element, closed=value >= 0.5)
            else:
                power_w = self._powers_w.get(control.element, 0.0)
                self._model.set_injection(control.element, power_w, value)

    def nodes_outside(self, volts: NDArray[np.float64]) -> int:
        """How many judged nodes are outside the band; ``volts`` of all nodes, pu."""
        low, high = self._config.voltage_min_pu, self._config.voltage_max_pu
        judged = volts[self._judged]
        return int(np.count_nonzero((judged < low) | (judged > high)))

    def _penalty_kw(self, volts: NDArray[np.float64]) -> float:
        low, high = self._config.voltage_min_pu, self._config.voltage_max_pu
        margin = self._config.margin_pu
        outside = _excess(volts, low, high)
        close = _excess(volts, low + margin, high - margin)
        return _OUTSIDE_KW_PER_PU * outside + _MARGIN_KW_PER_PU * close

    def _wear_kw(self, setting: Setting) -> float:
        total = 0.0
        for movable, value in zip(self._controls, setting, strict=True):
            moved = abs(value - movable.present)
            if movable.control.kind == "tap":
                total += self._config.tap_cost_kw * moved
            elif movable.control.kind == "switch":
                total += self._config.capacitor_cost_kw * moved
            elif worth_sending(movable, value):
                total += self._config.set_point_cost_kw
        return total


def worth_sending(movable: Movable, value: float) -> bool:
    """Whether a setting differs from the present one by more than the noise of deciding."""
    if movable.control.kind != "var":
        return value != movable.present
    span = movable.control.maximum - movable.control.minimum
    return abs(value - movable.present) > WORTH_SENDING * span


def _excess(volts: NDArray[np.float64], low: float, high: float) -> float:
    return float((np.maximum(volts - high, 0.0) + np.maximum(low - volts, 0.0)).sum())
