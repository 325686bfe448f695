"""The session rules of a master, in virtual time against octets written by hand."""

from __future__ import annotations

import itertools
import struct

import pytest

from gateway.links.dnp3.southbound.association import Phase
from gateway.model.quality import Quality
from tests.unit.links.dnp3.master_desk import (
    CLASS_1,
    CLASS_2,
    CLEAR_RESTART,
    CONFIRM,
    DELAY_MEASURE,
    DISABLE,
    ENABLE,
    EVENTS_123,
    INTEGRITY,
    NEED_TIME,
    NO_FUNC,
    OVERFLOW,
    READ,
    RECORD_TIME,
    RESTART,
    WRITE,
    analogs,
    binary_event,
    desk,
)

T0 = 1_700_000_000_000


def test_a_session_begins_in_the_standards_order(clock):
    d = desk(clock)
    assert d.ask() is None  # no connection
    d.association.connected(d.now)
    d.expect(DISABLE, EVENTS_123)
    assert d.ask() is None  # one request at a time
    d.answer(iin=RESTART)
    d.expect(WRITE, CLEAR_RESTART)
    d.answer()
    d.expect(READ, INTEGRITY)
    assert d.association.phase is Phase.STARTING
    d.answer(analogs(5, 6, 7, 8))
    assert d.association.phase is Phase.RUNNING
    d.expect(ENABLE, EVENTS_123)
    d.answer()
    assert d.ask() is None
    assert [d.value(f"AI{at}") for at in range(4)] == [5, 6, 7, 8]
    assert (d.state.restarts, d.state.integrity_polls) == (1, 1)


def test_an_outstation_that_has_not_restarted_is_told_nothing_of_it(clock):
    d = desk(clock, unsolicited=(1,))
    d.association.connected(d.now)
    d.expect(DISABLE)
    d.answer()
    d.expect(READ, INTEGRITY)
    d.answer()
    d.expect(ENABLE, bytes.fromhex("3c0206"))


def test_sequence_numbers_count_up_and_wrap(clock):
    d = desk(clock, unsolicited=(), scans=((1.0, (1,)),))
    d.start()
    numbers = []
    for _ in range(20):
        clock.advance(1.0)
        numbers.append(d.expect(READ).sequence)
        d.answer()
    assert all((b - a) % 16 == 1 for a, b in itertools.pairwise(numbers))


def test_a_stale_answer_and_a_duplicate_are_dropped(clock):
    d = desk(clock, scans=((1.0, (1,)),))
    d.start()
    clock.advance(1.0)
    sent = d.expect(READ)
    d.answer(analogs(9), con=True, sequence=sent.sequence - 1)
    assert (d.state.stale, d.confirmations) == (1, [])
    d.answer(analogs(1), con=True)
    d.answer(analogs(2), con=True)  # the same answer again, changed on the way
    assert d.value("AI0") == 1.0
    assert d.state.stale == 2
    assert d.confirmations == [bytes((0xC0 | sent.sequence, CONFIRM))]


def test_a_long_answer_is_confirmed_fragment_by_fragment(clock):
    d = desk(clock, scans=((1.0, (0,)),))
    d.start()
    clock.advance(1.0)
    first = d.expect(READ).sequence
    d.answer(analogs(1), first=True, final=False, con=True)
    clock.advance(4.0)  # the wait begins anew with each fragment
    d.answer(analogs(2, start=1), first=False, final=False, con=True, sequence=first + 1)
    clock.advance(4.0)
    assert d.ask() is None
    d.answer(analogs(3, start=2), first=False, final=True, sequence=first + 2)
    assert [d.value(f"AI{at}") for at in range(3)] == [1, 2, 3]
    assert [c[0] & 0x0F for c in d.confirmations] == [first, (first + 1) & 0x0F]
    assert d.state.timeouts == 0
    assert d.expect(READ).sequence == (first + 3) & 0x0F  # the next scan


@pytest.mark.parametrize(("first", "step"), [(True, 1), (False, 2), (False, 0)])
def test_a_fragment_out_of_its_series_is_dropped(clock, first, step):
    d = desk(clock, scans=((100.0, (0,)),))
    d.start()
    clock.advance(100.0)
    begun = d.expect(READ).sequence
    d.answer(analogs(1), final=False, con=True)
    d.answer(analogs(66), first=first, final=True, sequence=begun + step)
    assert d.state.stale == 1
    assert d.value("AI0") == 1.0


def test_an_answer_that_begins_in_the_middle_is_dropped(clock):
    d = desk(clock, scans=((100.0, (0,)),))
    d.start()
    clock.advance(100.0)
    d.expect(READ)
    d.answer(analogs(66), first=False)
    assert (d.state.stale, d.value("AI0")) == (1, 0.0)


