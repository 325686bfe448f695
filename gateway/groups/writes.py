"""What a group function writes at one DER: pure lists of points and values, in order.

Set point first, then whatever competes with it off, then its enable: nothing is ever switched on
at an old value (AN2018 asks for that order; it suits SunSpec 704 as well).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.groups.der_points import DerPoints, DerView
from gateway.groups.messages import CurveReference, CurveRequest, Direction, IslandAction
from gateway.groups.write import (
    REACTIVE,
    UnsupportedError,
    Write,
    enable,
    need,
    others_off,
    points_of,
    presets,
    rating,
    write,
)
from gateway.model.der import Excitation

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


def dispatch(view: DerView, letter: str, value: float) -> list[Write]:
    """Real (``p``) or reactive (``q``) power set point, W or var; % of rating where it is so.

    Raises:
        UnsupportedError: no such set point.
    """
    need(view.der, f"{letter}_set", f"{letter}_enable")
    if view.der.units.get(f"{letter}_set") == "pct":
        value = 100.0 * value / rating(view, letter)
    writes = [*presets(view, f"{letter}_enable"), write(view.der, f"{letter}_set", value)]
    if letter == "q":
        writes += others_off(view, "q_enable")
    return [*writes, enable(view.der, f"{letter}_enable")]


def limit(view: DerView, limit_w: float, direction: Direction) -> list[Write]:
    """Maximum real power.

    Raises:
        UnsupportedError: no limit, or not in that direction.
    """
    need(view.der, "limit", "limit_enable")
    if view.der.units.get("limit") == "pct":
        if direction is Direction.IMPORT:
            return _import_limit(view, limit_w)
        value = min(100.0 * limit_w / rating(view, "p"), 100.0)
    else:
        # one signed register: negative is import, so a limit of no import cannot be said
        if direction is Direction.IMPORT and limit_w < 1000.0:
            raise UnsupportedError(f"{view.der.name} cannot limit import below 1 kW")
        value = limit_w if direction is Direction.EXPORT else -limit_w
    return [write(view.der, "limit", value), enable(view.der, "limit_enable")]


def _import_limit(view: DerView, limit_w: float) -> list[Write]:
    """A limit of charging has a set point of its own, in % of the charging rating."""
    if not view.der.has("limit_import"):
        raise UnsupportedError(f"{view.der.name} cannot limit import")
    plate = view.nameplate()
    if plate is None or plate.power_w.minimum >= 0:
        raise UnsupportedError(f"the charging rating of {view.der.name} is not known")
    value = min(100.0 * limit_w / -plate.power_w.minimum, 100.0)
    return [write(view.der, "limit_import", value), enable(view.der, "limit_enable")]


def power_factor(view: DerView, magnitude: float, excitation: Excitation) -> list[Write]:
    """Constant power factor: a magnitude with an excitation point, or one signed point.

    Raises:
        UnsupportedError: no power factor set point.
    """
    need(view.der, "pf_set", "pf_enable")
    over = excitation is Excitation.OVER_EXCITED
    writes = [*presets(view, "pf_enable")]
    if view.der.has("pf_excitation"):
        writes.append(write(view.der, "pf_set", magnitude))
        writes.append(write(view.der, "pf_excitation", 0.0 if over else 1.0))
    else:
        writes.append(write(view.der, "pf_set", magnitude if over else -magnitude))
    return [*writes, *others_off(view, "pf_enable"), enable(view.der, "pf_enable")]


def curve(view: DerView, request: CurveRequest) -> list[Write]:
    """Volt-VAR curve: its points, then (where the device has one) the adoption request.

    Raises:
        UnsupportedError: no curve, or more points than the device's map has.
    """
    need(view.der, "curve_enable", "curve_v1", "curve_q1")
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
    writes = presets(view, "curve_points")  # some devices want to hear which curve this is
    writes += [write(view.der, r, value) for r, value in optional.items() if view.der.has(r)]
    for number, (volts_pct, var_pct) in enumerate(padded, 1):
        writes.append(write(view.der, f"curve_v{number}", volts_pct))
        writes.append(write(view.der, f"curve_q{number}", var_pct))
    writes += presets(view, "curve_enable")
    return [*writes, *others_off(view, "curve_enable"), enable(view.der, "curve_enable")]


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
        share = plate.apparent_power_va / rating(view, "q")
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
        return [write(view.der, "connect", float(wanted))]
    action = IslandAction.RECONNECT if wanted else IslandAction.PLANNED
    return island(view, action)


def island(view: DerView, action: IslandAction) -> list[Write]:
    """Transition to or from island.

    Raises:
        UnsupportedError: not a microgrid.
    """
    need(view.der, "disconnect")
    if action is IslandAction.RECONNECT:
        role = "reconnect" if view.der.has("reconnect") else "disconnect"
        return [_ask(view.der, role, 1.0 if role == "reconnect" else 0.0)]
    mode = 1.0 if action is IslandAction.EMERGENCY else 0.0
    writes = [_ask(view.der, "island_mode", mode)] if view.der.has("island_mode") else []
    return [*writes, _ask(view.der, "disconnect", 1.0)]


def claimed(der: DerPoints, stem: str) -> Iterator[str]:
    """Points of a function, beside its enable, that carrying it out may have claimed."""
    own = [role for role in der.points if role == stem or role.startswith(f"{stem}_")]
    yield from points_of(der, [role for role in own if role != f"{stem}_enable"])
    for role, values in der.presets.items():
        if role == stem or role.startswith(f"{stem}_"):
            yield from (point for point, _ in values)


def rivals(der: DerPoints, stem: str) -> Iterator[str]:
    """Enables that were switched off for this function's sake."""
    if f"{stem}_enable" in REACTIVE:
        yield from points_of(der, [role for role in REACTIVE if role != f"{stem}_enable"])


def _ask(der: DerPoints, role: str, value: float) -> Write:
    return Write(der.points[role], value, momentary=True)
