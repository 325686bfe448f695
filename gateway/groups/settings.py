"""What ramp rates, voltage regulation, curves of real power and a price write at one DER."""

from __future__ import annotations

from gateway.groups import writes
from gateway.groups.der_points import DerView
from gateway.groups.messages import (
    CurveReference,
    CurveRequest,
    PriceRequest,
    RampRateRequest,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
)
from gateway.groups.write import (
    UnsupportedError,
    Write,
    enable,
    need,
    others_off,
    presets,
    rating,
    write,
)

#: Role stem of each curve of real power, and of its two axes.
WATT_STEMS = {WattCurve.VOLT_WATT: ("vw", "v"), WattCurve.FREQUENCY_WATT: ("fw", "f")}
#: Roles of ramp rates: both ways at once, or each way.
RAMP_ROLES = ("ramp", "ramp_up", "ramp_down")


def ramp(view: DerView, request: RampRateRequest, share: float) -> list[Write]:
    """How fast real power may change: W/s, or % of the rating a second where that is the unit.

    Args:
        view: the DER.
        request: of the whole group.
        share: this DER's part of it.

    Raises:
        UnsupportedError: no such setting, or one for both ways where two values are asked.
    """
    up, down = request.up_w_per_s, request.down_w_per_s
    if view.der.has("ramp"):
        if up != down:
            raise UnsupportedError(f"{view.der.name} has one ramp for both directions")
        wanted = {"ramp": up}
    else:
        wanted = {"ramp_up": up, "ramp_down": down}
    roles = {role: value for role, value in wanted.items() if value is not None}
    need(view.der, *roles)
    return [_setting(view, role, value * share) for role, value in roles.items()]


def _setting(view: DerView, role: str, value_w_per_s: float) -> Write:
    present = view.value(role)
    if present is None:  # what it must go back to
        raise UnsupportedError(f"the present {role} of {view.der.name} is not known")
    value = value_w_per_s
    if view.der.units.get(role) == "pct/s":
        value = min(round(100.0 * value_w_per_s / rating(view, "p"), 6), 100.0)
    return Write(view.der.points[role], value, resets_to=present, setting=True)


def regulate(view: DerView, request: VoltageRegulationRequest) -> list[Write]:
    """Hold a voltage: by the DER's own function, else by a volt-VAR curve around the set point.

    Raises:
        UnsupportedError: it has neither.
    """
    voltage_pct = request.voltage_pct or 0.0
    if not view.der.has("v_set", "v_enable"):
        return writes.curve(view, regulation_curve(request))
    own = [write(view.der, "v_set", voltage_pct)]
    optional = {"v_deadband": request.deadband_pct, "v_droop": request.droop_pct}
    own += [write(view.der, role, value) for role, value in optional.items() if view.der.has(role)]
    own += others_off(view, "v_enable")
    return [*presets(view, "v_enable"), *own, enable(view.der, "v_enable")]


def regulation_curve(request: VoltageRegulationRequest) -> CurveRequest:
    """The volt-VAR curve that holds a voltage: all reactive power one droop beyond the deadband."""
    voltage_pct, half = request.voltage_pct or 0.0, request.deadband_pct / 2
    low, high = voltage_pct - half, voltage_pct + half
    inner = ((low, 0.0), (high, 0.0)) if half else ((voltage_pct, 0.0),)
    return CurveRequest(
        address=request.address,
        points=((low - request.droop_pct, 100.0), *inner, (high + request.droop_pct, -100.0)),
        reference=CurveReference.MAX_REACTIVE_POWER,
        validity=request.validity,
    )


def watt_curve(view: DerView, request: WattCurveRequest) -> list[Write]:
    """Volt-Watt or frequency-Watt curve: its points, then its enable.

    Raises:
        UnsupportedError: no such curve, or fewer points in the device's map.
    """
    stem, axis = WATT_STEMS[request.kind]
    need(view.der, f"{stem}_enable", f"{stem}_{axis}1", f"{stem}_p1")
    if len(request.points) > writes.CURVE_POINTS:
        raise UnsupportedError(f"{view.der.name} takes {writes.CURVE_POINTS} curve points at most")
    padding = [request.points[-1]] * (writes.CURVE_POINTS - len(request.points))
    told = presets(view, f"{stem}_points")
    optional = {
        f"{stem}_points": float(len(request.points)),
        f"{stem}_response": request.response_s,
    }
    told += [write(view.der, role, value) for role, value in optional.items() if view.der.has(role)]
    for number, (x, power_pct) in enumerate([*request.points, *padding], 1):
        told.append(write(view.der, f"{stem}_{axis}{number}", x))
        told.append(write(view.der, f"{stem}_p{number}", power_pct))
    return [*told, *presets(view, f"{stem}_enable"), enable(view.der, f"{stem}_enable")]


def price(view: DerView, request: PriceRequest) -> list[Write]:
    """The price a kWh that holds now.

    Raises:
        UnsupportedError: it does not dispatch itself by a price.
    """
    need(view.der, "price", "price_enable")
    _, value = request.schedule[0]
    return [write(view.der, "price", value), enable(view.der, "price_enable")]