def test_silence_loses_the_points_and_a_retry_begins_again(clock):
    d = desk(clock, timeout_s=2.0, timeouts_to_lost=2, retry_min_s=4.0, scans=((5.0, (1,)),))
    d.start()
    assert d.good("AI0")
    clock.advance(5.0)
    d.expect(READ)
    clock.advance(2.0)
    again = d.expect(READ)  # asked again at once
    assert (d.state.timeouts, d.good("AI0")) == (1, True)
    clock.advance(2.0)
    assert d.ask() is None
    assert d.association.phase is Phase.LOST
    assert not d.state.connected
    assert d.value("AI0") == 0.0
    assert d.store["AI0"].quality & Quality.COMM_LOST
    d.answer(analogs(7), sequence=again.sequence)  # late: dropped, but it is there again
    assert d.value("AI0") == 0.0
    d.expect(DISABLE)
    d.answer()
    d.expect(READ, INTEGRITY)
    d.answer(analogs(9))
    assert d.good("AI0")
    assert d.state.losses == 1


def test_retries_of_a_silent_outstation_come_ever_more_seldom(clock):
    d = desk(clock, timeout_s=1.0, timeouts_to_lost=1, retry_min_s=4.0, retry_max_s=10.0)
    d.association.connected(d.now)
    pauses = []
    for _ in range(4):
        d.expect(DISABLE)
        clock.advance(1.0)
        assert d.ask() is None
        pauses.append(d.association.deadline() - d.now.s)
        clock.advance(pauses[-1])
    assert pauses == [4.0, 8.0, 10.0, 10.0]


def test_errors_are_no_silence(clock):
    d = desk(clock, timeouts_to_lost=1, scans=((1.0, (1,)),))
    d.start()
    for _ in range(50):
        clock.advance(1.0)
        if d.ask() is not None:
            d.answer(iin=NO_FUNC)
    assert d.association.phase is Phase.RUNNING
    assert d.state.connected
    assert d.state.refusals > 5
    assert d.state.losses == 0
    assert "refused" in d.state.last_error


def test_a_lost_connection_loses_the_points_and_the_next_begins_anew(clock):
    d = desk(clock)
    d.start()
    d.association.disconnected()
    assert not d.good("AI0")
    assert d.ask() is None
    d.association.connected(d.now)
    d.expect(DISABLE)
    d.answer()
    d.expect(READ, INTEGRITY)


def test_a_restart_is_cleared_and_read_anew_once(clock):
    d = desk(clock)
    d.start()
    d.report(iin=RESTART)
    assert len(d.confirmations) == 1
    d.expect(WRITE, CLEAR_RESTART)
    d.answer()
    d.expect(READ, INTEGRITY)
    d.answer()
    d.expect(ENABLE)
    d.answer()
    assert d.ask() is None
    assert d.state.restarts == 1


def test_a_restart_indication_that_stays_does_not_spin(clock):
    d = desk(clock)
    d.association.connected(d.now)
    asked = 0
    while (sent := d.ask()) is not None:
        asked += 1
        assert asked < 10
        d.answer(iin=RESTART | (NO_FUNC if sent.function == WRITE else 0))
    assert d.state.restarts == 1


def test_lost_events_are_made_up_for_once(clock):
    d = desk(clock, scans=((1.0, (1,)),))
    d.start()
    for step in range(5):  # some outstations never clear it
        clock.advance(1.0)
        d.expect(READ)
        d.answer(iin=OVERFLOW)
        if step == 0:
            d.expect(READ, INTEGRITY)
            d.answer(iin=OVERFLOW)
        assert d.ask() is None
    assert d.state.overflows == 1
    clock.advance(1.0)
    d.expect(READ)
    d.answer()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(iin=OVERFLOW)
    d.expect(READ, INTEGRITY)
    assert d.state.overflows == 2


def test_lost_events_may_be_left_lost(clock):
    d = desk(clock, scans=((1.0, (1,)),), integrity_on_overflow=False)
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(iin=OVERFLOW)
    assert d.ask() is None


def test_events_that_are_promised_are_fetched_at_once(clock):
    d = desk(clock, unsolicited=(), scans=((10.0, (3,)),))
    d.start()
    clock.advance(10.0)
    d.expect(READ, bytes.fromhex("3c0406"))
    d.answer(iin=CLASS_1 | CLASS_2)
    d.expect(READ, bytes.fromhex("3c0206 3c0306"))
    d.answer(binary_event(1, 1, T0), con=True)
    assert d.value("BI1") == 1.0
    assert d.ask() is None


