"""EPRI's OpenDER as the inverter behind the registers: settings in, P and Q out.

OpenDER models an IEEE 1547-2018 DER: capability and priority, response times, ride-through,
enter service. It keeps its time step in a class attribute, so one process holds one DER.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hil.devices.sunspec_map import SunSpecMap
from hil.devices.sunspec_timing import curve_points
from hil.scenario import Der

_SOC_MIN = 0.05
_EFFICIENCY = 0.96
_W_MAX_PCT, _VAR_MAX_PCT, _VAR_AVAIL_PCT, _VA_MAX_PCT, _VARS = range(5)


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the DER measures.

    Attributes:
        volts: to neutral by phase, or the one voltage of a single-phase unit.
        hz: frequency.
        sun: irradiance, 0..1.
    """

    volts: tuple[float, ...]
    hz: float
    sun: float


class OpenDer:
    """One DER of OpenDER, driven by a SunSpec map.

    Attributes:
        power_w, reactive_power_var: present output, injection positive.
    """

    def __init__(self, der: Der, step_s: float) -> None:
        import opender  # noqa: PLC0415 - brings pandas: only the processes that need it pay

        self._der = der
        self._base: Any = opender.DER
        self._base.t_s = self._step_s = step_s
        self._started = False
        ratings: dict[str, Any] = {
            "NP_P_MAX": der.p_max_w,
            "NP_VA_MAX": der.s_max_va,
            "NP_Q_MAX_INJ": der.q_max_var,
            "NP_Q_MAX_ABS": der.q_max_var,
            "NP_AC_V_NOM": der.v_nom_v,
            "NP_V_DC": 2 * der.v_nom_v,
            "NP_PHASE": "THREE" if len(der.nodes) == 3 else "SINGLE",
            "NP_P_MAX_CHARGE": der.p_max_w if der.kind == "battery" else 0,
            "NP_APPARENT_POWER_CHARGE_MAX": der.s_max_va if der.kind == "battery" else 0,
            "NP_MODE_TRANSITION_TIME": 0,
            "NP_Q_CAPABILITY_LOW_P": "SAME",
        }
        if der.kind == "battery":
            self._model: Any = opender.DER_BESS(
                **ratings,
                NP_BESS_CAPACITY=der.energy_wh,
                NP_BESS_SOC_MIN=_SOC_MIN,
                NP_EFFICIENCY=_EFFICIENCY,
                SOC_INIT=der.soc_pct / 100,
            )
        else:
            self._model = opender.DER_PV(**ratings)
        self.power_w = 0.0
        self.reactive_power_var = 0.0

    @property
    def status(self) -> str:
        """OpenDER's operating status, ``Continuous Operation``, ``Trip`` and so on."""
        return str(self._model.der_status)

    @property
    def soc(self) -> float:
        """State of charge of a battery, 0..1."""
        return float(self._model.bess_soc)

    def step(
        self, sunspec: SunSpecMap, terminal: Terminal, *, permitted: bool, elapsed_s: float
    ) -> None:
        """Apply the settings and run one time step.

        Args:
            sunspec: the registers.
            terminal: what is measured.
            permitted: whether the DER may be in service.
            elapsed_s: simulated seconds; 0 holds the output, once there is one.
        """
        if elapsed_s <= 0 and self._started:
            return
        self._started = True
        self._base.t_s = elapsed_s or self._step_s
        file = self._model.der_file
        file.ES_PERMIT_SERVICE = permitted
        self._apply_enter_service(file, sunspec)
        self._apply_active(file, sunspec)
        self._apply_reactive(file, sunspec)
        volts: Any = list(terminal.volts) if len(terminal.volts) == 3 else terminal.volts[0]
        theta: Any = [0.0, -math.tau / 3, math.tau / 3] if len(terminal.volts) == 3 else 0.0
        if self._der.kind == "battery":
            demand_w = _set_point_w(sunspec) or 0.0
            self._model.update_der_input(p_dem_w=demand_w, v=volts, theta=theta, f=terminal.hz)
        else:
            available_w = terminal.sun * self._der.p_max_w
            self._model.update_der_input(p_dc_w=available_w, v=volts, theta=theta, f=terminal.hz)
        power_w, reactive_power_var = self._model.run()
        self.power_w, self.reactive_power_var = float(power_w), float(reactive_power_var)

    def _apply_enter_service(self, file: Any, sunspec: SunSpecMap) -> None:
        file.ES_V_HIGH = sunspec.setting("703.ESVHi") / 100
        file.ES_V_LOW = sunspec.setting("703.ESVLo") / 100
        file.ES_F_HIGH = sunspec.setting("703.ESHzHi")
        file.ES_F_LOW = sunspec.setting("703.ESHzLo")
        file.ES_DELAY = sunspec.setting("703.ESDlyTms")
        file.ES_RAMP_RATE = sunspec.setting("703.ESRmpTms")

    def _apply_active(self, file: Any, sunspec: SunSpecMap) -> None:
        most_w = sunspec.setting("702.WMax")
        if sunspec.setting("704.WMaxLimPctEna"):
            most_w = min(most_w, most_w * sunspec.setting("704.WMaxLimPct") / 100)
        set_point_w = _set_point_w(sunspec)
        if set_point_w is not None and self._der.kind == "pv":
            most_w = min(most_w, max(set_point_w, 0.0))
        file.AP_LIMIT_ENABLE = most_w < self._der.p_max_w
        file.AP_LIMIT = most_w / self._der.p_max_w
        file.AP_RT = 100 / sunspec.setting("704.WRmp")
        if self._der.kind == "battery":
            file.NP_BESS_P_RAMP_TIME = 100 / sunspec.setting("704.WRmp")

    def _apply_reactive(self, file: Any, sunspec: SunSpecMap) -> None:
        response_s = 100 / sunspec.setting("704.VarRmp")
        file.CONST_PF_RT = file.CONST_Q_RT = response_s
        file.CONST_PF_MODE_ENABLE = bool(sunspec.setting("704.PFWInjEna"))
        file.CONST_PF = sunspec.setting("704.PFWInj.PF")
        file.CONST_PF_EXCITATION = "ABS" if sunspec.setting("704.PFWInj.Ext") else "INJ"
        file.CONST_Q_MODE_ENABLE = bool(sunspec.setting("704.VarSetEna"))
        file.CONST_Q = self._const_q_pu(sunspec)
        file.QV_MODE_ENABLE = bool(sunspec.setting("705.Ena"))
        file.QP_MODE_ENABLE = bool(sunspec.setting("712.Ena"))
        priority = sunspec.setting("704.VarSetPri")
        if sunspec.setting("705.Ena"):
            priority = sunspec.setting("705.Crv.1.Pri")
        file.NP_PRIO_OUTSIDE_MIN_Q_REQ = "ACTIVE" if priority == 0 else "REACTIVE"
        self._apply_volt_var(file, sunspec)
        self._apply_watt_var(file, sunspec)

    def _const_q_pu(self, sunspec: SunSpecMap) -> float:
        mode = int(sunspec.setting("704.VarSetMod"))
        if mode == _VARS:
            wanted_var = sunspec.setting("704.VarSet")
        else:
            share = sunspec.setting("704.VarSetPct") / 100
            wanted_var = share * self._reference_var(sunspec, mode, inject=share >= 0)
        most = sunspec.setting("702.VarMaxInj")
        least = -sunspec.setting("702.VarMaxAbs")
        return min(max(wanted_var, least), most) / self._der.s_max_va

    def _reference_var(self, sunspec: SunSpecMap, mode: int, *, inject: bool) -> float:
        """What 100 % of a dependent reference means, var."""
        maximum = sunspec.setting("702.VarMaxInj" if inject else "702.VarMaxAbs")
        if mode == _W_MAX_PCT:
            return sunspec.setting("702.WMax")
        if mode == _VAR_AVAIL_PCT:
            apparent_va = sunspec.setting("702.VAMax")
            return min(maximum, math.sqrt(max(apparent_va**2 - self.power_w**2, 0.0)))
        return sunspec.setting("702.VAMax") if mode == _VA_MAX_PCT else maximum

    def _apply_volt_var(self, file: Any, sunspec: SunSpecMap) -> None:
        at = "705.Crv.1"
        points = curve_points(sunspec, 705, 1)
        if len(points) == 2:  # OpenDER wants four: the ends twice
            points = [points[0], *points, points[1]]
        elif len(points) == 3:
            points = [*points, points[2]]
        mode = int(sunspec.setting(f"{at}.DeptRef"))
        for i, (volt_pct, q_pct) in enumerate(points, start=1):
            reference = self._reference_var(sunspec, mode, inject=q_pct >= 0)
            setattr(file, f"QV_CURVE_V{i}", volt_pct / 100)
            setattr(file, f"QV_CURVE_Q{i}", q_pct / 100 * reference / self._der.s_max_va)
        file.QV_VREF = sunspec.setting(f"{at}.VRef") / 100
        file.QV_OLRT = sunspec.setting(f"{at}.RspTms")

    def _apply_watt_var(self, file: Any, sunspec: SunSpecMap) -> None:
        mode = int(sunspec.setting("712.Crv.1.DeptRef"))
        names = ("P3_LOAD", "P2_LOAD", "P1_LOAD", "P1_GEN", "P2_GEN", "P3_GEN")
        for name, (watt_pct, q_pct) in zip(names, curve_points(sunspec, 712, 1), strict=True):
            reference = self._reference_var(sunspec, mode, inject=q_pct >= 0)
            setattr(file, f"QP_CURVE_{name}", watt_pct / 100)
            q_name = f"QP_CURVE_Q{name[1:]}"
            setattr(file, q_name, q_pct / 100 * reference / self._der.s_max_va)


def _set_point_w(sunspec: SunSpecMap) -> float | None:
    """The active power set point asked for, W; None where it is not enabled."""
    if not sunspec.setting("704.WSetEna"):
        return None
    if sunspec.setting("704.WSetMod") == 1:
        return sunspec.setting("704.WSet")
    return sunspec.setting("704.WSetPct") / 100 * sunspec.setting("702.WMax")
