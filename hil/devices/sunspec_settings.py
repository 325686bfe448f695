"""What an emulated inverter holds when it leaves the factory, and what it lets one write."""

from __future__ import annotations

from hil.devices.sunspec_map import SunSpecMap
from hil.scenario import Der

#: Points a curve can hold, by model, and curves: the first is the active one, read-only.
POINTS, CURVES = {705: 4, 712: 6}, 3
_MODELS = (1, 701, 702, 703, 704, 705, 712)
#: CtrlModes of model 702: MAX_W, FIXED_W, FIXED_VAR, FIXED_PF, VOLT_VAR, WATT_VAR.
_CTRL_MODES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9
_LONGEST_S = 86_400.0

#: IEEE 1547's default volt-var curve, category B: V % of nominal, Q % of the rated VA (edition
#: not verified).
DEFAULT_VOLT_VAR = ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))
DEFAULT_WATT_VAR = (
    (-100.0, 44.0),
    (-50.0, 0.0),
    (-20.0, 0.0),
    (20.0, 0.0),
    (50.0, 0.0),
    (100.0, -44.0),
)


def build_map(der: Der) -> SunSpecMap:
    """A device's map with every implemented point set."""
    models = (*_MODELS, 713, 715)  # without storage 713 says "not implemented" throughout
    counts = {f"{m}.NPt": n for m, n in POINTS.items()} | {f"{m}.NCrv": CURVES for m in POINTS}
    locked = tuple(f"{m}.Crv.1." for m in POINTS)
    sunspec = SunSpecMap(models, counts, _limits(der), locked)
    # Scale factors first: every other value is rounded with them.
    for path, exponent in _scale_factors(der).items():
        if path in sunspec.points:
            sunspec.put(path, exponent)
    for path, value in _defaults(der).items():
        if path in sunspec.points:
            sunspec.put(path, value)
    return sunspec


def _scale_factors(der: Der) -> dict[str, int]:
    power = 1 if der.s_max_va <= 300e3 else 2
    return {
        **{f"701.{n}_SF": power for n in ("W", "VA", "Var")},
        "701.A_SF": -1,
        "701.V_SF": -1,
        "701.Hz_SF": -3,
        "701.PF_SF": -3,
        "701.TotWh_SF": 0,
        "701.TotVarh_SF": 0,
        "701.Tmp_SF": -1,
        **{f"702.{n}_SF": power for n in ("W", "VA", "Var")},
        "702.PF_SF": -3,
        "702.V_SF": -1,
        "702.A_SF": -1,
        "703.V_SF": -2,
        "703.Hz_SF": -2,
        "704.PF_SF": -3,
        "704.WMaxLimPct_SF": -1,
        "704.WSet_SF": 0,
        "704.WSetPct_SF": -1,
        "704.VarSet_SF": 0,
        "704.VarSetPct_SF": -1,
        "705.V_SF": -2,
        "705.DeptRef_SF": -2,
        "705.RspTms_SF": -1,
        "712.W_SF": -2,
        "712.DeptRef_SF": -2,
        "713.WH_SF": 2,
        "713.Pct_SF": -1,
    }


def _defaults(der: Der) -> dict[str, float | str]:
    return {
        "1.Mn": "Tieline bench",
        "1.Md": f"emulated {der.kind}",
        "1.Vr": "0.1",
        "1.SN": der.name,
        "1.DA": 1,
        "715.LocRemCtl": 0,
        "715.DERHb": 0,
        "715.ControllerHb": 0,
        "715.AlarmReset": 0,
        "715.OpCtl": 1,
        **_ratings(der),
        **_enter_service(),
        **_controls(),
        **_curves(),
    }


def _ratings(der: Der) -> dict[str, float | str]:
    storage = {
        "702.WChaRteMaxRtg": der.p_max_w,
        "702.VAChaRteMaxRtg": der.s_max_va,
        "702.WDisChaRteMaxRtg": der.p_max_w,
        "702.VADisChaRteMaxRtg": der.s_max_va,
        "702.WChaRteMax": der.p_max_w,
        "713.WHRtg": der.energy_wh,
        "713.SoH": 100.0,
        "713.Sta": 0,
    }
    return {
        "702.WMaxRtg": der.p_max_w,
        "702.VAMaxRtg": der.s_max_va,
        "702.VarMaxInjRtg": der.q_max_var,
        "702.VarMaxAbsRtg": der.q_max_var,
        "702.VNomRtg": der.v_nom_v,
        "702.VMaxRtg": 1.1 * der.v_nom_v,
        "702.VMinRtg": 0.88 * der.v_nom_v,
        "702.NorOpCatRtg": 1,
        "702.AbnOpCatRtg": 1,
        "702.CtrlModes": _CTRL_MODES,
        "702.WMax": der.p_max_w,
        "702.VAMax": der.s_max_va,
        "702.VarMaxInj": der.q_max_var,
        "702.VarMaxAbs": der.q_max_var,
        "702.VNom": der.v_nom_v,
        **(storage if der.kind == "battery" else {}),
    }


def _enter_service() -> dict[str, float | str]:
    # IEEE 1547's default delay is 300 s; the bench waits less so that a return can be watched.
    return {
        "703.ES": 1,
        "703.ESVHi": 105.0,
        "703.ESVLo": 91.7,
        "703.ESHzHi": 60.1,
        "703.ESHzLo": 59.5,
        "703.ESDlyTms": 5,
        "703.ESRmpTms": 5,
    }


