"""What a DER is to do: from the values of its output points to a DERControlBase. Pure.

A set point and its enable are two points, as in SunSpec and DNP3; a control carries the value of
every mode that is enabled, so that one control replaces the last as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.links.sep2.resources import (
    ActivePower,
    CurveData,
    DERControlBase,
    DERCurve,
    FixedVar,
    Link,
    PowerFactorWithExcitation,
    ReactivePower,
    UnsignedFixedVar,
)
from gateway.links.sep2.scaling import Displacement, Quantity
from gateway.links.sep2.shape import parts as parts_of

#: ``DERUnitRefType``: percent of setMaxVar.
_PCT_OF_MAX_VAR = 2
#: ``DERCurveType``: volt-var.
_VOLT_VAR = 11
#: Pairs a curve can have among the points of a profile.
CURVE_POINTS = 4
#: Parts that say whether a mode is on; a mode with neither is on once it was set.
ENABLE, VALUE = "enable", "value"

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DerOutput:
    """One output point of a DER.

    Attributes:
        point: its id.
        position: where it stands in the store.
        mode: the standard's name of the mode it belongs to, e.g. ``opModFixedVar``.
        part: ``value``, ``enable``, ``displacement``, ``excitation``, or of a curve ``v1``,
            ``q1`` ... ``count``, ``reference``, ``v_ref``, ``response``.
        initial: what it holds before it was ever set.
    """

    point: str
    position: int
    mode: str
    part: str
    initial: float = 0.0


class CannotOrderError(Exception):
    """The values make no control; the message says why."""


def parts(outputs: Iterable[DerOutput], held: Values, mode: str) -> dict[str, float]:
    """Values of one mode's points by part."""
    return {o.part: held[o.point] for o in outputs if o.mode == mode}


def enabled(outputs: Sequence[DerOutput], held: Values, touched: Iterable[str]) -> list[str]:
    """Modes that are on, in the outputs' order.

    Args:
        outputs: of one DER.
        held: their values by point id.
        touched: modes without an enable that were set.
    """
    gated = {o.mode for o in outputs if o.part == ENABLE}
    on = {o.mode for o in outputs if o.part == ENABLE and held[o.point]}
    on |= {mode for mode in touched if mode not in gated}
    return list(dict.fromkeys(o.mode for o in outputs if o.mode in on))


def control_base(
    outputs: Sequence[DerOutput], held: Values, modes: Iterable[str], curves: Mapping[str, str]
) -> DERControlBase:
    """The base that sets these modes.

    Args:
        outputs: of one DER.
        held: their values by point id.
        modes: which to set.
        curves: mode to the href of its curve.

    Raises:
        CannotOrderError: a mode is not one a DER can be told, or a value cannot be written.
    """
    fields: dict[str, object] = {}
    for mode in modes:
        if mode in curves:
            fields[CURVES[mode]] = Link(href=curves[mode])
            continue
        name, make = _MODES[mode]
        try:
            fields[name] = make(parts(outputs, held, mode))
        except (ValueError, OverflowError) as error:
            raise CannotOrderError(f"{mode}: {error}") from error
    return DERControlBase(**fields)  # type: ignore[arg-type]


def curve(
    outputs: Sequence[DerOutput], held: Values, mode: str, *, mrid: int, now: int
) -> DERCurve:
    """The curve that a mode's points describe.

    Raises:
        CannotOrderError: it cannot be written.
    """
    own = parts(outputs, held, mode)
    count = round(own.get("count", CURVE_POINTS))
    pairs = [(own.get(f"v{n}"), own.get(f"q{n}")) for n in range(1, CURVE_POINTS + 1)]
    known = [(v, q) for v, q in pairs[:count] if v is not None and q is not None]
    if len(known) < 2:
        raise CannotOrderError(f"{mode}: a curve has at least two points")
    v_ref = own.get("v_ref")
    response = own.get("response")
    return DERCurve(
        mrid=mrid,
        creation_time=now,
        curve_data=tuple(
            CurveData(xvalue=round(100 * volts), yvalue=round(100 * var)) for volts, var in known
        ),
        curve_type=_VOLT_VAR,
        open_loop_tms=None if response is None else round(100 * response),
        v_ref=None if v_ref is None else round(100 * v_ref),
        x_multiplier=-2,
        y_multiplier=-2,
        y_ref_type=round(own.get("reference", _PCT_OF_MAX_VAR)),
    )


def held_from(outputs: Iterable[DerOutput], base: DERControlBase) -> dict[str, float]:
    """Values of the output points while a control is in force, for what it sets."""
    held: dict[str, float] = {}
    for output in outputs:
        if output.mode in CURVES:
            if output.part == ENABLE:
                held[output.point] = float(getattr(base, CURVES[output.mode]) is not None)
            continue
        value = getattr(base, _MODES[output.mode][0])
        if output.part == ENABLE:
            held[output.point] = float(value is not None)
        elif value is not None:
            held[output.point] = _READ[type(value)](value, output)
    return held


