"""Payloads of requests: one element a function, written and read side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from lxml import etree

from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    Direction,
    DispatchRequest,
    ForecastRequest,
    GroupRequest,
    Interpolation,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    StatusRequest,
    Timing,
    Validity,
)
from gateway.groups.xml_values import (
    WireError,
    add,
    check_unit,
    child,
    clean,
    multiplier_for,
    number,
    number_text,
    put_value,
    tag,
    text_of,
    time_ms,
    time_text,
    value_in,
)
from gateway.model.der import Excitation
from gateway.model.errors import LocalProtocolError

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER


class Function(NamedTuple):
    """How one function travels.

    Attributes:
        verb: of its header.
        read: makes the message of its payload element.
    """

    verb: str
    read: Callable[[etree._Element, Address], GroupRequest]


def write_request(request: GroupRequest, payload: etree._Element) -> str:
    """Put a request's element into the payload; its name is the header's noun."""
    noun = noun_of(request)
    element = add(payload, noun)
    add(element, "DMSId", request.address.dms_id)
    add(element, "GroupId", request.address.group_id)
    match request:
        case StatusRequest():
            _put_status(element, request)
        case CapabilityRequest():
            pass
        case ForecastRequest():
            _put_forecast(element, request)
        case LimitRequest():
            _put_limit(element, request)
        case DispatchRequest():
            _put_dispatch(element, request)
        case CurveRequest():
            _put_curve(element, request)
        case PowerFactorRequest():
            _put_power_factor(element, request)
        case ConnectRequest(connect=connect):
            add(element, "Connect", "true" if connect else "false")
        case IslandRequest():
            _put_island(element, request)
    return noun


def noun_of(request: GroupRequest) -> str:
    """The noun of a request.

    Raises:
        LocalProtocolError: a dispatch of anything but P or Q.
    """
    if isinstance(request, DispatchRequest):
        if request.quantity not in (P, Q):
            raise LocalProtocolError(f"{request.quantity} cannot be dispatched")
        return "RealPowerDispatch" if request.quantity is P else "ReactivePowerDispatch"
    return _NOUNS[type(request)]


def _put_status(element: etree._Element, request: StatusRequest) -> None:
    add(element, "Timing", request.timing)
    for quantity in request.quantities:
        add(element, "Quantity", quantity)


def _status(element: etree._Element, address: Address) -> StatusRequest:
    return StatusRequest(
        address=address, quantities=_quantities(element), timing=Timing(text_of(element, "Timing"))
    )


def _capability(_element: etree._Element, address: Address) -> CapabilityRequest:
    return CapabilityRequest(address=address)


def _put_forecast(element: etree._Element, request: ForecastRequest) -> None:
    for quantity in request.quantities:
        add(element, "Quantity", quantity)
    _put_time(element, "Start", request.start_ms)
    add(element, "IntervalSeconds", number_text(request.interval_s))
    add(element, "Intervals", str(request.intervals))
    add(element, "Interpolation", request.interpolation)


def _forecast(element: etree._Element, address: Address) -> ForecastRequest:
    return ForecastRequest(
        address=address,
        quantities=_quantities(element),
        start_ms=time_ms(text_of(element, "Start")),
        interval_s=number(text_of(element, "IntervalSeconds")),
        intervals=int(text_of(element, "Intervals")),
        interpolation=Interpolation(text_of(element, "Interpolation", Interpolation.STEP)),
    )


def _put_limit(element: etree._Element, request: LimitRequest) -> None:
    add(element, "Direction", request.direction)
    if request.limit_w is None:
        add(element, "End")
    else:
        put_value(element, "Limit", P, request.limit_w)
    _put_validity(element, request.validity)
    if request.ramp_w_per_s:
        put_value(element, "RampRate", P, request.ramp_w_per_s).set("unit", "W/s")


def _limit(element: etree._Element, address: Address) -> LimitRequest:
    ramp = element.find(tag("RampRate"))
    return LimitRequest(
        address=address,
        limit_w=value_in(element.find(tag("Limit")), P),
        direction=Direction(text_of(element, "Direction")),
        validity=_validity(element),
        ramp_w_per_s=0.0 if ramp is None else number(ramp.text or "", ramp.get("multiplier")),
    )


def _put_dispatch(element: etree._Element, request: DispatchRequest) -> None:
    _put_time(element, "Start", request.start_ms)
    if not request.schedule:
        add(element, "End")
        return
    multiplier = multiplier_for(*(value for _, value in request.schedule))
    schedule = add(element, "Schedule")
    schedule.set("unit", "W" if request.quantity is P else "var")
    schedule.set("multiplier", multiplier)
    for seconds, value in request.schedule:
        interval = add(schedule, "Interval")
        if seconds:
            add(interval, "DurationSeconds", number_text(seconds))
        add(interval, "Value", number_text(value, multiplier))


def _dispatch(element: etree._Element, address: Address) -> DispatchRequest:
    quantity = P if etree.QName(element).localname == "RealPowerDispatch" else Q
    schedule: list[tuple[float, float]] = []
    if (found := element.find(tag("Schedule"))) is not None:
        check_unit(found, quantity)
        for interval in found:
            if schedule and not schedule[-1][0]:
                raise WireError(interval, "follows an interval without DurationSeconds")
            seconds = number(text_of(interval, "DurationSeconds", "0"))
            value = number(text_of(interval, "Value"), found.get("multiplier"))
            schedule.append((seconds, value))
    return DispatchRequest(
        address=address,
        quantity=quantity,
        schedule=tuple(schedule),
        start_ms=time_ms(text_of(element, "Start")),
    )


def _put_curve(element: etree._Element, request: CurveRequest) -> None:
    add(element, "Reference", request.reference)
    add(element, "VoltageReferencePercent", number_text(request.voltage_reference_pct))
    add(element, "ResponseSeconds", number_text(request.response_s))
    curve = add(element, "Curve" if request.points else "End")
    for volts_pct, var_pct in request.points:
        point = add(curve, "Point")
        add(point, "VoltagePercent", number_text(volts_pct))
        add(point, "ReactivePowerPercent", number_text(var_pct))
    _put_validity(element, request.validity)


def _curve(element: etree._Element, address: Address) -> CurveRequest:
    curve = element.find(tag("Curve"))
    found = [] if curve is None else list(curve)
    points = [
        (number(text_of(p, "VoltagePercent")), number(text_of(p, "ReactivePowerPercent")))
        for p in found
    ]
    for (before, after), point in zip(pairwise(points), found[1:], strict=False):
        if after[0] < before[0]:
            raise WireError(point, f"the voltage falls from {before[0]:g} to {after[0]:g} %")
    return CurveRequest(
        address=address,
        points=tuple(points),
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


def _power_factor(element: etree._Element, address: Address) -> PowerFactorRequest:
    magnitude = text_of(element, "Magnitude")
    return PowerFactorRequest(
        address=address,
        power_factor=number(magnitude) if magnitude else None,
        excitation=Excitation(text_of(element, "Excitation", Excitation.OVER_EXCITED)),
        validity=_validity(element),
    )


def _connection(element: etree._Element, address: Address) -> ConnectRequest:
    return ConnectRequest(address=address, connect=text_of(element, "Connect") == "true")


def _put_island(element: etree._Element, request: IslandRequest) -> None:
    add(element, "Action", request.action)
    _put_time(element, "NotBefore", request.not_before_ms)
    if request.reason:
        add(element, "Reason", clean(request.reason))


def _island(element: etree._Element, address: Address) -> IslandRequest:
    return IslandRequest(
        address=address,
        action=IslandAction(text_of(element, "Action")),
        not_before_ms=time_ms(text_of(element, "NotBefore")),
        reason=element.findtext(tag("Reason"), ""),
    )


def _put_time(element: etree._Element, name: str, moment_ms: int) -> None:
    if moment_ms:
        add(element, name, time_text(moment_ms))


def _put_validity(element: etree._Element, validity: Validity) -> None:
    if validity == Validity():
        return
    found = add(element, "Validity")
    _put_time(found, "Start", validity.start_ms)
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


def _quantities(element: etree._Element) -> tuple[Quantity, ...]:
    return tuple(Quantity((e.text or "").strip()) for e in element.iterfind(tag("Quantity")))


_NOUNS: dict[type[GroupRequest], str] = {
    StatusRequest: "StatusQuery",
    CapabilityRequest: "CapabilityQuery",
    ForecastRequest: "ForecastQuery",
    LimitRequest: "RealPowerLimit",
    CurveRequest: "VoltVarCurve",
    PowerFactorRequest: "PowerFactor",
    ConnectRequest: "Connection",
    IslandRequest: "Islanding",
}

#: Noun to how its function travels.
FUNCTIONS = {
    "StatusQuery": Function("get", _status),
    "CapabilityQuery": Function("get", _capability),
    "ForecastQuery": Function("get", _forecast),
    "RealPowerLimit": Function("create", _limit),
    "RealPowerDispatch": Function("create", _dispatch),
    "ReactivePowerDispatch": Function("create", _dispatch),
    "VoltVarCurve": Function("create", _curve),
    "PowerFactor": Function("create", _power_factor),
    "Connection": Function("create", _connection),
    "Islanding": Function("create", _island),
}