def _controls() -> dict[str, float | str]:
    timed = ("PFWInj", "WMaxLimPct", "WSet", "VarSet")
    return {
        **{f"704.{name}Ena": 0 for name in timed},
        **{f"704.{name}EnaRvrt": 0 for name in timed},
        **{f"704.{name}RvrtTms": 0 for name in timed},
        **{f"704.{name}RvrtRem": 0 for name in timed},
        "704.PFWInj.PF": 1.0,
        "704.PFWInj.Ext": 0,
        "704.PFWInjRvrt.PF": 1.0,
        "704.PFWInjRvrt.Ext": 0,
        "704.WMaxLimPct": 100.0,
        "704.WMaxLimPctRvrt": 100.0,
        "704.WSetMod": 1,
        "704.WSet": 0,
        "704.WSetRvrt": 0,
        "704.WSetPct": 0.0,
        "704.WSetPctRvrt": 0.0,
        "704.VarSetMod": 4,
        "704.VarSetPri": 1,
        "704.VarSet": 0,
        "704.VarSetRvrt": 0,
        "704.VarSetPct": 0.0,
        "704.VarSetPctRvrt": 0.0,
        "704.WRmp": 50,
        "704.WRmpRef": 1,
        "704.VarRmp": 50,
    }


def _curves() -> dict[str, float | str]:
    values: dict[str, float | str] = {}
    for model, dependent in ((705, "V"), (712, "W")):
        values |= {
            f"{model}.Ena": 0,
            f"{model}.AdptCrvReq": 0,
            f"{model}.AdptCrvRslt": 1,
            f"{model}.NPt": POINTS[model],
            f"{model}.NCrv": CURVES,
            f"{model}.RvrtTms": 0,
            f"{model}.RvrtRem": 0,
            f"{model}.RvrtCrv": 0,
        }
        points = DEFAULT_VOLT_VAR if model == 705 else DEFAULT_WATT_VAR
        for curve in range(1, CURVES + 1):
            at = f"{model}.Crv.{curve}"
            values |= {
                f"{at}.ActPt": len(points),
                f"{at}.DeptRef": 3,
                f"{at}.Pri": 1,
                f"{at}.ReadOnly": 1 if curve == 1 else 0,
            }
            if model == 705:
                values |= {f"{at}.VRef": 100.0, f"{at}.VRefAutoEna": 0, f"{at}.RspTms": 5.0}
            for i, (x, q) in enumerate(points):
                values |= {f"{at}.Pt.{i + 1}.{dependent}": x, f"{at}.Pt.{i + 1}.Var": q}
    return values


def _limits(der: Der) -> dict[str, tuple[float, float]]:
    charge_w = der.p_max_w if der.kind == "battery" else 0.0
    limits: dict[str, tuple[float, float]] = {
        "702.WMax": (0.05 * der.p_max_w, der.p_max_w),
        "702.VAMax": (der.p_max_w * 0.05, der.s_max_va),
        "702.VarMaxInj": (0, der.q_max_var),
        "702.VarMaxAbs": (0, der.q_max_var),
        "702.WChaRteMax": (0, charge_w),
        "702.VNom": (der.v_nom_v, der.v_nom_v),
        "703.ESVHi": (100, 110),
        "703.ESVLo": (80, 100),
        "703.ESHzHi": (60, 63),
        "703.ESHzLo": (57, 60),
        "703.ESDlyTms": (0, 600),
        "703.ESRmpTms": (1, 1000),
        "704.PFWInj.PF": (0.5, 1),
        "704.PFWInjRvrt.PF": (0.5, 1),
        "704.WMaxLimPct": (0, 100),
        "704.WMaxLimPctRvrt": (0, 100),
        "704.WSet": (-charge_w, der.p_max_w),
        "704.WSetRvrt": (-charge_w, der.p_max_w),
        "704.WSetPct": (-100 if charge_w else 0, 100),
        "704.WSetPctRvrt": (-100 if charge_w else 0, 100),
        "704.VarSet": (-der.q_max_var, der.q_max_var),
        "704.VarSetRvrt": (-der.q_max_var, der.q_max_var),
        "704.VarSetPct": (-100, 100),
        "704.VarSetPctRvrt": (-100, 100),
        "704.WRmp": (1, 100),
        "704.VarRmp": (1, 100),
    }
    for name in ("PFWInj", "WMaxLimPct", "WSet", "VarSet"):
        limits[f"704.{name}RvrtTms"] = (0, _LONGEST_S)
    for model in (705, 712):
        limits[f"{model}.AdptCrvReq"] = (0, CURVES)
        limits[f"{model}.RvrtTms"] = (0, _LONGEST_S)
        limits[f"{model}.RvrtCrv"] = (0, CURVES)
        for curve in range(1, CURVES + 1):
            at = f"{model}.Crv.{curve}"
            limits[f"{at}.ActPt"] = (2, POINTS[model])
            limits[f"{at}.VRef"] = (95, 105)
            limits[f"{at}.RspTms"] = (1, 90)
            for i in range(1, POINTS[model] + 1):
                limits[f"{at}.Pt.{i}.V"] = (70, 130)
                limits[f"{at}.Pt.{i}.W"] = (-100, 100)
                limits[f"{at}.Pt.{i}.Var"] = (-100, 100)
    return limits
