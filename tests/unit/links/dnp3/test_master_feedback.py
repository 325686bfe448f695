"""Feedback after a control: asked for until the field followed, and what is never believed."""

from __future__ import annotations

import struct

import pytest

from gateway.links.dnp3.southbound.commands import encode
from gateway.links.dnp3.southbound.device import OutputPoint
from gateway.model.command import CommandMode, CommandStatus
from tests.unit.links.dnp3.master_desk import (
    AO,
    BO,
    DIRECT,
    READ,
    analogs,
    desk,
)

DO = CommandMode.DIRECT_OPERATE
LATCH = OutputPoint("d.latch", BO, 3, mode=DO, on_ms=100, off_ms=200)
S = CommandStatus


def watched(d, point, **settings):
    base = {"variation": 3, "mode": DO, "feedback_s": 1.0, "feedback": d.store.index[point]}
    return OutputPoint("d.watched", AO, 2, **{**base, **settings})


def float_status(index: int, value: float) -> bytes:
    return bytes((40, 3, 0, index, index, 1)) + struct.pack("<f", value)


def test_feedback_is_asked_for_until_it_follows(clock):
    d = desk(clock)
    d.start()
    d.operate(watched(d, "AO2"), 7.25)
    d.answer(d.expect(DIRECT).body)
    assert d.results == []
    d.expect(READ, bytes((40, 0, 0, 2, 2)))
    d.answer(float_status(2, 3.0))
    assert d.results == []
    assert d.ask() is None
    clock.advance(0.1)
    d.expect(READ, bytes((40, 0, 0, 2, 2)))
    d.answer(float_status(2, 7.25))
    assert d.results[0].status is S.SUCCESS


def test_feedback_that_does_not_follow_is_a_failure_downstream(clock):
    d = desk(clock)
    d.start()
    d.operate(watched(d, "AI2"), 7.0)
    d.answer(d.expect(DIRECT).body)
    for _ in range(30):
        if d.ask() is not None:
            d.answer(analogs(3, start=2))
        clock.advance(0.05)
    (result,) = d.results
    assert result.status is S.DOWNSTREAM_FAIL
    assert result.value_sent == 7.0
    assert "AI 2 did not follow" in result.detail


def test_other_requests_go_on_while_feedback_is_waited_for(clock):
    d = desk(clock, scans=((0.5, (1,)),))
    d.start()
    d.operate(watched(d, "AI2"), 7.0)
    d.operate(LATCH, 1.0)
    d.answer(d.expect(DIRECT).body)
    d.expect(READ)
    d.answer(analogs(3, start=2))
    clock.advance(0.5)
    bodies = []
    while (sent := d.ask()) is not None:
        bodies.append(sent.body)
        d.answer(analogs(3, start=2) if sent.body[0] == 30 else b"")
    assert bytes.fromhex("3c0206") in bodies
    assert encode(LATCH, 1.0) not in bodies  # one control at a time


def test_feedback_that_already_lies_is_not_believed(clock):
    d = desk(clock)
    d.start()  # AI2 shows 2
    d.operate(watched(d, "AI2"), 2.0)
    d.answer(d.expect(DIRECT).body)
    assert d.results == []  # an old value is no feedback: it is read first
    d.expect(READ)
    d.answer(analogs(2, start=2))
    assert d.results[0].status is S.SUCCESS


def test_a_refused_control_has_no_feedback(clock):
    d = desk(clock)
    d.start()
    d.operate(watched(d, "AI2"), 2.0)
    request = d.expect(DIRECT).body
    d.answer(request[:-1] + bytes((S.BLOCKED,)))
    assert d.results[0].status is S.BLOCKED
    assert d.ask() is None


@pytest.mark.parametrize(("value", "shown"), [(1.0, 0x81), (0.0, 0x41)])
def test_a_breaker_is_followed_by_its_double_bit(clock, value, shown):
    d = desk(clock)
    d.start()
    output = OutputPoint(
        "d.cb", BO, 1, style="trip-close", mode=DO, feedback=d.store.index["DBI1"], feedback_s=1.0
    )
    d.operate(output, value)
    d.answer(d.expect(DIRECT).body)
    d.expect(READ, bytes((3, 0, 0, 1, 1)))
    d.answer(bytes((3, 2, 0, 1, 1, 0x01)))  # on its way
    clock.advance(0.1)
    d.expect(READ)
    d.answer(bytes((3, 2, 0, 1, 1, shown)))
    assert d.results[0].status is S.SUCCESS


def test_feedback_allows_for_the_rounding_of_integers(clock):
    d = desk(clock)
    d.start()
    d.operate(watched(d, "AI2", variation=1, scale=1.0), 7.4)
    d.answer(d.expect(DIRECT).body)
    d.expect(READ)
    d.answer(analogs(7, start=2))
    assert d.results[0].status is S.SUCCESS


def test_a_connection_lost_while_feedback_is_waited_for(clock):
    d = desk(clock)
    d.start()
    d.operate(watched(d, "AI2"), 7.0)
    d.answer(d.expect(DIRECT).body)
    d.expect(READ)
    d.association.disconnected()
    assert d.results[0].status is S.DOWNSTREAM_FAIL
    assert d.results[0].value_sent == 7.0
