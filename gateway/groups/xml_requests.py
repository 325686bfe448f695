"""Payloads of requests: which element a message travels in, and back."""

from __future__ import annotations

from lxml import etree

from gateway.groups.messages import (
    CapabilityRequest,
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    ForecastRequest,
    GroupRequest,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    RampRateRequest,
    StatusRequest,
    VoltageRegulationRequest,
    WattCurveRequest,
)
from gateway.groups.xml_queries import QUERIES
from gateway.groups.xml_set_points import SET_POINTS
from gateway.groups.xml_values import add
from gateway.model.errors import LocalProtocolError

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER

#: Noun to how its function travels.
FUNCTIONS = QUERIES | SET_POINTS


def write_request(request: GroupRequest, payload: etree._Element) -> str:
    """Put a request's element into the payload; its name is the header's noun."""
    noun = noun_of(request)
    element = add(payload, noun)
    add(element, "DMSId", request.address.dms_id)
    add(element, "GroupId", request.address.group_id)
    FUNCTIONS[noun].write(element, request)
    return noun


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
}