def described(base: DERControlBase) -> tuple[str, ...]:
    """What a base sets, for people: each mode by the standard's name, with its value.

    Percent where the standard has hundredths of it.
    """
    told = []
    for part in parts_of(DERControlBase):
        value = getattr(base, part.field)
        if value is None:
            continue
        match value:
            case bool():
                shown = "true" if value else "false"
            case int():
                shown = f"{value} x 0.01 s" if part.field == "ramp_tms" else f"{value / 100:g} %"
            case FixedVar() | UnsignedFixedVar():
                shown = f"{value.value / 100:g} %"
            case Quantity() | Displacement():
                shown = f"{value.number:g}"
            case _:
                shown = getattr(value, "href", "")
        told.append(f"{part.mark.name} {shown}".rstrip())
    return tuple(told)


def known_mode(mode: str, part: str) -> bool:
    """Whether a profile may name this part of this mode."""
    if mode in CURVES:
        pairs = {f"{axis}{n}" for n in range(1, CURVE_POINTS + 1) for axis in "vq"}
        return part in pairs | {ENABLE, "count", "reference", "v_ref", "response"}
    if mode in ("opModFixedPFInjectW", "opModFixedPFAbsorbW"):
        return part in ("displacement", "excitation", ENABLE)
    return mode in _MODES and part in (VALUE, ENABLE)


def _percent(own: Mapping[str, float]) -> int:
    value = round(100 * own[VALUE])
    if not 0 <= value <= 10_000:
        raise ValueError(f"{own[VALUE]:g} % is not from 0 to 100")
    return value


def _signed_percent(own: Mapping[str, float]) -> int:
    value = round(100 * own[VALUE])
    if not -10_000 <= value <= 10_000:
        raise ValueError(f"{own[VALUE]:g} % is not from -100 to 100")
    return value


def _fixed_var(own: Mapping[str, float]) -> FixedVar:
    return FixedVar(ref_type=_PCT_OF_MAX_VAR, value=_signed_percent(own))


def _power_factor(own: Mapping[str, float]) -> PowerFactorWithExcitation:
    return PowerFactorWithExcitation.of(
        own["displacement"], excitation=bool(own.get("excitation", 0.0))
    )


def _switch(own: Mapping[str, float]) -> bool:
    return bool(own[VALUE])


def _active(own: Mapping[str, float]) -> ActivePower:
    return ActivePower.of(own[VALUE])


def _reactive(own: Mapping[str, float]) -> ReactivePower:
    return ReactivePower.of(own[VALUE])


Maker = Callable[[Mapping[str, float]], object]
_MODES: Mapping[str, tuple[str, Maker]] = MappingProxyType(
    {
        "opModMaxLimW": ("op_mod_max_lim_w", _percent),
        "opModFixedW": ("op_mod_fixed_w", _signed_percent),
        "opModFixedVar": ("op_mod_fixed_var", _fixed_var),
        "opModTargetW": ("op_mod_target_w", _active),
        "opModTargetVar": ("op_mod_target_var", _reactive),
        "opModFixedPFInjectW": ("op_mod_fixed_pf_inject_w", _power_factor),
        "opModFixedPFAbsorbW": ("op_mod_fixed_pf_absorb_w", _power_factor),
        "opModConnect": ("op_mod_connect", _switch),
        "opModEnergize": ("op_mod_energize", _switch),
    }
)
#: What outputs hold before they were ever set, by mode and part; the rest hold 0.
INITIAL: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("opModMaxLimW", VALUE): 100.0,
        ("opModConnect", VALUE): 1.0,
        ("opModEnergize", VALUE): 1.0,
        ("", "displacement"): 1.0,
        ("", "count"): float(CURVE_POINTS),
        ("", "v_ref"): 100.0,
    }
)
#: Modes that refer to a curve, with the field that has the link.
CURVES: Mapping[str, str] = MappingProxyType({"opModVoltVar": "op_mod_volt_var"})


def _read_factor(value: PowerFactorWithExcitation, output: DerOutput) -> float:
    return float(value.excitation) if output.part == "excitation" else value.number


_READ: Mapping[type, Callable[..., float]] = MappingProxyType(
    {
        int: lambda value, _: value / 100.0,
        bool: lambda value, _: float(value),
        FixedVar: lambda value, _: value.value / 100.0,
        ActivePower: lambda value, _: value.number,
        ReactivePower: lambda value, _: value.number,
        PowerFactorWithExcitation: _read_factor,
    }
)
