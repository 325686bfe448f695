"""Controls: octets sent, sent once; what the answer means; feedback."""

from __future__ import annotations

import struct

import pytest

from gateway.links.dnp3.southbound.commands import CannotEncodeError, encode
from gateway.links.dnp3.southbound.device import OutputPoint
from gateway.model.command import CommandMode, CommandStatus
from tests.unit.links.dnp3.master_desk import (
    AO,
    BO,
    DIRECT,
    NO_FUNC,
    OPERATE,
    PARAMETER,
    READ,
    SELECT,
    UNKNOWN,
    desk,
)

DO, SBO = CommandMode.DIRECT_OPERATE, CommandMode.SELECT_BEFORE_OPERATE
LATCH = OutputPoint("d.latch", BO, 3, mode=DO, on_ms=100, off_ms=200)
SELECTED = OutputPoint("d.selected", BO, 3, mode=SBO)
ANALOG = OutputPoint("d.analog", AO, 2, variation=2, mode=DO, scale=0.5, offset=10.0)
S = CommandStatus


@pytest.mark.parametrize(
    ("output", "value", "octets"),
    [
        (LATCH, 1.0, "0c0117010303016400 0000c8000000 00"),
        (LATCH, 0.0, "0c0117010304016400 0000c8000000 00"),
        (OutputPoint("p", BO, 1, style="pulse", on_ms=1, off_ms=0, count=2), 1.0,
         "0c011701 01 0102 01000000 00000000 00"),
        (OutputPoint("p", BO, 300, style="trip-close", on_ms=0, off_ms=0), 1.0,
         "0c0128 0100 2c01 4101 00000000 00000000 00"),
        (OutputPoint("p", BO, 300, style="trip-close", on_ms=0, off_ms=0), 0.0,
         "0c0128 0100 2c01 8101 00000000 00000000 00"),
        (OutputPoint("p", AO, 4, variation=1), -2.0, "29011701 04 feffffff 00"),
        (ANALOG, 12.6, "29021701 02 0500 00"),
        (OutputPoint("p", AO, 4, variation=3), 1.5, "29031701 04 0000c03f 00"),
        (OutputPoint("p", AO, 4, variation=4), 1.5, "29041701 04 000000000000f83f 00"),
    ],
)  # fmt: skip
def test_octets_of_a_control(output, value, octets):
    assert encode(output, value) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("output", "value", "status"),
    [
        (LATCH, 0.5, S.OUT_OF_RANGE),
        (LATCH, float("nan"), S.OUT_OF_RANGE),
        (OutputPoint("p", BO, 1, style="pulse"), 0.0, S.NOT_SUPPORTED),
        (OutputPoint("p", AO, 1, variation=2), 32768.0, S.OUT_OF_RANGE),
        (OutputPoint("p", AO, 1, variation=2, scale=0.1), -3276.9, S.OUT_OF_RANGE),
        (OutputPoint("p", AO, 1, variation=1), 2.0**31, S.OUT_OF_RANGE),
        (OutputPoint("p", AO, 1, variation=3), 1e39, S.OUT_OF_RANGE),
        (OutputPoint("p", AO, 1, variation=4), float("inf"), S.OUT_OF_RANGE),
        (OutputPoint("p", AO, 1, variation=1), float("nan"), S.OUT_OF_RANGE),
    ],
)
def test_what_an_output_cannot_take(output, value, status):
    with pytest.raises(CannotEncodeError) as refused:
        encode(output, value)
    assert refused.value.status is status


def test_the_limits_of_a_variation_fit():
    assert encode(OutputPoint("p", AO, 1, variation=2), -32768.0)
    assert encode(OutputPoint("p", AO, 1, variation=1), 2.0**31 - 1)


def with_status(body: bytes, status: int) -> bytes:
    return body[:-1] + bytes((status,))


def test_a_direct_operate_and_its_answer(clock):
    d = desk(clock)
    d.start()
    d.operate(LATCH, 1.0)
    sent = d.expect(DIRECT, encode(LATCH, 1.0))
    assert d.results == []
    d.answer(sent.body)
    (result,) = d.results
    assert (result.status, result.value_sent) == (S.SUCCESS, 1.0)


