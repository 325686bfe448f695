"""What a group function writes at one DER: pure lists of points and values, in order.

Set point first, then whatever competes with it off, then its enable: nothing is ever switched on
at an old value (AN2018 asks for that order; it suits SunSpec 704 as well).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.groups.der_points import DerPoints, DerView
from gateway.groups.messages import CurveReference, CurveRequest, Direction, IslandAction
from gateway.model.der import Excitation

#: Reactive power functions of which one at a time may be on.
_REACTIVE = ("q_enable", "pf_enable", "curve_enable")
#: Points a curve can have in a profile's roles.
CURVE_POINTS = 4
#: SunSpec 705 DeptRef; a controller without that role takes its own rating as the reference.
_DEPENDENT_REFERENCE = {
    CurveReference.MAX_ACTIVE_POWER: 0,
    CurveReference.MAX_REACTIVE_POWER: 1,
    CurveReference.AVAILABLE_REACTIVE_POWER: 2,
    CurveReference.MAX_APPARENT_POWER: 3,
}


#: DNP3 DER profiles' unit of a curve's Y values; % of apparent power has none there.
_Y_UNIT = {
    CurveReference.MAX_REACTIVE_POWER: 2,
    CurveReference.AVAILABLE_REACTIVE_POWER: 3,
    CurveReference.MAX_ACTIVE_POWER: 4,
}


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one point.

    Attributes:
        resets_to: what the point falls back to when the claim on it ends; None for nothing.
        momentary: it starts something and is over then; a claim kept on it would start that
            again when a later one ends.
    """

    point: str
    value: float
    resets_to: float | None = None
    momentary: bool = False


class UnsupportedError(Exception):
    """The DER has no points for this; the message says which function."""


def dispatch(view: DerView, letter: str, value: float) -> list[Write]:
    """Real (``p``) or reactive (``q``) power set point, W or var; % of rating where it is so.

    Raises:
        UnsupportedError: no such set point.
    """
    _need(view.der, f"{letter}_set", f"{letter}_enable")
    if view.der.units.get(f"{letter}_set") == "pct":
        value = 100.0 * value / _rating(view, letter)
    writes = [*_presets(view, f"{letter}_enable"), _write(view.der, f"{letter}_set", value)]
    if letter == "q":
        writes += _others_off(view, "q_enable")
    return [*writes, _enable(view.der, f"{letter}_enable")]


def limit(view: DerView, limit_w: float, direction: Direction) -> list[Write]:
    """Maximum real power.

    Raises:
        UnsupportedError: no limit, or not in that direction.
    """
    _need(view.der, "limit", "limit_enable")
    if view.der.units.get("limit") == "pct":
        if direction is Direction.IMPORT:
            return _import_limit(view, limit_w)
        value = min(100.0 * limit_w / _rating(view, "p"), 100.0)
    else:
        # one signed register: negative is import, so a limit of no import cannot be said
        if direction is Direction.IMPORT and limit_w < 1000.0:
            raise UnsupportedError(f"{view.der.name} cannot limit import below 1 kW")
        value = limit_w if direction is Direction.EXPORT else -limit_w
    return [_write(view.der, "limit", value), _enable(view.der, "limit_enable")]


def _import_limit(view: DerView, limit_w: float) -> list[Write]:
    """A limit of charging has a set point of its own, in % of the charging rating."""
    if not view.der.has("limit_import"):
        raise UnsupportedError(f"{view.der.name} cannot limit import")
    plate = view.nameplate()
    if plate is None or plate.power_w.minimum >= 0:
        raise UnsupportedError(f"the charging rating of {view.der.name} is not known")
    value = min(100.0 * limit_w / -plate.power_w.minimum, 100.0)
    return [_write(view.der, "limit_import", value), _enable(view.der, "limit_enable")]


def power_factor(view: DerView, magnitude: float, excitation: Excitation) -> list[Write]:
    """Constant power factor: a magnitude with an excitation point, or one signed point.

    Raises:
        UnsupportedError: no power factor set point.
    """
    _need(view.der, "pf_set", "pf_enable")
    over = excitation is Excitation.OVER_EXCITED
    writes = [*_presets(view, "pf_enable")]
    if view.der.has("pf_excitation"):
        writes.append(_write(view.der, "pf_set", magnitude))
        writes.append(_write(view.der, "pf_excitation", 0.0 if over else 1.0))
    else:
        writes.append(_write(view.der, "pf_set", magnitude if over else -magnitude))
    return [*writes, *_others_off(view, "pf_enable"), _enable(view.der, "pf_enable")]


