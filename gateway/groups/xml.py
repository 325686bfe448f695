"""Group functions as XML: typed message to bytes and back, judged by the schema both ways.

The envelope is in the style of IEC 61968-100 (edition not verified), the payloads are our own;
``schemas/groups/README.md`` has every element with its source. Pure: no I/O but reading the
schema once, no clock.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from gateway.groups.events import GroupEvent
from gateway.groups.messages import Address, GroupReply, GroupRequest
from gateway.groups.schema import message_schema
from gateway.groups.xml_events import read_event, write_event
from gateway.groups.xml_faults import Identity, InvalidMessageError
from gateway.groups.xml_guard import MAX_BYTES, identity_of, parse
from gateway.groups.xml_replies import read_report, write_outcome, write_report
from gateway.groups.xml_requests import FUNCTIONS, read_payload, write_request
from gateway.groups.xml_values import (
    WireError,
    add,
    child,
    document,
    tag,
    text_of,
    time_ms,
    time_text,
)
from gateway.model.errors import LocalProtocolError
from gateway.model.xml_places import Fault, Places

#: What a message is sent as.
CONTENT_TYPE = "application/xml"


#: Whatever travels as a document.
Message = GroupRequest | GroupReply | GroupEvent


def encode(message: Message) -> bytes:
    """A message as a document that the schema accepts.

    Numbers are rounded to 1e-9 of the unit as written, reasons cut at 300 characters, errors
    beyond 50 counted instead of told.

    Raises:
        LocalProtocolError: the message cannot be said: an id that is none, a value out of range,
            too many entries.
    """
    try:
        root = _document(message)
    except ValueError as error:  # lxml refuses control characters
        raise LocalProtocolError(f"{type(message).__name__} cannot be written: {error}") from error
    etree.indent(root)
    data = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    if len(data) > MAX_BYTES:
        raise LocalProtocolError(f"{type(message).__name__} is larger than {MAX_BYTES} bytes")
    if not message_schema().accepts(root):
        first = message_schema().faults(root, data)[0]
        raise LocalProtocolError(f"{type(message).__name__} cannot be written: {first}")
    return data


def decode(data: bytes) -> Message:
    """The message in a document.

    Raises:
        InvalidMessageError: a :class:`~gateway.model.errors.RemoteProtocolError` with line,
            column and reason of every fault (the first ten): the document is harmful, not
            well-formed, not valid, or valid and senseless.
    """
    root = parse(data)
    schema = message_schema()
    if not schema.accepts(root):
        raise InvalidMessageError(schema.faults(root, data), identity_of(root))
    try:
        return _READERS[root.tag](root)
    except WireError as error:
        fault = Places(data, root).fault(error.element, error.reason)
        raise InvalidMessageError([fault], identity_of(root)) from None


def decode_request(data: bytes) -> GroupRequest:
    """The request in a document.

    Raises:
        InvalidMessageError: as :func:`decode`, or it is no request.
    """
    message = decode(data)
    if isinstance(message, GroupReply | GroupEvent):
        raise _another(message, "RequestMessage")
    return message


def decode_reply(data: bytes) -> GroupReply:
    """The reply in a document.

    Raises:
        InvalidMessageError: as :func:`decode`, or it is no reply.
    """
    message = decode(data)
    if not isinstance(message, GroupReply):
        raise _another(message, "ResponseMessage")
    return message


def decode_event(data: bytes) -> GroupEvent:
    """The event in a document.

    Raises:
        InvalidMessageError: as :func:`decode`, or it is no event.
    """
    message = decode(data)
    if not isinstance(message, GroupEvent):
        raise _another(message, "EventMessage")
    return message


def _another(message: Message, wanted: str) -> InvalidMessageError:
    match message:
        case GroupReply():
            identity = Identity(message.correlation_id, message.dms_id, message.group_id)
            root, does = "ResponseMessage", "answers"
        case GroupEvent():
            identity = Identity(message.message_id, message.source, message.group_id)
            root, does = "EventMessage", "tells"
        case _:
            address = message.address
            identity = Identity(address.message_id, address.dms_id, address.group_id)
            root, does = "RequestMessage", "asks"
    reason = f"a {root} {does}; a {wanted} was expected"
    return InvalidMessageError([Fault(1, 1, f"/{root}", reason)], identity)


def _document(message: Message) -> etree._Element:
    match message:
        case GroupReply():
            return _reply(message)
        case GroupEvent():
            return write_event(message)
        case _:
            return _request(message)


def _request(request: GroupRequest) -> etree._Element:
    root = document("RequestMessage")
    header, payload = add(root, "Header"), add(root, "Payload")
    noun = write_request(request, payload)
    address = request.address
    _put_header(header, FUNCTIONS[noun].verb, noun, address.time_ms, address.dms_id)
    add(header, "MessageID", address.message_id)
    return root


def _reply(reply: GroupReply) -> etree._Element:
    root = document("ResponseMessage")
    header, outcome, payload = add(root, "Header"), add(root, "Reply"), add(root, "Payload")
    _put_header(header, "reply", "GroupReport", reply.time_ms, reply.group_id)
    add(header, "MessageID", reply.message_id)
    add(header, "CorrelationID", reply.correlation_id)
    write_outcome(reply, outcome)
    write_report(reply, payload)
    return root


def _put_header(header: etree._Element, verb: str, noun: str, moment_ms: int, source: str) -> None:
    add(header, "Verb", verb)
    add(header, "Noun", noun)
    add(header, "Timestamp", time_text(moment_ms))
    add(header, "Source", source)


def _read_request(root: etree._Element) -> GroupRequest:
    header, element = child(root, "Header"), child(root, "Payload")[0]
    name = etree.QName(element).localname
    function = FUNCTIONS[name]
    verb, noun = text_of(header, "Verb"), text_of(header, "Noun")
    if (verb, noun) != (function.verb, name):
        raise WireError(header, f"{verb} {noun} does not go with {name}: {function.verb} {name}")
    address = Address(
        message_id=text_of(header, "MessageID"),
        dms_id="",
        group_id="",
        time_ms=time_ms(text_of(header, "Timestamp")),
    )
    return read_payload(element, address)


def _read_reply(root: etree._Element) -> GroupReply:
    header, outcome = child(root, "Header"), child(root, "Reply")
    report = child(child(root, "Payload"), "GroupReport")
    return read_report(
        outcome,
        report,
        message_id=text_of(header, "MessageID"),
        correlation_id=text_of(header, "CorrelationID"),
        moment_ms=time_ms(text_of(header, "Timestamp")),
    )


_READERS: dict[str, Callable[[etree._Element], Message]] = {
    tag("RequestMessage"): _read_request,
    tag("ResponseMessage"): _read_reply,
    tag("EventMessage"): read_event,
}