@pytest.mark.parametrize("status", [status for status in S if status is not S.UNDEFINED])
def test_the_status_in_the_answer_is_the_end(clock, status):
    d = desk(clock)
    d.start()
    d.operate(ANALOG, 12.0)
    d.answer(with_status(d.expect(DIRECT).body, status))
    assert d.results[0].status is status


def test_a_status_nobody_knows_is_undefined(clock):
    d = desk(clock)
    d.start()
    d.operate(LATCH, 1.0)
    d.answer(with_status(d.expect(DIRECT).body, 99))
    assert d.results[0].status is S.UNDEFINED


@pytest.mark.parametrize(
    ("iin", "status"),
    [(NO_FUNC, S.NOT_SUPPORTED), (UNKNOWN, S.NOT_SUPPORTED), (PARAMETER, S.FORMAT_ERROR)],
)
@pytest.mark.parametrize("output", [LATCH, SELECTED], ids=["direct", "select"])
def test_an_error_indication_is_a_refusal(clock, iin, status, output):
    d = desk(clock)
    d.start()
    d.operate(output, 1.0)
    d.ask()
    d.answer(iin=iin)
    assert d.results[0].status is status
    assert d.state.connected


def test_what_an_output_holds_is_read_back_before_the_next_control(clock):
    output = OutputPoint("d.latch", BO, 3, mode=DO, reads_back=True)
    d = desk(clock)
    d.start()
    d.operate(output, 1.0)
    d.operate(LATCH, 0.0)
    d.answer(d.expect(DIRECT).body)
    assert d.results[0].status is S.SUCCESS  # whoever asked does not wait for it
    d.expect(READ, bytes.fromhex("0a00000303"))
    d.answer(bytes.fromhex("0a0200030381"))
    d.expect(DIRECT)


def test_what_was_refused_is_not_read_back(clock):
    d = desk(clock)
    d.start()
    d.operate(OutputPoint("d.latch", BO, 3, mode=DO, reads_back=True), 1.0)
    d.answer(with_status(d.expect(DIRECT).body, S.LOCAL))
    assert d.results[0].status is S.LOCAL
    assert d.ask() is None


def test_a_select_then_an_operate_with_the_next_sequence_and_nothing_between(clock):
    d = desk(clock, scans=((1.0, (1,)),))
    d.start()
    clock.advance(10.0)  # a scan is due too
    d.operate(SELECTED, 1.0)
    selected = d.expect(SELECT, encode(SELECTED, 1.0))
    d.operate(LATCH, 0.0)
    d.answer(selected.body)
    operated = d.expect(OPERATE, selected.body)
    assert operated.sequence == (selected.sequence + 1) & 0x0F
    d.answer(operated.body)
    assert d.results[0].status is S.SUCCESS
    d.expect(DIRECT)


@pytest.mark.parametrize("at", [0, 4, 5, 6, 7, 11])
def test_a_select_whose_echo_differs_in_any_octet_is_not_operated(clock, at):
    d = desk(clock)
    d.start()
    d.operate(SELECTED, 1.0)
    body = bytearray(d.expect(SELECT).body)
    body[at] ^= 1
    d.answer(bytes(body))
    (result,) = d.results
    assert result.status is S.NO_SELECT
    assert result.value_sent is None
    assert "nothing was operated" in result.detail
    sent = d.ask()
    assert sent is None or sent.function != OPERATE


def test_a_select_that_is_refused_is_not_operated(clock):
    d = desk(clock)
    d.start()
    d.operate(SELECTED, 1.0)
    d.answer(with_status(d.expect(SELECT).body, S.LOCAL))
    assert d.results[0].status is S.LOCAL
    assert d.results[0].value_sent is None


def test_a_select_without_an_answer_operated_nothing(clock):
    d = desk(clock, timeout_s=2.0, timeouts_to_lost=5)
    d.start()
    d.operate(SELECTED, 1.0)
    d.expect(SELECT)
    clock.advance(2.0)
    sent = d.ask()
    (result,) = d.results
    assert (result.status, result.value_sent) == (S.TIMEOUT, None)
    assert "nothing was operated" in result.detail
    assert sent is None


