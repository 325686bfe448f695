"""Events as XML: an ``EventMessage`` and back."""

from __future__ import annotations

from lxml import etree

from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.xml_administration import put_definition, read_definitions
from gateway.groups.xml_replies import (
    read_forecast,
    read_present,
    read_ranges,
    write_forecast,
    write_status,
)
from gateway.groups.xml_values import WireError, add, child, clean, document, text_of, time_ms
from gateway.groups.xml_values import time_text as as_text

NOUN = "GroupEvent"


def write_event(event: GroupEvent) -> etree._Element:
    """The whole document of an event."""
    root = document("EventMessage")
    header, payload = add(root, "Header"), add(root, "Payload")
    add(header, "Verb", "changed")
    add(header, "Noun", NOUN)
    add(header, "Timestamp", as_text(event.time_ms))
    add(header, "Source", event.source)
    add(header, "MessageID", event.message_id)
    element = add(payload, NOUN)
    add(element, "GroupId", event.group_id)
    add(element, "Kind", event.kind)
    add(element, "Sequence", str(event.sequence))
    if event.reason:
        add(element, "Reason", clean(event.reason))
    write_status(element, event.present, event.ranges)
    if event.forecast is not None:
        write_forecast(element, event.forecast)
    if event.definition is not None:
        put_definition(element, event.definition)
    return root


def read_event(root: etree._Element) -> GroupEvent:
    """The event in a document that the schema accepts.

    Raises:
        WireError: a FORECAST event without a forecast, or values that make no sense.
    """
    header, element = child(root, "Header"), child(child(root, "Payload"), NOUN)
    kind, forecast = EventKind(text_of(element, "Kind")), read_forecast(element)
    definitions = read_definitions(element)
    if kind is EventKind.FORECAST and forecast is None:
        raise WireError(element, "a FORECAST event without a Forecast")
    return GroupEvent(
        message_id=text_of(header, "MessageID"),
        source=text_of(header, "Source"),
        group_id=text_of(element, "GroupId"),
        time_ms=time_ms(text_of(header, "Timestamp")),
        kind=kind,
        sequence=int(text_of(element, "Sequence")),
        reason=element.findtext(f"{{{etree.QName(element).namespace}}}Reason", ""),
        present=read_present(element),
        ranges=read_ranges(element),
        forecast=forecast,
        definition=definitions[0] if definitions else None,
    )
