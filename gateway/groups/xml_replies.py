"""The payload of replies, and what the reply says of the outcome."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from gateway.groups.messages import (
    ErrorLevel,
    Forecast,
    ForecastInterval,
    GroupReply,
    Held,
    Interpolation,
    Present,
    Quantity,
    QuantityRange,
    ReplyError,
    Result,
)
from gateway.groups.xml_administration import put_definition, read_definitions
from gateway.groups.xml_values import (
    UNITS,
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
from gateway.model.der import Range

#: Errors of a reply that travel; the last one says how many more there were.
MAX_ERRORS = 50


def write_outcome(reply: GroupReply, element: etree._Element) -> None:
    """Put the result, and the errors behind it, into ``Reply``."""
    add(element, "Result", reply.result)
    errors = reply.errors
    told = errors
    if len(errors) > MAX_ERRORS:
        more = f"and {len(errors) - MAX_ERRORS + 1} more"
        last = ReplyError(code=errors[-1].code, level=ErrorLevel.INFORM, reason=more)
        told = (*errors[: MAX_ERRORS - 1], last)
    for error in told:
        found = add(element, "Error")
        add(found, "Code", error.code)
        add(found, "Level", error.level)
        add(found, "Reason", clean(error.reason))


def write_report(reply: GroupReply, payload: etree._Element) -> None:
    """Put the group's report into the payload, or into a part of an operation set's reply."""
    report = add(payload, "GroupReport")
    add(report, "DMSId", reply.dms_id)
    add(report, "GroupId", reply.group_id)
    write_status(report, reply.present, reply.ranges)
    if reply.forecast is not None:
        write_forecast(report, reply.forecast)
    for held in reply.held:
        _put_held(report, held)
    for definition in reply.groups:
        put_definition(report, definition)
    for index, part in enumerate(reply.parts, 1):
        element = add(report, "OperationReply")
        element.set("number", str(index))
        write_outcome(part, add(element, "Reply"))
        write_report(part, element)


def write_status(
    report: etree._Element, present: Iterable[Present], ranges: Iterable[QuantityRange]
) -> None:
    """Put present values and capabilities into a report."""
    for entry in present:
        _put_present(report, entry)
    for capability in ranges:
        element = add(report, "Capability")
        element.set("quantity", capability.quantity)
        _put_range(element, "Now", capability.quantity, capability.now)
        _put_range(element, "Nameplate", capability.quantity, capability.nameplate)


def read_report(
    outcome: etree._Element,
    report: etree._Element,
    *,
    message_id: str,
    correlation_id: str,
    moment_ms: int,
) -> GroupReply:
    """A reply, or a part of one.

    Raises:
        WireError: a wrong unit, a value called good and not told, a minimum above its maximum.
    """
    parts = [
        read_report(
            child(element, "Reply"),
            child(element, "GroupReport"),
            message_id=f"{correlation_id}:{index}-r",
            correlation_id=f"{correlation_id}:{index}",
            moment_ms=moment_ms,
        )
        for index, element in enumerate(report.iterfind(tag("OperationReply")), 1)
    ]
    return GroupReply(
        message_id=message_id,
        correlation_id=correlation_id,
        dms_id=text_of(report, "DMSId"),
        group_id=text_of(report, "GroupId"),
        time_ms=moment_ms,
        result=Result(text_of(outcome, "Result")),
        errors=_errors(outcome),
        present=read_present(report),
        ranges=read_ranges(report),
        forecast=read_forecast(report),
        held=_held(report),
        groups=read_definitions(report),
        parts=tuple(parts),
    )


def read_present(report: etree._Element) -> tuple[Present, ...]:
    """Present values.

    Raises:
        WireError: a value is called good and not told, or its unit is wrong.
    """
    return tuple(_present(element) for element in report.iterfind(tag("PresentValue")))


def read_ranges(report: etree._Element) -> tuple[QuantityRange, ...]:
    """Capabilities.

    Raises:
        WireError: a minimum above its maximum, or a wrong unit.
    """
    return tuple(
        QuantityRange(
            quantity=_quantity(element),
            now=_range(element, "Now"),
            nameplate=_range(element, "Nameplate"),
        )
        for element in report.iterfind(tag("Capability"))
    )


def _errors(reply: etree._Element) -> tuple[ReplyError, ...]:
    return tuple(
        ReplyError(
            code=text_of(element, "Code"),
            level=ErrorLevel(text_of(element, "Level")),
            reason=element.findtext(tag("Reason"), ""),
        )
        for element in reply.iterfind(tag("Error"))
    )


def read_forecast(report: etree._Element) -> Forecast | None:
    """The forecast, if there is one.

    Raises:
        WireError: a nominal value outside its own band, or a wrong unit.
    """
    element = report.find(tag("Forecast"))
    if element is None:
        return None
    return Forecast(
        created_ms=time_ms(text_of(element, "Created")),
        confidence_pct=number(text_of(element, "ConfidencePercent")),
        interpolation=Interpolation(text_of(element, "Interpolation")),
        interval_s=number(text_of(element, "IntervalSeconds")),
        intervals=tuple(_interval(entry) for entry in element.iterfind(tag("Interval"))),
    )


def _held(report: etree._Element) -> tuple[Held, ...]:
    return tuple(
        Held(
            quantity=(quantity := _quantity(element)),
            requested=value_in(element.find(tag("Requested")), quantity),
            held=value_in(element.find(tag("HeldValue")), quantity),
            members_ok=int(element.get("membersOk", "")),
            members=int(element.get("members", "")),
        )
        for element in report.iterfind(tag("Held"))
    )


def _put_present(report: etree._Element, present: Present) -> None:
    element = add(report, "PresentValue")
    element.set("quantity", present.quantity)
    element.set("good", "true" if present.good else "false")
    if present.time_ms:
        element.set("time", time_text(present.time_ms))
    if present.value is not None:
        put_value(element, "Value", present.quantity, present.value)


def _present(element: etree._Element) -> Present:
    quantity = _quantity(element)
    value = value_in(element.find(tag("Value")), quantity)
    good = element.get("good", "").strip() == "true"
    if good and value is None:
        raise WireError(element, f"{quantity} is called good but has no Value")
    moment_ms = time_ms(element.get("time", ""))
    return Present(quantity=quantity, value=value, good=good, time_ms=moment_ms)


def _put_range(
    capability: etree._Element, name: str, quantity: Quantity, interval: Range | None
) -> None:
    if interval is not None:
        element = add(capability, name)
        put_value(element, "Minimum", quantity, interval.minimum)
        put_value(element, "Maximum", quantity, interval.maximum)


def _range(capability: etree._Element, name: str) -> Range | None:
    element = capability.find(tag(name))
    if element is None:
        return None
    quantity = _quantity(capability)
    low = value_in(child(element, "Minimum"), quantity)
    high = value_in(child(element, "Maximum"), quantity)
    if low is None or high is None or low > high:
        raise WireError(element, f"Minimum {low} is above Maximum {high}")
    return Range(low, high)


def write_forecast(report: etree._Element, forecast: Forecast) -> None:
    """Put a forecast into a report."""
    element = add(report, "Forecast")
    add(element, "Created", time_text(forecast.created_ms))
    add(element, "ConfidencePercent", number_text(forecast.confidence_pct))
    add(element, "Interpolation", forecast.interpolation)
    add(element, "IntervalSeconds", number_text(forecast.interval_s))
    for interval in forecast.intervals:
        values = (interval.nominal, interval.minimum, interval.maximum)
        multiplier = multiplier_for(*values)
        entry = add(element, "Interval")
        entry.set("start", time_text(interval.start_ms))
        entry.set("quantity", interval.quantity)
        entry.set("unit", UNITS[interval.quantity])
        entry.set("multiplier", multiplier)
        for name, value in zip(_BAND, values, strict=True):
            entry.set(name, number_text(value, multiplier))


def _interval(entry: etree._Element) -> ForecastInterval:
    quantity = _quantity(entry)
    check_unit(entry, quantity)
    nominal, low, high = (number(entry.get(name, ""), entry.get("multiplier")) for name in _BAND)
    if not low <= nominal <= high:
        raise WireError(entry, f"nominal {nominal:g} is outside {low:g}..{high:g}")
    return ForecastInterval(
        start_ms=time_ms(entry.get("start", "")),
        quantity=quantity,
        nominal=nominal,
        minimum=low,
        maximum=high,
    )


def _put_held(report: etree._Element, held: Held) -> None:
    element = add(report, "Held")
    element.set("quantity", held.quantity)
    element.set("membersOk", str(held.members_ok))
    element.set("members", str(held.members))
    for name, value in (("Requested", held.requested), ("HeldValue", held.held)):
        if value is not None:
            put_value(element, name, held.quantity, value)


def _quantity(element: etree._Element) -> Quantity:
    return Quantity(element.get("quantity", "").strip())


_BAND = ("nominal", "minimum", "maximum")