@pytest.mark.parametrize("output", [LATCH, SELECTED], ids=["direct", "select"])
def test_a_control_without_an_answer_is_never_sent_again(clock, output):
    d = desk(clock, timeout_s=2.0, timeouts_to_lost=3, scans=((1.0, (1,)),))
    d.start()
    d.operate(output, 1.0)
    if output is SELECTED:
        d.answer(d.expect(SELECT).body)
    d.ask()
    clock.advance(2.0)
    functions = []
    for _ in range(100):
        if (sent := d.ask()) is not None:
            functions.append(sent.function)
        clock.advance(1.0)
    (result,) = d.results
    assert (result.status, result.value_sent) == (S.TIMEOUT, 1.0)
    assert not {SELECT, OPERATE, DIRECT} & set(functions)
    assert d.state.losses == 1


def test_a_late_answer_to_a_control_changes_nothing(clock):
    d = desk(clock, timeout_s=2.0, timeouts_to_lost=5)
    d.start()
    d.operate(LATCH, 1.0)
    sent = d.expect(DIRECT)
    clock.advance(2.0)
    d.ask()
    d.answer(sent.body, sequence=sent.sequence)
    assert [result.status for result in d.results] == [S.TIMEOUT]
    assert d.state.stale == 1


def test_an_answer_that_is_another_control_is_undefined(clock):
    d = desk(clock)
    d.start()
    d.operate(LATCH, 1.0)
    body = bytearray(d.expect(DIRECT).body)
    body[5] = 0x04
    d.answer(bytes(body))
    assert d.results[0].status is S.UNDEFINED
    assert d.results[0].value_sent == 1.0


def test_without_a_connection_nothing_is_sent(clock):
    d = desk(clock)
    d.operate(LATCH, 1.0)
    assert (d.results[0].status, d.results[0].value_sent) == (S.DOWNSTREAM_FAIL, None)


@pytest.mark.parametrize(
    ("output", "status", "sent"),
    [(LATCH, S.TIMEOUT, 1.0), (SELECTED, S.DOWNSTREAM_FAIL, None)],
    ids=["direct", "select"],
)
def test_a_connection_lost_meanwhile(clock, output, status, sent):
    d = desk(clock)
    d.start()
    d.operate(output, 1.0)
    d.operate(ANALOG, 12.0)
    d.ask()
    d.association.disconnected()
    first, waiting = d.results
    assert (first.status, first.value_sent) == (status, sent)
    assert (waiting.status, waiting.value_sent) == (S.DOWNSTREAM_FAIL, None)


def test_controls_wait_in_order_and_not_without_end(clock):
    d = desk(clock, max_pending_controls=3)
    d.start()
    values = (10.0, 11.0, 12.0, 13.0, 14.0)
    d.operate(ANALOG, 9.0)
    d.ask()
    for value in values:
        d.operate(ANALOG, value)
    assert [result.status for result in d.results] == [S.PROCESSING_LIMITED] * 2
    told = []
    while True:
        told.append(struct.unpack_from("<h", d.last.body, 5)[0])
        d.answer(d.last.body)
        if d.ask() is None:
            break
    assert told == [-2, 0, 2, 4]


def test_a_control_that_waited_too_long_is_not_sent(clock):
    d = desk(clock, timeout_s=30.0)
    d.start()
    d.operate(LATCH, 1.0)
    sent = d.expect(DIRECT)
    d.operate(ANALOG, 12.0)
    clock.advance(6.0)
    d.answer(sent.body)
    assert d.ask() is None
    late = d.results[1]
    assert (late.status, late.value_sent) == (S.TIMEOUT, None)


def test_a_control_that_expired_is_not_sent(clock):
    d = desk(clock)
    d.start()
    d.operate(LATCH, 1.0, expires_ms=d.now.utc_ms - 1)
    assert d.ask() is None
    assert d.results[0].status is S.TIMEOUT


def test_a_control_whose_asker_is_gone_is_not_sent(clock):
    d = desk(clock)
    d.start()
    d.operate(LATCH, 1.0).abandoned = True
    assert d.ask() is None
