"""What a setting costs: losses, power or unevenness, voltages out of band, and wear."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.problem import Array, Control, Judged, Limits, Problem, Setting, wear_kw
from gateway.grid.powerflow import PowerFlow, Solution

#: kW a pu outside the band, and inside it but nearer to its edge than the margin.
_OUTSIDE_KW_PER_PU, _MARGIN_KW_PER_PU = 1e5, 5e3
#: Mean squared distance from the band's middle, as kW: a tap step too far, 0.00625 pu, is 4 kW.
FLATNESS_KW_PER_PU2 = 1e5
#: What a kW less from a DER costs: above what it saves in losses, below what it mends in voltage.
#: It is only asked where a voltage is out of band otherwise.
_CURTAILED_KW_PER_KW = 0.5
#: Changes smaller than this share of a control's range are not worth sending; a limit of real power
#: is only there to mend a voltage, and is as fine as it can be said.
WORTH_SENDING, _WORTH_LIMITING = 0.01, 0.001


class Objective:
    """Judges settings on the full power flow.

    Args:
        config: bands and costs.
        model: set and solved for every setting judged.
        controls: what a setting sets, and where each stands now.
        powers_w: present real power of each ``var`` or ``watt`` control's element.
        bias_pu: added to modelled voltages, shape (nodes,).
        judged: which nodes count, shape (nodes,).
        reactive_var: present reactive power of elements that are no ``var`` control.

    Attributes:
        limits: the band and what leaving it costs.
        middle_pu: of the band.
        problem: what a search works on.
    """

    def __init__(
        self,
        config: VvoConfig,
        model: PowerFlow,
        controls: tuple[Control, ...],
        powers_w: Mapping[str, float],
        bias_pu: Array,
        judged: NDArray[np.bool_],
        reactive_var: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._aim = config.objective
        self.middle_pu = (config.voltage_min_pu + config.voltage_max_pu) / 2.0
        self._model = model
        self._powers_w = powers_w
        self._reactive_var = reactive_var
        self._bias_pu = bias_pu
        self.judged = judged
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
        volts = (solution.voltages_pu + self._bias_pu)[self.judged]
        value_kw = self._value_kw(solution, volts) + self._curtailed_kw(setting)
        cost = value_kw + self.limits.penalty_kw(volts) + wear_kw(self.problem.controls, setting)
        return Judged(setting, cost if solution.converged else float("inf"), value_kw, volts)

    def apply(self, setting: Setting) -> None:
        """Put a setting on the model."""
        powers_w, reactive_var = dict(self._powers_w), dict(self._reactive_var)
        injected: dict[str, None] = {}
        for control, value in zip(self.problem.controls, setting, strict=True):
            if control.kind == "tap":
                self._model.set_tap(control.element, round(value))
            elif control.kind == "switch":
                self._model.set_capacitor(control.element, closed=value >= 0.5)
            else:
                powers = reactive_var if control.kind == "var" else powers_w
                powers[control.element] = value
                injected[control.element] = None
        for element in injected:
            power_w, var = (powers.get(element, 0.0) for powers in (powers_w, reactive_var))
            self._model.set_injection(element, power_w, var)

    def nodes_outside(self, volts: Array) -> int:
        """How many judged nodes are outside the band; ``volts`` of all nodes, pu."""
        return self.limits.outside(volts[self.judged])

    def _value_kw(self, solution: Solution, volts: Array) -> float:
        if self._aim == "flatness":
            return FLATNESS_KW_PER_PU2 * float(((volts - self.middle_pu) ** 2).mean())
        return (solution.losses_w if self._aim == "losses" else solution.power_w) / 1e3

    def _curtailed_kw(self, setting: Setting) -> float:
        less_w = sum(
            control.maximum - value
            for control, value in zip(self.problem.controls, setting, strict=True)
            if control.kind == "watt"
        )
        return _CURTAILED_KW_PER_KW * less_w / 1e3


def worth_sending(control: Control, value: float) -> bool:
    """Whether a setting differs from the present one by more than the noise of deciding."""
    if not control.is_continuous:
        return value != control.present
    share = _WORTH_LIMITING if control.kind == "watt" else WORTH_SENDING
    return abs(value - control.present) > share * (control.maximum - control.minimum)


def is_whole(control: Control, value: float) -> bool:
    """Whether a real power is all there is, so that no limit is wanted."""
    return control.maximum - value <= WORTH_SENDING * control.maximum
