"""Payloads of set points: one element a function, written and read side by side."""

from __future__ import annotations

from itertools import pairwise

from lxml import etree

from gateway.groups.messages import (
    Address,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    Direction,
    DispatchRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    RampRateRequest,
    Validity,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
)
from gateway.groups.xml_function import Function
from gateway.groups.xml_values import (
    WireError,
    add,
    check_unit,
    child,
    clean,
    multiplier_for,
    number,
    number_text,
    put_time,
    put_value,
    tag,
    text_of,
    time_ms,
    value_in,
)
from gateway.model.der import Excitation

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER


def _put_limit(element: etree._Element, request: LimitRequest) -> None:
    add(element, "Direction", request.direction)
    if request.limit_w is None:
        add(element, "End")
    else:
        put_value(element, "Limit", P, request.limit_w)
    _put_validity(element, request.validity)
    if request.ramp_w_per_s:
        put_value(element, "RampRate", P, request.ramp_w_per_s).set("unit", "W/s")


def _read_limit(element: etree._Element, address: Address) -> LimitRequest:
    ramp = element.find(tag("RampRate"))
    return LimitRequest(
        address=address,
        limit_w=value_in(element.find(tag("Limit")), P),
        direction=Direction(text_of(element, "Direction")),
        validity=_validity(element),
        ramp_w_per_s=0.0 if ramp is None else number(ramp.text or "", ramp.get("multiplier")),
    )


def _put_dispatch(element: etree._Element, request: DispatchRequest) -> None:
    put_time(element, "Start", request.start_ms)
    if not request.schedule:
        add(element, "End")
        return
    multiplier = multiplier_for(*(value for _, value in request.schedule))
    schedule = add(element, "Schedule")
    schedule.set("unit", "W" if request.quantity is P else "var")
    schedule.set("multiplier", multiplier)
    _put_intervals(schedule, request.schedule, multiplier)


def _read_dispatch(element: etree._Element, address: Address) -> DispatchRequest:
    quantity = P if etree.QName(element).localname == "RealPowerDispatch" else Q
    if (found := element.find(tag("Schedule"))) is not None:
        check_unit(found, quantity)
    return DispatchRequest(
        address=address,
        quantity=quantity,
        schedule=_intervals(found),
        start_ms=time_ms(text_of(element, "Start")),
    )


def _put_curve(element: etree._Element, request: CurveRequest) -> None:
    add(element, "Reference", request.reference)
    add(element, "VoltageReferencePercent", number_text(request.voltage_reference_pct))
    add(element, "ResponseSeconds", number_text(request.response_s))
    _put_points(element, request.points, ("VoltagePercent", "ReactivePowerPercent"))
    _put_validity(element, request.validity)


def _read_curve(element: etree._Element, address: Address) -> CurveRequest:
    return CurveRequest(
        address=address,
        points=_points(element, ("VoltagePercent", "ReactivePowerPercent")),
        reference=CurveReference(text_of(element, "Reference", CurveReference.MAX_APPARENT_POWER)),
        voltage_reference_pct=number(text_of(element, "VoltageReferencePercent", "100")),
        response_s=number(text_of(element, "ResponseSeconds", "5")),
        validity=_validity(element),
    )


def _put_power_factor(element: etree._Element, request: PowerFactorRequest) -> None:
    add(element, "Excitation", request.excitation)
    if request.power_factor is None:
        add(element, "End")
    else:
        add(element, "Magnitude", number_text(request.power_factor))
    _put_validity(element, request.validity)


def _read_power_factor(element: etree._Element, address: Address) -> PowerFactorRequest:
    magnitude = text_of(element, "Magnitude")
    return PowerFactorRequest(
        address=address,
        power_factor=number(magnitude) if magnitude else None,
        excitation=Excitation(text_of(element, "Excitation", Excitation.OVER_EXCITED)),
        validity=_validity(element),
    )


def _read_connection(element: etree._Element, address: Address) -> ConnectRequest:
    return ConnectRequest(address=address, connect=text_of(element, "Connect") == "true")


def _put_connection(element: etree._Element, request: ConnectRequest) -> None:
    add(element, "Connect", "true" if request.connect else "false")


def _put_island(element: etree._Element, request: IslandRequest) -> None:
    add(element, "Action", request.action)
    put_time(element, "NotBefore", request.not_before_ms)
    if request.reason:
        add(element, "Reason", clean(request.reason))


def _read_island(element: etree._Element, address: Address) -> IslandRequest:
    return IslandRequest(
        address=address,
        action=IslandAction(text_of(element, "Action")),
        not_before_ms=time_ms(text_of(element, "NotBefore")),
        reason=element.findtext(tag("Reason"), ""),
    )


def _put_ramp(element: etree._Element, request: RampRateRequest) -> None:
    for name, value in (("Up", request.up_w_per_s), ("Down", request.down_w_per_s)):
        if value is not None:
            put_value(element, name, P, value).set("unit", "W/s")
    if request.up_w_per_s is None and request.down_w_per_s is None:
        add(element, "End")
    _put_validity(element, request.validity)


def _read_ramp(element: etree._Element, address: Address) -> RampRateRequest:
    up, down = (element.find(tag(name)) for name in ("Up", "Down"))
    return RampRateRequest(
        address=address,
        up_w_per_s=None if up is None else number(up.text or "", up.get("multiplier")),
        down_w_per_s=None if down is None else number(down.text or "", down.get("multiplier")),
        validity=_validity(element),
    )


