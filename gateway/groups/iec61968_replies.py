"""Replies in the message form of IEC 61968-5."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from gateway.groups.iec61968 import ENVELOPE, QUANTITIES, tagged
from gateway.groups.messages import (
    ForecastInterval,
    GroupDefinition,
    GroupReply,
    Interpolation,
    Quantity,
    ReplyError,
)
from gateway.groups.xml_replies import MAX_ERRORS
from gateway.groups.xml_values import clean, multiplier_for, number_text, time_text
from gateway.model.der import Range

_PARAMETERS = {quantity: (name, unit) for name, (quantity, unit) in QUANTITIES.items()}


def encode_iec(reply: GroupReply, noun: str, namespace: str) -> bytes:
    """A reply as a document of this form.

    Args:
        reply: what to say.
        noun: of its payload: what was asked for.
        namespace: of its payload: that of the request.
    """
    root = etree.fromstring(f'<ResponseMessage xmlns="{ENVELOPE}"/>')
    header, outcome = (etree.SubElement(root, tagged(name)) for name in ("Header", "Reply"))
    for name, text in (
        ("Verb", "reply"),
        ("Noun", noun),
        ("Timestamp", time_text(reply.time_ms)),
        ("Source", reply.group_id),
        ("MessageID", reply.message_id),
        ("CorrelationID", reply.correlation_id),
    ):
        etree.SubElement(header, tagged(name)).text = text
    etree.SubElement(outcome, tagged("Result")).text = reply.result
    for error in list(_errors(reply))[:MAX_ERRORS]:
        element = etree.SubElement(outcome, tagged("Error"))
        for name, text in (("code", error.code), ("level", error.level), ("reason", error.reason)):
            etree.SubElement(element, tagged(name)).text = clean(text)
    body = _body(reply, noun)
    if body is not None:
        for element in body.iter():
            if namespace:
                element.tag = f"{{{namespace}}}{element.tag}"
        etree.SubElement(root, tagged("Payload")).append(body)
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _errors(reply: GroupReply) -> Iterable[ReplyError]:
    """The reply's errors, those of its parts among them: this form has no parts."""
    yield from reply.errors
    for number, part in enumerate(reply.parts, 1):
        for error in part.errors:
            reason = f"{number} {part.group_id} {part.result}: {error.reason}"
            yield ReplyError(code=error.code, level=error.level, reason=reason)


def _body(reply: GroupReply, noun: str) -> etree._Element | None:
    body = etree.Element(noun)
    match noun:
        case "DERGroupStatuses" if reply.present:
            _put_status(_put_group(body, reply.group_id), reply)
        case "DERGroupForecasts" if reply.forecast is not None and reply.forecast.intervals:
            _put_forecasts(_put_group(body, reply.group_id), reply)
        case "DERGroups":
            told = [*reply.groups, *(d for part in reply.parts for d in part.groups)]
            for definition in told:
                _put_definition(body, definition)
    return body if len(body) else None


def _put_group(body: etree._Element, group_id: str) -> etree._Element:
    group = etree.SubElement(body, "EndDeviceGroup")
    etree.SubElement(group, "mRID").text = group_id
    return group


def _put_status(group: etree._Element, reply: GroupReply) -> None:
    ranges = {entry.quantity: entry for entry in reply.ranges}
    for present in reply.present:
        if present.quantity not in _PARAMETERS or present.value is None or not present.good:
            continue  # this form cannot say that a value is not good
        known = ranges.get(present.quantity)
        now = None if known is None else known.now
        plate = None if known is None else known.nameplate
        ends = [v for r in (now, plate) if r is not None for v in (r.minimum, r.maximum)]
        multiplier = multiplier_for(present.value, *ends)
        parameter = _put_parameter(group, present.quantity, multiplier, plate)
        data = etree.SubElement(parameter, "DERCurveData")
        if now is not None:
            _put_numbers(data, multiplier, maxYValue=now.maximum, minYValue=now.minimum)
        _put_numbers(data, multiplier, nominalYValue=present.value)
        etree.SubElement(data, "timeStamp").text = time_text(present.time_ms)


def _put_forecasts(group: etree._Element, reply: GroupReply) -> None:
    forecast = reply.forecast
    if forecast is None:
        return
    by_quantity: dict[Quantity, list[ForecastInterval]] = {}
    for interval in forecast.intervals:
        by_quantity.setdefault(interval.quantity, []).append(interval)
    linear = forecast.interpolation is Interpolation.LINEAR
    for quantity, intervals in by_quantity.items():
        values = [v for i in intervals for v in (i.nominal, i.minimum, i.maximum)]
        multiplier = multiplier_for(*values)
        parameter = _put_parameter(group, quantity, multiplier, None)
        schedule = etree.SubElement(parameter, "DispatchSchedule")
        for name, text in (
            ("confidence", number_text(forecast.confidence_pct)),
            ("curveStyleKind", "straightLineYValues" if linear else "constantYValue"),
            ("numberOfIntervals", str(len(intervals))),
            ("startTime", time_text(intervals[0].start_ms)),
            ("timeIntervalDuration", str(round(forecast.interval_s))),
            ("timeIntervalUnit", "s"),
        ):
            etree.SubElement(schedule, name).text = text
        for number, interval in enumerate(intervals, 1):
            data = etree.SubElement(schedule, "DERCurveData")
            etree.SubElement(data, "intervalNumber").text = str(number)
            _put_numbers(
                data,
                multiplier,
                maxYValue=interval.maximum,
                minYValue=interval.minimum,
                nominalYValue=interval.nominal,
            )


def _put_definition(body: etree._Element, definition: GroupDefinition) -> None:
    group = _put_group(body, definition.group_id)
    if definition.description:
        etree.SubElement(group, "description").text = clean(definition.description)
    for quantity in (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER):
        stated = definition.capability.of(quantity)
        if stated is not None:
            multiplier = multiplier_for(stated.minimum, stated.maximum)
            _put_parameter(group, quantity, multiplier, stated)
    for member in definition.members:
        etree.SubElement(etree.SubElement(group, "EndDevices"), "mRID").text = member
    version = etree.SubElement(group, "version")
    etree.SubElement(version, "major").text = str(definition.version)


def _put_parameter(
    group: etree._Element, quantity: Quantity, multiplier: str, installed: Range | None
) -> etree._Element:
    name, unit = _PARAMETERS[quantity]
    parameter = etree.SubElement(group, "DERMonitorableParameter")
    for tag, text in (("DERParameter", name), ("yMultiplier", multiplier), ("yUnit", unit)):
        etree.SubElement(parameter, tag).text = text
    if installed is not None:
        ends = {"yUnitInstalledMax": installed.maximum, "yUnitInstalledMin": installed.minimum}
        _put_numbers(parameter, multiplier, **ends)
    return parameter


def _put_numbers(parent: etree._Element, multiplier: str, **values: float) -> None:
    for name, value in values.items():
        etree.SubElement(parent, name).text = number_text(value, multiplier)