def test_a_promise_that_is_not_kept_does_not_spin(clock):
    d = desk(clock, unsolicited=(), scans=((10.0, (3,)),))
    d.start()
    clock.advance(10.0)
    asked = 0
    for _ in range(100):
        if d.ask() is not None:
            asked += 1
            d.answer(iin=CLASS_1)
        clock.advance(0.01)
    assert asked <= 4


def test_events_of_a_reporting_outstation_are_left_to_it_for_a_while(clock):
    d = desk(clock, unsolicited=(1,), scans=((10.0, (3,)),), timeout_s=2.0)
    d.start()
    clock.advance(10.0)
    d.expect(READ)
    d.answer(iin=CLASS_1)
    assert d.ask() is None
    clock.advance(2.0)  # it does not report after all
    d.expect(READ, bytes.fromhex("3c0206"))


@pytest.mark.parametrize("delay", ["340207010a00", "340107010000"], ids=["fine", "coarse"])
def test_the_clock_is_set_over_a_slow_line(clock, delay):
    d = desk(clock, unsolicited=(), time_sync="non-lan", scans=((1.0, (1,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(iin=NEED_TIME)
    d.expect(DELAY_MEASURE)
    clock.advance(0.25)
    turnaround = bytes.fromhex(delay)
    d.answer(turnaround, iin=NEED_TIME)
    sent = d.expect(WRITE)
    own_ms = 10 if turnaround[1] == 2 else 0
    want = d.now.utc_ms + (250 - own_ms) // 2
    assert sent.body == bytes.fromhex("32010701") + want.to_bytes(6, "little")
    d.answer()
    assert d.ask() is None
    assert d.state.time_syncs == 1


def test_the_clock_is_set_over_a_lan(clock):
    d = desk(clock, time_sync="lan", unsolicited=(), scans=((1.0, (1,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(iin=NEED_TIME)
    d.expect(RECORD_TIME)
    recorded_ms = d.now.utc_ms
    clock.advance(0.4)
    d.answer(iin=NEED_TIME)
    sent = d.expect(WRITE)
    assert sent.body == bytes.fromhex("32030701") + recorded_ms.to_bytes(6, "little")
    d.answer()
    assert d.ask() is None


def test_an_outstation_that_never_has_enough_time_is_not_pestered(clock):
    d = desk(clock, time_sync="lan", unsolicited=(), scans=((1.0, (1,)),))
    d.start()
    written = 0
    for _ in range(240):
        clock.advance(0.25)
        while (sent := d.ask()) is not None:
            written += sent.function == WRITE
            d.answer(iin=NEED_TIME)
    assert 1 <= written <= 2


def test_a_clock_may_be_left_alone(clock):
    d = desk(clock, time_sync="none")
    d.start(NEED_TIME)
    assert d.state.time_syncs == 0


def test_a_silent_link_is_asked_for_its_status(clock):
    d = desk(clock, keepalive_s=30.0, timeout_s=2.0, timeouts_to_lost=1, integrity_s=0)
    d.start()
    clock.advance(29.0)
    assert not d.association.link_status_due(d.now)
    clock.advance(1.0)
    assert d.association.deadline() <= d.now.s
    assert d.association.link_status_due(d.now)
    assert not d.association.link_status_due(d.now)
    d.association.heard(d.now)
    assert not d.association.is_busy
    clock.advance(30.0)
    assert d.association.link_status_due(d.now)
    clock.advance(2.0)
    assert d.ask() is None
    assert d.association.phase is Phase.LOST
    assert not d.good("AI0")


def test_integrity_polls_come_with_their_period(clock):
    d = desk(clock, integrity_s=60.0)
    d.start()
    clock.advance(59.0)
    assert d.ask() is None
    clock.advance(1.0)
    d.expect(READ, INTEGRITY)


@pytest.mark.parametrize(
    "octets",
    [b"", b"\xc0", b"\xc0\x81\x00", b"\xc0\x01\x00\x00", b"\xd0\x81\x00\x00", b"\xe0\x82\x00\x00"],
)
def test_what_is_no_response_is_counted_and_dropped(clock, octets):
    d = desk(clock)
    d.start()
    d.say(octets)
    assert d.state.malformed == 1
    assert d.confirmations == []


def test_a_fragment_that_promises_more_than_it_holds_gives_what_it_holds(clock):
    d = desk(clock, scans=((100.0, (0,)),))
    d.start()
    clock.advance(100.0)
    d.expect(READ)
    d.answer(analogs(5) + struct.pack("<BBBHH", 30, 1, 1, 0, 9999))
    assert d.value("AI0") == 5.0
    assert d.state.malformed == 1
    assert d.association.phase is Phase.RUNNING