def _put_regulation(element: etree._Element, request: VoltageRegulationRequest) -> None:
    if request.voltage_pct is None:
        add(element, "End")
    else:
        add(element, "VoltagePercent", number_text(request.voltage_pct))
    add(element, "DeadbandPercent", number_text(request.deadband_pct))
    add(element, "DroopPercent", number_text(request.droop_pct))
    _put_validity(element, request.validity)


def _read_regulation(element: etree._Element, address: Address) -> VoltageRegulationRequest:
    voltage = text_of(element, "VoltagePercent")
    return VoltageRegulationRequest(
        address=address,
        voltage_pct=number(voltage) if voltage else None,
        deadband_pct=number(text_of(element, "DeadbandPercent", "1")),
        droop_pct=number(text_of(element, "DroopPercent", "4")),
        validity=_validity(element),
    )


def _put_watt_curve(element: etree._Element, request: WattCurveRequest) -> None:
    add(element, "ResponseSeconds", number_text(request.response_s))
    _put_points(element, request.points, _WATT_AXES[request.kind])
    _put_validity(element, request.validity)


def _read_watt_curve(element: etree._Element, address: Address) -> WattCurveRequest:
    kind = WattCurve(etree.QName(element).localname.removesuffix("Curve"))
    return WattCurveRequest(
        address=address,
        kind=kind,
        points=_points(element, _WATT_AXES[kind]),
        response_s=number(text_of(element, "ResponseSeconds", "5")),
        validity=_validity(element),
    )


def _put_price(element: etree._Element, request: PriceRequest) -> None:
    add(element, "Currency", request.currency)
    put_time(element, "Start", request.start_ms)
    found = add(element, "Schedule" if request.schedule else "End")
    _put_intervals(found, request.schedule, "none")


def _read_price(element: etree._Element, address: Address) -> PriceRequest:
    return PriceRequest(
        address=address,
        currency=text_of(element, "Currency"),
        schedule=_intervals(element.find(tag("Schedule"))),
        start_ms=time_ms(text_of(element, "Start")),
    )


def _put_intervals(
    schedule: etree._Element, entries: tuple[tuple[float, float], ...], multiplier: str
) -> None:
    for seconds, value in entries:
        interval = add(schedule, "Interval")
        if seconds:
            add(interval, "DurationSeconds", number_text(seconds))
        add(interval, "Value", number_text(value, multiplier))


def _intervals(schedule: etree._Element | None) -> tuple[tuple[float, float], ...]:
    entries: list[tuple[float, float]] = []
    for interval in () if schedule is None else schedule:
        if entries and not entries[-1][0]:
            raise WireError(interval, "follows an interval without DurationSeconds")
        seconds = number(text_of(interval, "DurationSeconds", "0"))
        multiplier = None if schedule is None else schedule.get("multiplier")
        entries.append((seconds, number(text_of(interval, "Value"), multiplier)))
    return tuple(entries)


def _put_points(
    element: etree._Element, points: tuple[tuple[float, float], ...], axes: tuple[str, str]
) -> None:
    curve = add(element, "Curve" if points else "End")
    for values in points:
        point = add(curve, "Point")
        for axis, value in zip(axes, values, strict=True):
            add(point, axis, number_text(value))


def _points(element: etree._Element, axes: tuple[str, str]) -> tuple[tuple[float, float], ...]:
    curve = element.find(tag("Curve"))
    found = [] if curve is None else list(curve)
    points = [(number(text_of(p, axes[0])), number(text_of(p, axes[1]))) for p in found]
    for (before, after), point in zip(pairwise(points), found[1:], strict=False):
        if after[0] < before[0]:
            raise WireError(point, f"{axes[0]} falls from {before[0]:g} to {after[0]:g}")
    return tuple(points)


def _put_validity(element: etree._Element, validity: Validity) -> None:
    if validity == Validity():
        return
    found = add(element, "Validity")
    put_time(found, "Start", validity.start_ms)
    if validity.duration_s:
        add(found, "DurationSeconds", number_text(validity.duration_s))


def _validity(element: etree._Element) -> Validity:
    if element.find(tag("Validity")) is None:
        return Validity()
    found = child(element, "Validity")
    return Validity(
        start_ms=time_ms(text_of(found, "Start")),
        duration_s=number(text_of(found, "DurationSeconds", "0")),
    )


_WATT_AXES = {
    WattCurve.VOLT_WATT: ("VoltagePercent", "RealPowerPercent"),
    WattCurve.FREQUENCY_WATT: ("FrequencyHertz", "RealPowerPercent"),
}

#: Noun to how its function travels.
SET_POINTS = {
    "RealPowerLimit": Function("create", _read_limit, _put_limit),
    "RealPowerDispatch": Function("create", _read_dispatch, _put_dispatch),
    "ReactivePowerDispatch": Function("create", _read_dispatch, _put_dispatch),
    "VoltVarCurve": Function("create", _read_curve, _put_curve),
    "VoltWattCurve": Function("create", _read_watt_curve, _put_watt_curve),
    "FrequencyWattCurve": Function("create", _read_watt_curve, _put_watt_curve),
    "PowerFactor": Function("create", _read_power_factor, _put_power_factor),
    "VoltageRegulation": Function("create", _read_regulation, _put_regulation),
    "RampRate": Function("create", _read_ramp, _put_ramp),
    "Price": Function("create", _read_price, _put_price),
    "Connection": Function("create", _read_connection, _put_connection),
    "Islanding": Function("create", _read_island, _put_island),
}
