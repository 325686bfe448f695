"""Requests in the message form of IEC 61968-5, as typed messages; the adapter at the edge.

The nouns and their parts are used as publicly described (edition not verified); what is read is
judged by a schema of our own in ``schemas/iec61968``. The envelope's namespace says which form a
document has. The payload's is not looked at, only that it is one: the answer has the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from lxml import etree

from gateway.groups.messages import (
    Address,
    ChangeGroupRequest,
    ConnectRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    DispatchRequest,
    ForecastRequest,
    GroupRequest,
    Interpolation,
    Quantity,
    QueryGroupsRequest,
    SingleRequest,
    StatedCapability,
    StatusRequest,
    operation_set,
)
from gateway.groups.schema import MessageSchema
from gateway.groups.xml_faults import InvalidMessageError
from gateway.groups.xml_guard import identity_of, parse
from gateway.groups.xml_values import WireError, number, time_ms
from gateway.model.data import data_folder
from gateway.model.der import Range
from gateway.model.xml_places import Fault, Places

#: The envelope of IEC 61968-100:2013, as publicly known.
ENVELOPE = "http://iec.ch/TC57/2011/schema/message"
#: Parameter and its unit to the quantity; the CIM spells var with a capital.
QUANTITIES = {
    "activePower": (Quantity.ACTIVE_POWER, "W"),
    "reactivePower": (Quantity.REACTIVE_POWER, "VAr"),
    "apparentPower": (Quantity.APPARENT_POWER, "VA"),
}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@cache
def adapter_schema() -> MessageSchema:
    """The schema of the subset, compiled once a process."""
    return MessageSchema(data_folder("schemas") / "iec61968" / "messages.xsd", ENVELOPE)


def tagged(name: str) -> str:
    """The name of one of the envelope's elements as lxml knows it."""
    return f"{{{ENVELOPE}}}{name}"


def decode_iec(data: bytes) -> tuple[GroupRequest, str, str]:
    """The request in a document of this form, its noun and its payload's namespace.

    Raises:
        InvalidMessageError: harmful, not well-formed, not valid, or valid and senseless.
    """
    root = parse(data)
    try:
        namespace = _unqualify(root)
        if faults := _faults(root, data):
            raise InvalidMessageError(faults, identity_of(root))
        request, noun = _read(root)
    except WireError as error:
        fault = Places(data, root).fault(error.element, error.reason)
        raise InvalidMessageError([fault], identity_of(root)) from None
    return request, noun, namespace


def _faults(root: etree._Element, data: bytes) -> list[Fault]:
    schema = adapter_schema()
    if not schema.accepts(root):
        return schema.faults(root, data)
    if root.tag != tagged("RequestMessage"):
        return [Fault(1, 1, "/ResponseMessage", "a RequestMessage was expected")]
    return []


def _read(root: etree._Element) -> tuple[GroupRequest, str]:
    """The request of a valid document, and the noun that answers it."""
    header, body = root[0], root[1][0]
    verb, noun = _text(header, tagged("Verb")), _text(header, tagged("Noun"))
    reader, answer = _READERS.get((verb, body.tag)), _ANSWERS.get(body.tag, body.tag)
    if reader is None or noun not in (body.tag, answer):
        raise WireError(header, f"{verb} {noun} does not go with {body.tag}")
    address = Address(
        message_id=_text(header, tagged("MessageID")),
        dms_id=_text(header, tagged("Source")),
        group_id="",
        time_ms=time_ms(_text(header, tagged("Timestamp"))),
    )
    return reader(body, address), answer


def _unqualify(root: etree._Element) -> str:
    """Take the payload's one namespace off; returns it.

    Raises:
        WireError: there are several.
    """
    found = ""
    inside = [
        e for part in root if part.tag != tagged("Header") for top in part for e in top.iter()
    ]
    own = [e for e in inside if etree.QName(e).namespace != ENVELOPE]
    for element in own:
        name = etree.QName(element)
        found = found or name.namespace or ""
        if (name.namespace or "") != found:
            raise WireError(element, "the payload has several namespaces")
        element.tag = name.localname
    return found


def _single(body: etree._Element, address: Address) -> tuple[etree._Element, Address]:
    group = body if body.tag == "EndDeviceGroups" else _child(body, "EndDeviceGroup")
    return group, replace(address, group_id=_text(group, "mRID"))


def _status(body: etree._Element, address: Address) -> StatusRequest:
    return StatusRequest(address=_single(body, address)[1])


def _forecast(body: etree._Element, address: Address) -> ForecastRequest:
    schedule = _child(body, "DispatchSchedule")
    count = schedule.findtext("numberOfIntervals")
    if count is None:
        raise WireError(schedule, "numberOfIntervals is missing")
    linear = schedule.findtext("curveStyleKind", "").strip() == "straightLineYValues"
    return ForecastRequest(
        address=_single(body, address)[1],
        quantities=tuple(_quantity(p) for p in body.iterfind("DERMonitorableParameter")),
        start_ms=time_ms(_text(schedule, "startTime")),
        interval_s=_interval_s(schedule),
        intervals=int(count),
        interpolation=Interpolation.LINEAR if linear else Interpolation.STEP,
    )


def _dispatches(body: etree._Element, address: Address) -> GroupRequest:
    """A dispatch each; several are an operation set."""
    found: list[SingleRequest] = []
    for element in body:
        group, own = _single(element, address)
        for parameter in group.iterfind("DERMonitorableParameter"):
            found.append(_dispatch(parameter, own))  # noqa: PERF401 - two levels read easier so
    return _one_or_set(body, found, address)


