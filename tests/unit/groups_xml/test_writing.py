"""What cannot be said is refused by us, before it is sent; what is too long is cut and says so."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    CurveRequest,
    DispatchRequest,
    ErrorLevel,
    ForecastRequest,
    GroupReply,
    IslandAction,
    IslandRequest,
    LimitRequest,
    Present,
    Quantity,
    ReplyError,
    Result,
    StatusRequest,
)
from gateway.groups.xml import decode, decode_reply, decode_request, encode
from gateway.groups.xml_faults import InvalidMessageError
from gateway.model.errors import LocalProtocolError, RemoteProtocolError

P, V = Quantity.ACTIVE_POWER, Quantity.VOLTAGE
ADDRESS = Address(message_id="m1", dms_id="dms", group_id="mg", time_ms=0)
REPLY = GroupReply(
    message_id="m1-r",
    correlation_id="m1",
    dms_id="dms",
    group_id="mg",
    time_ms=0,
    result=Result.FAILED,
)


@pytest.mark.parametrize(
    "message",
    [
        CapabilityRequest(address=replace(ADDRESS, group_id="two words")),
        CapabilityRequest(address=replace(ADDRESS, group_id="")),
        CapabilityRequest(address=replace(ADDRESS, message_id="x" * 65)),
        CapabilityRequest(address=replace(ADDRESS, dms_id="a\x00b")),
        CapabilityRequest(address=replace(ADDRESS, time_ms=-1)),
        CapabilityRequest(address=replace(ADDRESS, time_ms=10**15)),
        LimitRequest(address=ADDRESS, limit_w=-1.0),
        LimitRequest(address=ADDRESS, limit_w=math.nan),
        LimitRequest(address=ADDRESS, limit_w=math.inf),
        LimitRequest(address=ADDRESS, limit_w=1.1e15),
        DispatchRequest(address=ADDRESS, quantity=V, schedule=((0.0, 1.0),)),
        DispatchRequest(address=ADDRESS, quantity=P, schedule=((1.0, 1.0),) * 289),
        DispatchRequest(address=ADDRESS, quantity=P, schedule=((-1.0, 1.0),)),
        CurveRequest(address=ADDRESS, points=((100.0, 0.0),)),
        CurveRequest(address=ADDRESS, points=((100.0, 0.0),) * 21),
        ForecastRequest(address=ADDRESS, quantities=(V,)),
        ForecastRequest(address=ADDRESS, intervals=0),
        StatusRequest(address=ADDRESS, quantities=()),
        replace(REPLY, message_id=""),
        replace(REPLY, errors=(ReplyError(code="7", level=ErrorLevel.FATAL, reason=""),)),
        replace(REPLY, present=(Present(quantity=P, value=1.0, good=True, time_ms=0),) * 10),
    ],
)
def test_what_cannot_be_written_is_our_bug_and_is_never_sent(message):
    with pytest.raises(LocalProtocolError):
        encode(message)


@pytest.mark.parametrize(
    ("value_w", "written"),
    [
        (0.0, b'multiplier="none">0<'),
        (-0.0, b'multiplier="none">0<'),
        (1e9, b'multiplier="none">1000000000<'),
        (1.5e9, b'multiplier="k">1500000<'),
        (2e12, b'multiplier="M">2000000<'),
        (0.1, b'multiplier="none">0.1<'),
        (1e-12, b'multiplier="none">0<'),
        (1 / 3, b'multiplier="none">0.333333333<'),
    ],
)
def test_a_number_is_written_with_the_smallest_multiplier_that_holds_it(value_w, written):
    assert written in encode(LimitRequest(address=ADDRESS, limit_w=value_w))


def test_a_reason_is_cut_and_freed_of_what_xml_cannot_carry():
    reason = "bell \x07, lone surrogate \ud800, and " + "x" * 400
    errors = (ReplyError(code="6.1", level=ErrorLevel.FATAL, reason=reason),)
    (told,) = decode_reply(encode(replace(REPLY, errors=errors))).errors
    assert told.reason.startswith("bell ?, lone surrogate ?, and xxx")
    assert told.reason.endswith("...")
    assert len(told.reason) == 300
    island = IslandRequest(address=ADDRESS, action=IslandAction.PLANNED, reason=reason)
    assert decode(encode(island)).reason == told.reason


def test_errors_beyond_fifty_are_counted():
    one = ReplyError(code="6.1", level=ErrorLevel.WARNING, reason="pv1: silent")
    told = decode_reply(encode(replace(REPLY, errors=(one,) * 200))).errors
    assert len(told) == 50
    assert told[:49] == (one,) * 49
    assert told[49].reason == "and 151 more"


def test_the_largest_replies_fit_in_what_is_read():
    """288 intervals of three quantities, and fifty errors of four-byte characters."""
    from gateway.groups.messages import Forecast, ForecastInterval, Interpolation

    number = -123456789.123456789
    intervals = tuple(
        ForecastInterval(
            start_ms=10**12, quantity=Quantity.APPARENT_POWER,
            nominal=number, minimum=number, maximum=number,
        )
        for _ in range(864)
    )  # fmt: skip
    forecast = Forecast(
        created_ms=1, confidence_pct=90.0, interpolation=Interpolation.STEP, interval_s=300.0,
        intervals=intervals,
    )  # fmt: skip
    reply = replace(REPLY, forecast=forecast)
    assert decode(encode(reply)) == reply
    one = ReplyError(code="6.1", level=ErrorLevel.FATAL, reason="\U0001f50c" * 300)
    reply = replace(REPLY, errors=(one,) * 50)
    assert decode(encode(reply)) == reply


def test_a_request_is_no_reply_and_a_reply_no_request():
    request = encode(CapabilityRequest(address=ADDRESS))
    assert decode_request(request) == CapabilityRequest(address=ADDRESS)
    assert decode_reply(encode(REPLY)) == REPLY
    with pytest.raises(RemoteProtocolError, match="ResponseMessage was expected"):
        decode_reply(request)
    with pytest.raises(RemoteProtocolError, match="RequestMessage was expected"):
        decode_request(encode(REPLY))


def test_a_refusal_knows_whom_to_answer_where_that_can_be_read():
    document = encode(StatusRequest(address=ADDRESS)).replace(b"LATEST", b"EARLIEST")
    with pytest.raises(InvalidMessageError) as refused:
        decode(document)
    known = refused.value.identity
    assert (known.message_id, known.dms_id, known.group_id) == ("m1", "dms", "mg")
    with pytest.raises(InvalidMessageError) as refused:
        decode(document.replace(b">m1<", b">../../m1<"))
    assert refused.value.identity.message_id == "unknown"
    with pytest.raises(InvalidMessageError) as refused:
        decode(b"<x/>")
    assert refused.value.identity.group_id == "unknown"


def test_faults_are_few_and_short_however_bad_the_message():
    from gateway.groups import schema

    document = encode(StatusRequest(address=ADDRESS)).replace(
        b"<Timing>LATEST</Timing>", b"<Timing>" + b"x" * 5000 + b"</Timing>" * 1
    )
    bad = document.replace(b"<Quantity>P</Quantity>", b"<Quantity>x</Quantity>" * 250)
    for faults in (schema.report(bad), schema.message_schema().faults(schema.parse(bad), bad)):
        assert 1 <= len(faults) <= 10
        assert all(len(fault.reason) <= 250 for fault in faults)
