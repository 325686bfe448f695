"""Unsolicited responses, unknown objects, and what reaches the store."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from gateway.links.dnp3.codec import walk
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.device import PolledPoint
from gateway.links.dnp3.values import decode
from gateway.model.point import PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.unit.links.dnp3.master_desk import (
    AI,
    BI,
    CONFIRM,
    CTR,
    DBI,
    DISABLE,
    ENABLE,
    EVENTS_123,
    INTEGRITY,
    NEED_TIME,
    READ,
    RESTART,
    UNKNOWN,
    analogs,
    binary_event,
    desk,
)

T0 = 1_700_000_000_000
#: An object whose size nobody here knows.
STRANGE = bytes((99, 7, 0x07, 1)) + b"\xde\xad\xbe\xef"


def test_a_report_is_delivered_and_confirmed_with_its_own_sequence(clock):
    d = desk(clock)
    d.start()
    d.report(binary_event(2, 1, T0), sequence=9)
    assert d.confirmations == [bytes((0xD9, CONFIRM))]
    shown = d.store["BI2"]
    assert (shown.value, shown.time_ms, shown.synchronised) == (1.0, T0, True)


def test_a_report_while_a_request_is_under_way_disturbs_neither(clock):
    d = desk(clock, scans=((1.0, (1,)),))
    d.start()
    clock.advance(1.0)
    sent = d.expect(READ)
    d.report(binary_event(0, 1, T0), sequence=sent.sequence)
    assert d.association.is_busy
    d.answer(analogs(4))
    assert (d.value("BI0"), d.value("AI0")) == (1.0, 4.0)


def test_a_repeated_report_is_confirmed_again_and_delivered_once(clock):
    d = desk(clock)
    d.start()
    for _ in range(3):
        d.report(binary_event(0, 1, T0), sequence=4)
    assert len(d.confirmations) == 3
    assert len(d.changes) == 1
    assert d.state.duplicates == 2
    d.report(binary_event(0, 0, T0 + 1), sequence=4)  # another report: it came round
    assert d.value("BI0") == 0.0


def test_before_the_integrity_poll_only_an_empty_report_is_taken(clock):
    d = desk(clock)
    d.association.connected(d.now)
    d.report(sequence=0)
    assert len(d.confirmations) == 1
    d.report(binary_event(0, 1, T0), sequence=1)
    assert len(d.confirmations) == 1  # what is not confirmed stays with the outstation
    assert d.state.early == 1
    assert not d.good("BI0")
    d.expect(DISABLE)
    d.answer()
    d.expect(READ, INTEGRITY)
    d.answer(analogs(1) + binary_event(0, 1, T0), con=True)
    assert d.store["BI0"].time_ms == T0
    d.report(binary_event(1, 1, T0), sequence=1)
    assert d.value("BI1") == 1.0


def test_after_a_restart_reports_wait_for_the_integrity_poll_again(clock):
    d = desk(clock)
    d.start()
    d.report(binary_event(0, 1, T0), iin=RESTART, sequence=1)
    assert d.confirmations == []
    assert d.state.early == 1


def test_several_changes_of_one_point_all_arrive_in_order(clock):
    d = desk(clock)
    d.start()
    events = [(0, 1, 1), (1, 1, 2), (0, 0, 3), (0, 1, 4), (1, 0, 5)]
    body = bytes((2, 2, 0x17, len(events)))
    for index, state, at in events:
        body += bytes((index, state << 7 | 1)) + (T0 + at).to_bytes(6, "little")
    d.report(body)
    seen = [(name, one.value, one.time_ms - T0) for name, one in d.changes]
    assert seen == [(f"BI{index}", float(state), at) for index, state, at in events]


def test_relative_times_count_from_the_common_time(clock):
    d = desk(clock)
    d.start()
    common = bytes((51, 1, 0x07, 1)) + T0.to_bytes(6, "little")
    unsure = bytes((51, 2, 0x07, 1)) + (T0 + 5000).to_bytes(6, "little")
    event = bytes((2, 3, 0x17, 1, 3, 0x81)) + (250).to_bytes(2, "little")
    d.report(common + event)
    assert (d.store["BI3"].time_ms, d.store["BI3"].synchronised) == (T0 + 250, True)
    d.report(unsure + event, sequence=1)
    assert (d.store["BI3"].time_ms, d.store["BI3"].synchronised) == (T0 + 5250, False)
    d.report(event, sequence=2)  # counts from nothing: the arrival it is
    assert (d.store["BI3"].time_ms, d.store["BI3"].synchronised) == (d.now.utc_ms, False)


def test_the_time_of_a_clock_that_wants_setting_is_not_trusted(clock):
    d = desk(clock, time_sync="none")
    d.start()
    d.report(binary_event(0, 1, T0), iin=NEED_TIME)
    assert (d.store["BI0"].time_ms, d.store["BI0"].synchronised) == (T0, False)


def test_static_values_have_the_time_of_their_arrival(clock):
    d = desk(clock)
    d.start()
    assert d.store["AI0"].time_ms == d.now.utc_ms
    assert not d.store["AI0"].synchronised


def test_a_double_bit_is_stored_as_it_counts(clock):
    d = desk(clock, scans=((1.0, (0,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(bytes((3, 2, 0, 0, 3, 0x01, 0x41, 0x81, 0xC1)))
    assert [d.value(f"DBI{at}") for at in range(4)] == [0, 1, 2, 3]
    assert all(d.good(f"DBI{at}") for at in range(4))


def test_flags_come_as_the_outstation_gave_them(clock):
    d = desk(clock, scans=((1.0, (0,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    offline_restart = struct.pack("<BBBBBBi", 30, 1, 0, 1, 1, 0x02, 7)
    rolled_over = struct.pack("<BBBBBBI", 20, 1, 0, 2, 2, 0x21, 9)
    d.answer(offline_restart + rolled_over)
    assert d.store["AI1"].quality == Quality.RESTART
    assert d.store["CTR2"].is_good  # a rollover is no flaw of the value


def test_touched_by_every_answer_a_quiet_point_does_not_age(clock):
    d = desk(clock, BI, scans=((5.0, (1,)),))
    d.association.connected(d.now)
    while (sent := d.ask()) is not None:
        d.answer(bytes((1, 2, 0, 0, 1, 1, 1)) if sent.body == INTEGRITY else b"")
    for _ in range(10):  # the points age in 10 s
        clock.advance(5.0)
        d.expect(READ)
        d.answer()
        d.store.age()
    assert d.good("BI0")
    assert not d.good("BI3")  # never read, so never good


# ------------------------------------------------------------------ unknown objects


def test_points_that_grew_too_old_between_two_scans_are_read_again(clock):
    d = desk(clock, scans=((1.0, (1,)),))
    d.start()
    d.report(binary_event(0, 1, T0))
    assert d.good("BI0")
    clock.advance(11.0)  # longer than the points' age limit, and no request was overdue
    d.store.age()
    assert not d.good("BI0")
    d.expect(READ)
    d.answer()
    assert not d.good("BI0")  # an empty answer does not say that the old value stands
    d.expect(READ, INTEGRITY)
    d.answer(bytes.fromhex("0102000000 81"))
    assert d.good("BI0")
    clock.advance(1.0)
    d.expect(READ)
    d.answer()
    assert d.ask() is None  # what the outstation does not have is not asked for on and on


def test_an_object_of_known_size_is_walked_over(clock):
    d = desk(clock, scans=((1.0, (0,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    octets = bytes((110, 3, 0, 0, 1)) + b"abcdef"
    frozen_analog = bytes((31, 1, 0, 0, 0, 1, 1, 2, 3, 4))
    d.answer(octets + frozen_analog + analogs(42))
    assert d.value("AI0") == 42.0
    assert d.state.unknown_objects == 0


def test_behind_an_object_of_unknown_size_every_group_is_asked_for(clock):
    d = desk(clock, AI, BI, scans=((1.0, (0,)),), unsolicited=())
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    d.answer(analogs(1, 2) + STRANGE + analogs(9, start=2))
    assert [d.value(f"AI{at}") for at in range(3)] == [1, 2, 2]  # what came before is good
    assert d.state.unknown_objects == 1
    d.expect(READ, bytes((30, 0, 6)))
    d.answer(analogs(1, 2, 9, 10))
    d.expect(READ, bytes((1, 0, 6)))
    d.answer(iin=UNKNOWN)
    assert d.ask() is None
    assert d.value("AI2") == 9.0
    assert d.state.by_group
    d.association.disconnected()
    d.association.connected(d.now)
    d.expect(DISABLE)
    d.answer()
    for group in (32, 2, 30, 1):  # events before static values, from now on
        d.expect(READ, bytes((group, 0, 6)))
        d.answer()
    assert d.state.integrity_polls == 2


def test_events_before_an_unknown_object_come_again_and_once(clock):
    d = desk(clock, BI, AI, unsolicited=(), scans=((1.0, (1, 2, 3)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ, EVENTS_123)
    d.answer(binary_event(0, 1, T0) + STRANGE, con=True)
    assert d.confirmations == []
    assert d.changes == []
    d.expect(READ, bytes((2, 0, 6)))
    d.answer(binary_event(0, 1, T0) + binary_event(0, 0, T0 + 1), con=True)
    assert len(d.confirmations) == 1
    assert [one.time_ms - T0 for _, one in d.changes] == [0, 1]
    d.expect(READ, bytes((32, 0, 6)))


def test_a_report_that_cannot_be_read_is_fetched_by_group_instead(clock):
    d = desk(clock, BI)
    d.start()
    d.report(binary_event(0, 1, T0) + STRANGE, sequence=3)
    assert d.confirmations == []
    d.expect(DISABLE)
    d.answer()
    d.expect(READ, bytes((2, 0, 6)))
    d.answer(binary_event(0, 1, T0), con=True)
    assert d.store["BI0"].time_ms == T0
    d.association.disconnected()
    d.association.connected(d.now)
    asked = []
    while (sent := d.ask()) is not None:
        asked.append(sent.function)
        d.answer()
    assert ENABLE not in asked


def test_an_outstation_without_classes_is_read_by_group(clock):
    d = desk(clock, AI, unsolicited=())
    d.association.connected(d.now)
    d.expect(DISABLE)
    d.answer(iin=UNKNOWN)
    d.expect(READ, INTEGRITY)
    d.answer(iin=UNKNOWN)
    d.expect(READ, bytes((32, 0, 6)))
    d.answer(iin=UNKNOWN)
    d.expect(READ, bytes((30, 0, 6)))
    d.answer(analogs(3))
    assert d.good("AI0")
    assert d.state.integrity_polls == 1


# ------------------------------------------------------------------ delivery


def test_indices_nobody_asked_for_go_nowhere(clock):
    d = desk(clock, AI, scans=((1.0, (0,)),))
    d.start()
    clock.advance(1.0)
    d.expect(READ)
    far = struct.pack("<BBBHH", 30, 1, 1, 60_000, 60_001) + struct.pack("<BiBi", 1, 5, 1, 6)
    d.answer(far + analogs(1, 2, 3, 4, 5, 6, 7))
    assert [d.value(f"AI{at}") for at in range(4)] == [1, 2, 3, 4]


def test_scale_and_offset_and_gaps(clock):
    specs = [PointSpec(f"p{at}", PointKind.AI) for at in range(3)]
    store = PointStore(specs, clock)
    points = [
        PolledPoint(0, AI, 7, 0.1, 5.0), PolledPoint(1, AI, 3), PolledPoint(2, CTR, 3, 2.0),
    ]  # fmt: skip
    delivery = Delivery(points, store)
    body = analogs(*range(10)) + struct.pack("<BBBBBI", 20, 5, 0, 3, 3, 21)
    for block in walk(body, carries_objects=True):
        decoded = decode(block)
        assert decoded is not None
        delivery.deliver(decoded, 1, clock_set=True)
    assert [store[f"p{at}"].value for at in range(3)] == [pytest.approx(5.7), 3.0, 42.0]


@pytest.mark.parametrize(
    "points",
    [
        [PolledPoint(0, AI, 1), PolledPoint(1, AI, 1)],
        [PolledPoint(0, AI, 1), PolledPoint(0, AI, 2)],
    ],
)
def test_a_point_has_one_place(clock, points):
    store = PointStore([PointSpec(f"p{at}", PointKind.AI) for at in range(2)], clock)
    with pytest.raises(ValueError, match="share"):
        Delivery(points, store)


def test_ten_thousand_events_of_one_point_all_arrive(clock):
    d = desk(clock, DBI)
    d.start()
    count = 10_000
    layout = np.dtype([("index", "<u2"), ("flags", "u1"), ("low", "<u4"), ("high", "<u2")])
    events = np.zeros(count, dtype=layout)
    events["flags"] = 0x41 + 0x40 * (np.arange(count) % 2).astype(np.uint8)
    events["low"] = np.arange(count)
    d.report(struct.pack("<BBBH", 4, 2, 0x28, count) + events.tobytes())
    assert len(d.changes) == count
    assert [one.time_ms for _, one in d.changes] == list(range(count))
