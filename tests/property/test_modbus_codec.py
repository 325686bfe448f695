"""Modbus on the wire: round trips, any bytes, any chunking."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus.codec import (
    ExceptionAnswer,
    Function,
    ReadAnswer,
    ReadRequest,
    WriteMultiple,
    WriteMultipleAnswer,
    WriteSingle,
    encode_answer,
    encode_request,
    parse_answer,
    parse_request,
)
from gateway.links.modbus.exchange import Exchange, Outcome
from gateway.links.modbus.framing import FrameSplitter, encode_frame
from gateway.model.errors import LocalProtocolError, RemoteProtocolError

BIT_READS = [Function.READ_COILS, Function.READ_DISCRETE_INPUTS]
WORD_READS = [Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS]
words = st.integers(0, 0xFFFF)


@st.composite
def spans(draw: st.DrawFn, most: int) -> tuple[int, int]:
    count = draw(st.integers(1, most))
    return draw(st.integers(0, 0x10000 - count)), count


@st.composite
def requests(draw: st.DrawFn):
    function = draw(st.sampled_from(Function))
    if function in BIT_READS:
        return ReadRequest(function, *draw(spans(2000)))
    if function in WORD_READS:
        return ReadRequest(function, *draw(spans(125)))
    if function is Function.WRITE_SINGLE_COIL:
        return WriteSingle(function, draw(words), draw(st.integers(0, 1)))
    if function is Function.WRITE_SINGLE_REGISTER:
        return WriteSingle(function, draw(words), draw(words))
    bits = function is Function.WRITE_MULTIPLE_COILS
    address, count = draw(spans(1968 if bits else 123))
    one = st.integers(0, 1) if bits else words
    return WriteMultiple(function, address, tuple(draw(st.lists(one, min_size=count,
                                                                max_size=count))))  # fmt: skip


@st.composite
def answers(draw: st.DrawFn):
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ExceptionAnswer(draw(st.integers(0, 127)), draw(st.integers(1, 255)))
    if kind == 1:
        function = draw(st.sampled_from(BIT_READS + WORD_READS))
        if function in BIT_READS:
            return ReadAnswer(function, draw(st.binary(min_size=1, max_size=250)))
        count = draw(st.integers(1, 125))
        return ReadAnswer(function, draw(st.binary(min_size=2 * count, max_size=2 * count)))
    if kind == 2:
        return WriteSingle(Function.WRITE_SINGLE_REGISTER, draw(words), draw(words))
    bits = draw(st.booleans())
    function = Function.WRITE_MULTIPLE_COILS if bits else Function.WRITE_MULTIPLE_REGISTERS
    return WriteMultipleAnswer(function, *draw(spans(1968 if bits else 123)))


@given(requests())
def test_requests_round_trip(request) -> None:
    pdu = encode_request(request)
    assert len(pdu) <= 253
    assert parse_request(pdu) == request


@given(answers())
def test_answers_round_trip(answer) -> None:
    pdu = encode_answer(answer)
    assert len(pdu) <= 253
    assert parse_answer(pdu) == answer


@given(st.binary(max_size=300), st.sampled_from([b"", *(bytes([f]) for f in Function)]))
def test_any_bytes_give_a_message_or_a_remote_error(data: bytes, function: bytes) -> None:
    for parse, encode in ((parse_request, encode_request), (parse_answer, encode_answer)):
        try:
            message = parse(function + data)
        except RemoteProtocolError:
            continue
        assert parse(encode(message)) == message


@given(requests(), st.binary(min_size=1, max_size=260))
def test_any_answer_is_judged_and_only_a_fitting_one_is_good(request, pdu: bytes) -> None:
    result = Exchange(1, request).judge(memoryview(pdu))
    if result.outcome is Outcome.OK:
        answer = parse_answer(pdu)
        assert not isinstance(answer, ExceptionAnswer)
        assert answer.function is request.function


def _events(data: bytes, cuts: list[int]) -> list[object]:
    """Frames and at most one error from a stream cut at the given places."""
    splitter = FrameSplitter()
    events: list[object] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        chunk = data[start:end]
        while chunk:
            room = splitter.writable()
            taken = min(len(room), len(chunk))
            room[:taken] = chunk[:taken]
            splitter.received(taken)
            chunk = chunk[taken:]
            try:
                while (frame := splitter.next_frame()) is not None:
                    events.append((frame.transaction, frame.unit, bytes(frame.pdu)))
            except RemoteProtocolError as error:
                return [*events, str(error)]
    return events


frames = st.builds(encode_frame, words, st.integers(0, 255), st.binary(min_size=1, max_size=253))


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 5000)), st.binary(max_size=20))
def test_any_chunking_gives_the_same_events(
    stream: list[bytes], cuts: list[int], tail: bytes
) -> None:
    data = b"".join(stream) + tail
    whole = _events(data, [])
    assert _events(data, cuts) == whole
    assert _events(data, list(range(len(data)))) == whole
    assert len(whole) >= len(stream)


@given(st.binary(max_size=2000))
def test_any_stream_ends_in_frames_or_a_remote_error(data: bytes) -> None:
    for event in _events(data, []):
        assert isinstance(event, (tuple, str))


def test_after_an_error_the_stream_stays_failed() -> None:
    splitter = FrameSplitter()
    bad = b"GET / HTTP/1.1\r\n"
    splitter.writable()[: len(bad)] = bad
    splitter.received(len(bad))
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="protocol"):
            splitter.next_frame()


@pytest.mark.parametrize(
    "request_",
    [
        ReadRequest(Function.READ_HOLDING_REGISTERS, 0, 126),
        ReadRequest(Function.READ_HOLDING_REGISTERS, 65535, 2),
        ReadRequest(Function.READ_COILS, 0, 2001),
        WriteSingle(Function.WRITE_SINGLE_REGISTER, 0, 65536),
        WriteSingle(Function.WRITE_SINGLE_COIL, 0, 2),
        WriteMultiple(Function.WRITE_MULTIPLE_REGISTERS, 0, ()),
        WriteMultiple(Function.WRITE_MULTIPLE_REGISTERS, 0, (0,) * 124),
        WriteMultiple(Function.WRITE_MULTIPLE_REGISTERS, 0, (-1,)),
        WriteMultiple(Function.WRITE_MULTIPLE_COILS, 0, (0,) * 1969),
    ],
)
def test_what_the_specification_forbids_is_not_sent(request_) -> None:
    with pytest.raises(LocalProtocolError, match="cannot send"):
        encode_request(request_)


def test_specification_examples() -> None:
    """The examples of V1.1b3, sections 6.1 to 6.12, as bytes."""
    assert encode_request(ReadRequest(Function.READ_COILS, 0x13, 0x13)).hex() == "0100130013"
    assert encode_request(ReadRequest(Function.READ_HOLDING_REGISTERS, 0x6B, 3)).hex() == (
        "03006b0003"
    )
    assert encode_request(WriteSingle(Function.WRITE_SINGLE_COIL, 0xAC, 1)).hex() == "0500acff00"
    assert encode_request(WriteSingle(Function.WRITE_SINGLE_REGISTER, 1, 3)).hex() == "0600010003"
    coils = (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)
    assert encode_request(WriteMultiple(Function.WRITE_MULTIPLE_COILS, 0x13, coils)).hex() == (
        "0f0013000a02cd01"
    )
    registers = WriteMultiple(Function.WRITE_MULTIPLE_REGISTERS, 1, (0x000A, 0x0102))
    assert encode_request(registers).hex() == "100001000204000a0102"
    assert parse_answer(struct.pack(">BB", 0x81, 2)) == ExceptionAnswer(1, 2)
