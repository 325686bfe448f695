"""Payloads of queries: status, capability, forecast."""

from __future__ import annotations

from lxml import etree

from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    ForecastRequest,
    Interpolation,
    Quantity,
    StatusRequest,
    Timing,
)
from gateway.groups.xml_function import Function
from gateway.groups.xml_values import add, number, number_text, put_time, tag, text_of, time_ms


def _put_status(element: etree._Element, request: StatusRequest) -> None:
    add(element, "Timing", request.timing)
    for quantity in request.quantities:
        add(element, "Quantity", quantity)


def _read_status(element: etree._Element, address: Address) -> StatusRequest:
    return StatusRequest(
        address=address, quantities=_quantities(element), timing=Timing(text_of(element, "Timing"))
    )


def _read_capability(_element: etree._Element, address: Address) -> CapabilityRequest:
    return CapabilityRequest(address=address)


def _put_forecast(element: etree._Element, request: ForecastRequest) -> None:
    for quantity in request.quantities:
        add(element, "Quantity", quantity)
    put_time(element, "Start", request.start_ms)
    add(element, "IntervalSeconds", number_text(request.interval_s))
    add(element, "Intervals", str(request.intervals))
    add(element, "Interpolation", request.interpolation)


def _read_forecast(element: etree._Element, address: Address) -> ForecastRequest:
    return ForecastRequest(
        address=address,
        quantities=_quantities(element),
        start_ms=time_ms(text_of(element, "Start")),
        interval_s=number(text_of(element, "IntervalSeconds")),
        intervals=int(text_of(element, "Intervals")),
        interpolation=Interpolation(text_of(element, "Interpolation", Interpolation.STEP)),
    )


def _quantities(element: etree._Element) -> tuple[Quantity, ...]:
    return tuple(Quantity((e.text or "").strip()) for e in element.iterfind(tag("Quantity")))


def _put_nothing(_element: etree._Element, _request: CapabilityRequest) -> None:
    """A query whose ids say it all."""


#: Noun to how its function travels.
QUERIES = {
    "StatusQuery": Function("get", _read_status, _put_status),
    "CapabilityQuery": Function("get", _read_capability, _put_nothing),
    "ForecastQuery": Function("get", _read_forecast, _put_forecast),
}
