"""An emulated inverter as a DER of the DNP3 DER profile: another front on the same inverter.

Every set point and enable acts on the settings that SunSpec's registers show as well, so there is
one inverter and one behaviour. Kept to AN2018-001 or IEEE 1815.2-2025 (edition not verified).
"""

from __future__ import annotations

from typing import Any

from py1815.control import CommandStatus
from pymodbus.constants import ExcCodes

from hil.devices.dnp3_station import Station
from hil.devices.modbus_server import Refusal
from hil.devices.sunspec_device import SunSpecDevice
from hil.devices.sunspec_timing import Adoption
from hil.wire import Message

ADDRESS = 1024
#: The curve that is edited; adopted, it becomes SunSpec's curve 1, the one in use.
_CURVE = 2
#: Outputs that are one setting each: profile point to the setting's path.
_SETTINGS = {
    "p_limit": "704.WMaxLimPct", "p_limit_ena": "704.WMaxLimPctEna",
    "p_set": "704.WSetPct", "p_set_ena": "704.WSetEna",
    "q_set": "704.VarSetPct", "q_set_ena": "704.VarSetEna",
    "pf_set": "704.PFWInj.PF", "pf_ext": "704.PFWInj.Ext", "pf_ena": "704.PFWInjEna",
    "vv_points": f"705.Crv.{_CURVE}.ActPt", "vv_ena": "705.Ena", "connect": "703.ES",
    "permit_start": "703.ES",
    **{f"vv_v{n}": f"705.Crv.{_CURVE}.Pt.{n}.V" for n in range(1, 5)},
    **{f"vv_q{n}": f"705.Crv.{_CURVE}.Pt.{n}.Var" for n in range(1, 5)},
}  # fmt: skip
#: What SunSpec calls the units of a curve's Y values.
_DEPENDENT_REFERENCE = {2: 1, 3: 2, 4: 0}
#: Percentages count as the profile has them: of WMax, of the maximum vars.
_MODES = {"704.WSetMod": 0, "704.VarSetMod": 1, f"705.Crv.{_CURVE}.DeptRef": 1}
#: Outputs of the curve being edited that admit what the inverter has and nothing else.
_ONLY = {"vv_select": 1.0, "vv_index": 1.0, "vv_type": 2.0, "vv_x_unit": 129.0}
_AT_START = _ONLY | {"p_limit_charge": 100.0, "pf_cha": 1.0, "vv_y_unit": 2.0}
#: Outputs of the profile that this inverter does not have.
_MISSING = ("ramp", "pf_cha", "pf_ext_cha", "island")
_STATUS = {
    ExcCodes.ILLEGAL_VALUE: CommandStatus.OUT_OF_RANGE,
    ExcCodes.ILLEGAL_FUNCTION: CommandStatus.LOCAL,
}
_HELD = {"p_limit": "p_limit_held", "p_set": "p_set_held", "q_set": "q_set_held",
         "pf_set": "pf_set_held", "pf_cha": "pf_cha_held",
         "vv_select": "vv_select_held", "vv_points": "vv_points_held",
         "p_limit_charge": "p_limit_charge_held"}  # fmt: skip
_ON = {"p_limit_ena": "p_limit_on", "p_set_ena": "p_set_on", "q_set_ena": "q_set_on",
       "pf_ena": "pf_on", "vv_ena": "vv_on", "pf_ext": "pf_under",
       "permit_start": "may_start"}  # fmt: skip
_SUPPORTED = ("can_limit", "can_p", "can_q", "can_pf", "can_vv", "can_wv")


