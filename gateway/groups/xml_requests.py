"""Payloads of requests: which element a message travels in, and back."""

from __future__ import annotations

from lxml import etree

from gateway.groups.messages import (
    ANY_GROUP,
    Address,
    CapabilityRequest,
    ChangeGroupRequest,
    ConnectRequest,
    CreateGroupRequest,
    CurveRequest,
    DeleteGroupRequest,
    DispatchRequest,
    ForecastRequest,
    GroupRequest,
    IslandRequest,
    LimitRequest,
    OperationSetRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    QueryGroupsRequest,
    RampRateRequest,
    SingleRequest,
    StatusRequest,
    SynchroniseGroupRequest,
    VoltageRegulationRequest,
    WattCurveRequest,
    operation_set,
)
from gateway.groups.xml_administration import ADMINISTRATION
from gateway.groups.xml_function import Function
from gateway.groups.xml_queries import QUERIES
from gateway.groups.xml_set_points import SET_POINTS
from gateway.groups.xml_values import WireError, add, tag, text_of
from gateway.model.errors import LocalProtocolError

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER


def write_request(request: GroupRequest, payload: etree._Element) -> str:
    """Put a request's element into the payload; its name is the header's noun."""
    noun = noun_of(request)
    element = add(payload, noun)
    add(element, "DMSId", request.address.dms_id)
    if request.address.group_id != ANY_GROUP:
        add(element, "GroupId", request.address.group_id)
    FUNCTIONS[noun].write(element, request)
    return noun


def read_payload(element: etree._Element, address: Address) -> GroupRequest:
    """The message of a payload's element.

    Args:
        element: the element.
        address: what the header says; who asks whom is in the element.

    Raises:
        WireError: the element makes no sense.
    """
    own = Address(
        message_id=address.message_id,
        dms_id=text_of(element, "DMSId"),
        group_id=text_of(element, "GroupId", ANY_GROUP),
        time_ms=address.time_ms,
    )
    return FUNCTIONS[etree.QName(element).localname].read(element, own)


def _put_operations(element: etree._Element, request: OperationSetRequest) -> None:
    add(element, "Transactional", "true" if request.transactional else "false")
    for operation in request.operations:
        write_request(operation, add(element, "Operation"))


def _read_operations(element: etree._Element, address: Address) -> OperationSetRequest:
    operations: list[SingleRequest] = []
    for found in element.iterfind(tag("Operation")):
        operation = read_payload(found[0], address)
        if isinstance(operation, OperationSetRequest):
            raise WireError(found, "an operation set holds no other")
        operations.append(operation)
    transactional = text_of(element, "Transactional", "false") == "true"
    return operation_set(address, operations, transactional=transactional)


def noun_of(request: GroupRequest) -> str:
    """The noun of a request.

    Raises:
        LocalProtocolError: a dispatch of anything but P or Q.
    """
    if isinstance(request, WattCurveRequest):
        return f"{request.kind}Curve"
    if isinstance(request, DispatchRequest):
        if request.quantity not in (P, Q):
            raise LocalProtocolError(f"{request.quantity} cannot be dispatched")
        return "RealPowerDispatch" if request.quantity is P else "ReactivePowerDispatch"
    return _NOUNS[type(request)]


_NOUNS: dict[type[GroupRequest], str] = {
    StatusRequest: "StatusQuery",
    CapabilityRequest: "CapabilityQuery",
    ForecastRequest: "ForecastQuery",
    LimitRequest: "RealPowerLimit",
    CurveRequest: "VoltVarCurve",
    PowerFactorRequest: "PowerFactor",
    VoltageRegulationRequest: "VoltageRegulation",
    RampRateRequest: "RampRate",
    PriceRequest: "Price",
    ConnectRequest: "Connection",
    IslandRequest: "Islanding",
    CreateGroupRequest: "GroupCreation",
    ChangeGroupRequest: "GroupChange",
    DeleteGroupRequest: "GroupDeletion",
    QueryGroupsRequest: "GroupQuery",
    SynchroniseGroupRequest: "GroupSynchronisation",
    OperationSetRequest: "OperationSet",
}

#: Noun to how its function travels.
FUNCTIONS = {
    **QUERIES,
    **SET_POINTS,
    **ADMINISTRATION,
    "OperationSet": Function("execute", _read_operations, _put_operations),
}