def curve(view: DerView, request: CurveRequest) -> list[Write]:
    """Volt-VAR curve: its points, then (where the device has one) the adoption request.

    Raises:
        UnsupportedError: no curve, or more points than the device's map has.
    """
    _need(view.der, "curve_enable", "curve_v1", "curve_q1")
    if len(request.points) > CURVE_POINTS:
        raise UnsupportedError(f"{view.der.name} takes {CURVE_POINTS} curve points at most")
    reference, points = _curve_points(view, request)
    padded = [*points, *[points[-1]] * (CURVE_POINTS - len(points))]
    optional = {
        "curve_points": float(len(points)),
        "curve_reference": float(_DEPENDENT_REFERENCE[reference]),
        "curve_y_unit": float(_Y_UNIT.get(reference, 0)),
        "curve_v_ref": request.voltage_reference_pct,
        "curve_response": request.response_s,
    }
    writes = _presets(view, "curve_points")  # some devices want to hear which curve this is
    writes += [_write(view.der, r, value) for r, value in optional.items() if view.der.has(r)]
    for number, (volts_pct, var_pct) in enumerate(padded, 1):
        writes.append(_write(view.der, f"curve_v{number}", volts_pct))
        writes.append(_write(view.der, f"curve_q{number}", var_pct))
    writes += _presets(view, "curve_enable")
    return [*writes, *_others_off(view, "curve_enable"), _enable(view.der, "curve_enable")]


def _curve_points(
    view: DerView, request: CurveRequest
) -> tuple[CurveReference, tuple[tuple[float, float], ...]]:
    """A curve in the device's own terms: what it cannot be told is worked into the points."""
    der, reference, points = view.der, request.reference, request.points
    if not der.has("curve_v_ref"):
        share = request.voltage_reference_pct / 100.0
        points = tuple((volts * share, var) for volts, var in points)
    if der.has("curve_y_unit") and reference not in _Y_UNIT:
        plate = view.nameplate()
        if plate is None:
            raise UnsupportedError(f"the rating of {der.name} is not known")
        share = plate.apparent_power_va / _rating(view, "q")
        # rounded, or 100 % becomes a hair more than 100 % and is refused
        points = tuple((volts, round(var * share, 6)) for volts, var in points)
        reference = CurveReference.MAX_REACTIVE_POWER
    return reference, points


def connect(view: DerView, *, wanted: bool) -> list[Write]:
    """Connect or disconnect: permission to enter service, or the POI of a microgrid.

    Raises:
        UnsupportedError: neither.
    """
    if view.der.has("connect"):
        return [_write(view.der, "connect", float(wanted))]
    action = IslandAction.RECONNECT if wanted else IslandAction.PLANNED
    return island(view, action)


def island(view: DerView, action: IslandAction) -> list[Write]:
    """Transition to or from island.

    Raises:
        UnsupportedError: not a microgrid.
    """
    _need(view.der, "disconnect")
    if action is IslandAction.RECONNECT:
        role = "reconnect" if view.der.has("reconnect") else "disconnect"
        return [_ask(view.der, role, 1.0 if role == "reconnect" else 0.0)]
    mode = 1.0 if action is IslandAction.EMERGENCY else 0.0
    writes = [_ask(view.der, "island_mode", mode)] if view.der.has("island_mode") else []
    return [*writes, _ask(view.der, "disconnect", 1.0)]


def points_of(der: DerPoints, roles: Sequence[str]) -> Iterator[str]:
    """Points that play these roles, those that exist."""
    yield from (der.points[role] for role in roles if role in der.points)


def claimed(der: DerPoints, stem: str) -> Iterator[str]:
    """Points of a function, beside its enable, that carrying it out may have claimed."""
    own = [role for role in der.points if role == stem or role.startswith(f"{stem}_")]
    yield from points_of(der, [role for role in own if role != f"{stem}_enable"])
    for role, values in der.presets.items():
        if role == stem or role.startswith(f"{stem}_"):
            yield from (point for point, _ in values)


def rivals(der: DerPoints, stem: str) -> Iterator[str]:
    """Enables that were switched off for this function's sake."""
    if f"{stem}_enable" in _REACTIVE:
        yield from points_of(der, [role for role in _REACTIVE if role != f"{stem}_enable"])


def _need(der: DerPoints, *roles: str) -> None:
    missing = [role for role in roles if role not in der.points]
    if missing:
        raise UnsupportedError(f"{der.name} has no {', '.join(missing)}")


def _rating(view: DerView, letter: str) -> float:
    """What 100 % of a set point means: the device's own setting, else its nameplate."""
    setting = view.value("p_setting") if letter == "p" else None
    if setting is not None and setting > 0:
        return setting
    plate = view.nameplate()
    known = None if plate is None else plate.power_w if letter == "p" else plate.reactive_power_var
    if known is None or known.maximum <= 0:
        raise UnsupportedError(f"the rating of {view.der.name} is not known")
    return known.maximum


def _presets(view: DerView, role: str) -> list[Write]:
    return [Write(point, value) for point, value in view.der.presets.get(role, ())]


def _others_off(view: DerView, wanted: str) -> list[Write]:
    return [
        _write(view.der, role, 0.0)
        for role in _REACTIVE
        if role != wanted and view.value(role) == 1.0
    ]


def _enable(der: DerPoints, role: str) -> Write:
    return Write(der.points[role], 1.0, resets_to=0.0)


def _write(der: DerPoints, role: str, value: float) -> Write:
    return Write(der.points[role], value)


def _ask(der: DerPoints, role: str, value: float) -> Write:
    return Write(der.points[role], value, momentary=True)