class Dnp3Der:
    """The inverter with its points by name.

    Args:
        inverter: what it is.
        edition: ``an2018`` or ``1815_2``: which profile's indices it shows.

    Attributes:
        stations: the one, for the server.
    """

    def __init__(self, inverter: SunSpecDevice, edition: str = "an2018") -> None:
        self._inverter = inverter
        self._station = Station(ADDRESS, f"dnp3_der_{edition}", self._take, inverter.fresh)
        self.stations = (self._station,)
        for path, mode in _MODES.items():
            inverter.sunspec.put(path, mode)
        for point, row in self._station.bank.rows.items():
            if row.kind in ("AO", "BO"):
                self._station.put(point, 0.0)
        for point, value in _AT_START.items():
            self._station.put(point, value)
        self._show_ratings()
        self._show_settings()

    def on_step(self, message: Message) -> Message:
        """Run one step of the inverter and show what it measures."""
        answer = self._inverter.on_step(message)
        self._show_measured()
        self._show_settings()
        return answer

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the display: ``{"local": bool}``."""
        self._inverter.on_site(command)
        self._show_settings()

    def _take(self, point: str, value: float, carry_out: bool) -> CommandStatus:
        if self._inverter.sunspec.setting("715.LocRemCtl"):
            return CommandStatus.LOCAL
        charges = self._inverter.der.kind == "battery"
        if point in _MISSING or (point == "p_limit_charge" and charges):
            return CommandStatus.NOT_SUPPORTED
        if value != _ONLY.get(point, value):
            return CommandStatus.OUT_OF_RANGE
        try:
            self._set(point, value, carry_out=carry_out)
        except Refusal as refusal:
            return _STATUS.get(refusal.code, CommandStatus.NOT_SUPPORTED)
        if carry_out:
            self._station.put(point, value)
            self._show_settings()
        return CommandStatus.SUCCESS

    def _set(self, point: str, value: float, *, carry_out: bool) -> None:
        """Write a setting the way a SunSpec client would: same limits, same side effects."""
        setting = _setting(point, value)
        if setting is None:
            return
        path, engineering = setting
        sunspec = self._inverter.sunspec
        address, words = sunspec.points[path].address, sunspec.encode(path, engineering)
        if carry_out:
            self._inverter.write("holding", address, words)
        else:
            sunspec.admit(address, words)

    def _show_ratings(self) -> None:
        der, put = self._inverter.der, self._station.put
        charge_w = der.p_max_w if der.kind == "battery" else 0.0
        ratings = {
            "profile_version": 100, "p_max_rtg": der.p_max_w, "p_min_rtg": -charge_w,
            "q_max_rtg": der.q_max_var, "q_min_rtg": -der.q_max_var, "s_max_rtg": der.s_max_va,
            "s_cha_rtg": -der.s_max_va if charge_w else 0.0, "v_ref": der.v_nom_v, "hz_nom": 60.0,
            "p_max": der.p_max_w, "p_cha_max": -charge_w, "q_inj_max": der.q_max_var,
            "q_abs_max": -der.q_max_var, "s_max": der.s_max_va,
            "s_cha_max": -der.s_max_va if charge_w else 0.0,
        }  # fmt: skip
        for point, value in ratings.items():
            put(point, value)
        for point in self._station.bank.rows:
            if point.startswith("can_"):
                put(point, float(point in _SUPPORTED))

    def _show_measured(self) -> None:
        sunspec, put = self._inverter.sunspec, self._station.put
        for point, path in (("p", "701.W"), ("q", "701.Var"), ("s", "701.VA"), ("pf", "701.PF"),
                            ("hz", "701.Hz"), ("v_a", "701.VL1"), ("v_b", "701.VL2"),
                            ("v_c", "701.VL3")):  # fmt: skip
            value = sunspec.get(path)
            if value is not None:  # a phase the inverter does not have
                put(point, value)
        power_w = sunspec.setting("701.W")
        der = self._inverter.der
        if der.kind == "battery":
            put("soc", sunspec.setting("713.SoC"))
            put("soc_usable", sunspec.setting("713.SoC"))
            put("p_avail_max", der.p_max_w)
            put("p_avail_min", -der.p_max_w)
        else:
            put("p_avail_max", power_w / max(1e-3, 1 - sunspec.setting("701.ThrotPct") / 100))
            put("p_avail_min", 0.0)
        spare_var = max(der.s_max_va**2 - power_w**2, 0.0) ** 0.5
        put("q_avail_max", min(der.q_max_var, spare_var))
        put("q_avail_min", -min(der.q_max_var, spare_var))
        connected = sunspec.setting("701.ConnSt") == 1
        put("conn_generating", connected and power_w > 0)
        put("conn_charging", connected and power_w < 0)
        put("conn_idle", connected and power_w == 0)
        put("off_ready", not connected)
        put("off_not_ready", 0.0)
        put("moving", 0.0)
        put("islanded", 0.0)
        put("alarm_p1", 0.0)
        put("lockout", 0.0)

    def _show_settings(self) -> None:
        sunspec, put = self._inverter.sunspec, self._station.put
        for point, path in _SETTINGS.items():
            put(point, sunspec.setting(path))
        for point, held in (_HELD | _ON).items():
            put(held, self._station.get(point))
        failed = sunspec.setting("705.AdptCrvRslt") == Adoption.FAILED
        put("vv_index_held", 0.0 if failed else _ONLY["vv_index"])
        service = sunspec.setting("703.ES")
        put("stop", 1.0 - service)
        put("conn", service)
        put("started", service)
        put("stopped", 1.0 - service)
        put("local", sunspec.setting("715.LocRemCtl"))


def _setting(point: str, value: float) -> tuple[str, float] | None:
    """The SunSpec setting an output stands for, and its value there; None where there is none.

    Raises:
        Refusal: a curve's Y in units the inverter does not know.
    """
    if point == "stop":
        return "703.ES", 0.0 if value else 1.0
    if point == "vv_index":
        return "705.AdptCrvReq", _CURVE
    if point == "vv_y_unit":
        if value not in _DEPENDENT_REFERENCE:
            raise Refusal(ExcCodes.ILLEGAL_VALUE, f"{point} = {value:g}")
        return f"705.Crv.{_CURVE}.DeptRef", _DEPENDENT_REFERENCE[int(value)]
    path = _SETTINGS.get(point)
    return None if path is None else (path, value)