def _dispatch(parameter: etree._Element, address: Address) -> DispatchRequest:
    quantity, schedule = _quantity(parameter), parameter.find("DispatchSchedule")
    if quantity is Quantity.APPARENT_POWER or schedule is None:
        raise WireError(parameter, "a dispatch is of activePower or reactivePower, with a schedule")
    multiplier, seconds = _text(parameter, "yMultiplier"), _interval_s(schedule)
    values = [entry.findtext("nominalYValue") for entry in schedule.iterfind("DERCurveData")]
    if not values or any(value is None for value in values):
        raise WireError(schedule, "a dispatch needs the nominalYValue of each interval")
    return DispatchRequest(
        address=address,
        quantity=quantity,
        schedule=tuple((seconds, number(value or "", multiplier)) for value in values),
        start_ms=time_ms(_text(schedule, "startTime")),
    )


def _control(body: etree._Element, address: Address) -> ConnectRequest:
    control = body[0]
    _, own = _single(_child(control, "EndDeviceGroups"), address)
    action = _child(control, "EndDeviceControlType").get("ref", "").strip()
    return ConnectRequest(address=own, connect=action.endswith(".18"))


def _groups(
    make: Callable[[etree._Element, Address], SingleRequest],
) -> Callable[[etree._Element, Address], GroupRequest]:
    def read(body: etree._Element, address: Address) -> GroupRequest:
        made = [make(g, replace(address, group_id=_text(g, "mRID"))) for g in body]
        return _one_or_set(body, made, address)

    return read


def _creation(group: etree._Element, address: Address) -> CreateGroupRequest:
    return CreateGroupRequest(
        address=address,
        members=_members(group),
        capability=_capability(group),
        description=group.findtext("description", ""),
    )


def _change(group: etree._Element, address: Address) -> ChangeGroupRequest:
    """What is named takes the place of what is there."""
    stated = _capability(group)
    return ChangeGroupRequest(
        address=address,
        version=_version(group),
        members=_members(group) or None,
        capability=None if stated == StatedCapability() else stated,
        description=group.findtext("description"),
    )


def _deletion(group: etree._Element, address: Address) -> DeleteGroupRequest:
    return DeleteGroupRequest(address=address, version=_version(group))


def _definition(body: etree._Element, address: Address) -> QueryGroupsRequest:
    return QueryGroupsRequest(address=_single(body, address)[1])


def _one_or_set(body: etree._Element, found: list[SingleRequest], address: Address) -> GroupRequest:
    if not found:
        raise WireError(body, "nothing is asked")
    return found[0] if len(found) == 1 else operation_set(address, found)


def _members(group: etree._Element) -> tuple[str, ...]:
    return tuple(_text(device, "mRID") for device in group.iterfind("EndDevices"))


def _capability(group: etree._Element) -> StatedCapability:
    bounds: dict[Quantity, Range] = {}
    for parameter in group.iterfind("DERMonitorableParameter"):
        quantity, multiplier = _quantity(parameter), _text(parameter, "yMultiplier")
        low, high = (parameter.findtext(f"yUnitInstalled{end}") for end in ("Min", "Max"))
        if low is None or high is None or quantity is Quantity.APPARENT_POWER:
            continue
        bounds[quantity] = Range(number(low, multiplier), number(high, multiplier))
        if bounds[quantity].minimum > bounds[quantity].maximum:
            raise WireError(parameter, "yUnitInstalledMin is above yUnitInstalledMax")
    return StatedCapability(
        power_w=bounds.get(Quantity.ACTIVE_POWER),
        reactive_power_var=bounds.get(Quantity.REACTIVE_POWER),
    )


def _version(group: etree._Element) -> int:
    version = group.findtext("version/major")
    if version is None:
        raise WireError(group, "version/major is missing: the version that is known")
    return int(version)


def _quantity(parameter: etree._Element) -> Quantity:
    quantity, unit = QUANTITIES[_text(parameter, "DERParameter")]
    if _text(parameter, "yUnit") != unit:
        raise WireError(parameter, f"{quantity} is in {unit}")
    return quantity


def _interval_s(schedule: etree._Element) -> float:
    length_s = number(_text(schedule, "timeIntervalDuration"))
    seconds = length_s * _SECONDS[_text(schedule, "timeIntervalUnit")]
    if seconds > 86_400:
        raise WireError(schedule, "an interval is a day at most")
    return seconds


def _child(element: etree._Element, name: str) -> etree._Element:
    found = element.find(name)
    if found is None:
        raise WireError(element, f"{name} is missing")
    return found


def _text(element: etree._Element, name: str) -> str:
    return element.findtext(name, "").strip()


#: Verb and noun to what reads it.
_READERS: dict[tuple[str, str], Callable[[etree._Element, Address], GroupRequest]] = {
    ("get", "DERGroupStatusQueries"): _status,
    ("get", "DERGroupStatuses"): _status,
    ("get", "DERGroupForecastQueries"): _forecast,
    ("get", "DERGroups"): _definition,
    ("create", "DERGroupDispatches"): _dispatches,
    ("create", "EndDeviceControls"): _control,
    ("create", "DERGroups"): _groups(_creation),
    ("change", "DERGroups"): _groups(_change),
    ("delete", "DERGroups"): _groups(_deletion),
}
#: The noun that answers a query.
_ANSWERS = {
    "DERGroupStatusQueries": "DERGroupStatuses",
    "DERGroupForecastQueries": "DERGroupForecasts",
}
