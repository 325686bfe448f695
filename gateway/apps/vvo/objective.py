"""What a setting costs: losses or power, voltages out of band, and the wear of moving."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.problem import Array, Control, Judged, Limits, Problem, Setting, wear_kw
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
        controls: tuple[Control, ...],
        powers_w: Mapping[str, float],
        bias_pu: Array,
        judged: NDArray[np.bool_],
    ) -> None:
        self._by_losses = config.objective == "losses"
        self._model = model
        self._powers_w = powers_w
        self._bias_pu = bias_pu
        self._judged = judged
        self.limits = Limits(
            config.voltage_min_pu,
            config.voltage_max_pu,
            config.margin_pu,
            _OUTSIDE_KW_PER_PU,
            _MARGIN_KW_PER_PU if config.margin_pu else 0.0,
        )
        self.problem = Problem(controls, self.limits, self.judge)

    def judge(self, setting: Setting) -> Judged:
        """Solve a setting; its cost is infinite where the power flow does not converge."""
        self.apply(setting)
        solution = self._model.solve()
        volts = (solution.voltages_pu + self._bias_pu)[self._judged]
        value_kw = (solution.losses_w if self._by_losses else solution.power_w) / 1e3
        cost = value_kw + self.limits.penalty_kw(volts) + wear_kw(self.problem.controls, setting)
        return Judged(setting, cost if solution.converged else float("inf"), value_kw, volts)

    def apply(self, setting: Setting) -> None:
        """Put a setting on the model."""
        for control, value in zip(self.problem.controls, setting, strict=True):
            if control.kind == "tap":
                self._model.set_tap(control.element, round(value))
            elif control.kind == "switch":
                self._model.set_capacitor(control.element, closed=value >= 0.5)
            else:
                power_w = self._powers_w.get(control.element, 0.0)
                self._model.set_injection(control.element, power_w, value)

    def nodes_outside(self, volts: Array) -> int:
        """How many judged nodes are outside the band; ``volts`` of all nodes, pu."""
        return self.limits.outside(volts[self._judged])


def worth_sending(control: Control, value: float) -> bool:
    """Whether a setting differs from the present one by more than the noise of deciding."""
    if control.kind != "var":
        return value != control.present
    return abs(value - control.present) > WORTH_SENDING * (control.maximum - control.minimum)
