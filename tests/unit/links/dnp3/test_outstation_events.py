"""Events: detection, order, classes, confirmation, overflow, deadbands, encodings."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from gateway.links.dnp3.northbound.database import PointSetup
from tests.unit.links.dnp3.outstation_bench import (
    AI,
    AO,
    BI,
    BO,
    CTR,
    DBI,
    TIME,
    UTC_MS,
    Bench,
    octets,
)

CLASS_1, CLASS_2, CLASS_3, OVERFLOW = 0x02, 0x04, 0x08, 0x0800
ALL_EVENTS = "3C 02 06 3C 03 06 3C 04 06"


def test_class_bits_say_what_waits_and_not_what_is_in_the_answer(bench: Bench) -> None:
    bench.put(BI, 0, 1)
    bench.put(AI, 0, 5)
    bench.put(CTR, 0, 5)
    assert bench.one("C0 01 01 00 00 00 00").iin & 0x0E == CLASS_1 | CLASS_2 | CLASS_3
    answer = bench.one("C1 01 3C 02 06")
    assert answer.iin & 0x0E == CLASS_2 | CLASS_3
    bench.confirm(answer)
    assert bench.one("C2 17").iin & 0x0E == CLASS_2 | CLASS_3


def test_events_come_before_static_objects_in_order_of_occurrence(bench: Bench) -> None:
    bench.put(AI, 1, 1)
    bench.put(BI, 2, 1)
    bench.put(AI, 1, 2)
    answer = bench.one(f"C0 01 1E 02 00 01 01 {ALL_EVENTS}")
    assert answer.wants_confirmation
    assert answer.body == octets(
        f"20 03 17 01  01 01 01 00 00 00 {TIME}"
        f"02 02 17 01  02 81 {TIME}"
        f"20 03 17 01  01 01 02 00 00 00 {TIME}"
        "1E 02 00 01 01 01 02 00"
    )


def test_events_alike_share_a_block(bench: Bench) -> None:
    bench.put(BI, [0, 1], 1)
    assert bench.one("C0 01 02 01 06").body == octets("02 01 17 02  00 81  01 81")


def test_events_stay_until_they_are_confirmed(bench: Bench) -> None:
    bench.put(AI, 0, 1)
    first = bench.one("C0 01 3C 03 06")
    second = bench.one("C1 01 3C 03 06")  # not confirmed: again
    assert second.body == first.body
    assert bench.confirm(first) == []  # the confirmation of an answer that is over
    assert bench.counts() == (0, 1, 0)
    bench.confirm(second)
    assert bench.counts() == (0, 0, 0)
    assert bench.one("C2 01 3C 03 06").body == b""


def test_a_confirmation_in_time_only(bench: Bench) -> None:
    bench.put(AI, 0, 1)
    answer = bench.one("C0 01 3C 03 06")
    bench.wait(5.1)
    bench.confirm(answer)
    assert bench.counts() == (0, 1, 0)


@pytest.mark.parametrize("header", ["3C 03 07 02", "3C 03 08 02 00", "20 00 07 02"])
def test_a_count_limits_events(bench: Bench, header: str) -> None:
    for n in range(5):
        bench.put(AI, n, 1)
    answer = bench.one(f"C0 01 {header}")
    assert answer.body[3] == 2
    assert answer.iin & CLASS_2
    bench.confirm(answer)
    assert bench.counts() == (0, 3, 0)


def test_a_count_holds_over_fragments() -> None:
    bench = Bench([PointSetup(AI, n, 2) for n in range(1000)])
    bench.put(AI, np.arange(1000), 1)
    (answer,) = bench.ask("C0 01 3C 03 08 90 01")  # 400
    events = 0
    while True:
        body = answer.body
        while body:
            wide = body[2] == 0x28
            count = body[3] | body[4] << 8 if wide else body[3]
            events += count
            body = body[(5 if wide else 4) + count * (13 if wide else 12) :]
        following = bench.confirm(answer)
        if answer.control & 0x40:
            break
        (answer,) = following
    assert events == 400
    assert bench.counts() == (0, 600, 0)


def test_groups_are_read_by_name(bench: Bench) -> None:
    bench.put(BI, 0, 1)
    bench.put(AI, 0, 1)
    answer = bench.one("C0 01 20 02 06")
    assert answer.body == octets("20 02 17 01 00 01 01 00")
    bench.confirm(answer)
    assert bench.counts() == (1, 0, 0)


@pytest.mark.parametrize(
    ("kind", "header", "body"),
    [
        (DBI, "04 02 06", f"04 02 17 01 01 81 {TIME}"),
        (CTR, "16 01 06", "16 01 17 01 01 01 02 00 00 00"),
        (CTR, "16 05 06", f"16 05 17 01 01 01 02 00 00 00 {TIME}"),
        (CTR, "16 06 06", f"16 06 17 01 01 01 02 00 {TIME}"),
        (AI, "20 05 06", "20 05 17 01 01 01 00 00 00 40"),
        (AI, "20 08 06", f"20 08 17 01 01 01 00 00 00 00 00 00 00 40 {TIME}"),
    ],
)
def test_event_variations(bench: Bench, kind, header: str, body: str) -> None:
    bench.put(kind, 1, 2)
    assert bench.one(f"C0 01 {header}").body == octets(body)


def test_outputs_may_have_events_too() -> None:
    bench = Bench([PointSetup(BO, 0, 1), PointSetup(AO, 0, 2)])
    bench.put(BO, 0, 1)
    bench.put(AO, 0, 3)
    body = bench.one(f"C0 01 {ALL_EVENTS}").body
    assert body == octets(f"0B 02 17 01 00 81 {TIME} 2A 03 17 01 00 01 03 00 00 00 {TIME}")


def test_strings_have_events(bench: Bench) -> None:
    bench.database.set_string(0, b"abc", UTC_MS)
    bench.database.set_string(0, b"d", UTC_MS)
    bench.database.set_string(0, b"d", UTC_MS)  # no change
    answer = bench.one("C0 01 3C 04 06")
    assert answer.body == octets("6F 03 17 01 00 61 62 63  6F 01 17 01 00 64")
    bench.confirm(answer)
    assert bench.one("C1 01 6E 00 06").body == octets("6E 01 00 00 00 64")
    assert bench.one("C2 01 6F 00 06").body == b""


def test_wide_indices() -> None:
    bench = Bench([PointSetup(BI, 300, 1)])
    bench.put(BI, 300, 1)
    assert bench.one("C0 01 02 01 06").body == octets("02 01 28 01 00 2C 01 81")


def test_times_of_an_unset_clock_are_relative_to_one_that_says_so(bench: Bench) -> None:
    bench.put(BI, 0, 1, time_ms=UTC_MS, set_clock=False)
    bench.put(BI, 1, 1, time_ms=UTC_MS + 500, set_clock=False)
    bench.put(DBI, 0, 1, time_ms=UTC_MS + 500, set_clock=False)
    bench.put(BI, 2, 1, time_ms=UTC_MS + 600)
    later = struct.pack("<Q", UTC_MS + 500)[:6].hex()
    last = struct.pack("<Q", UTC_MS + 600)[:6].hex()
    assert bench.one("C0 01 3C 02 06").body == octets(
        f"33 02 07 01 {TIME}  02 03 17 02  00 81 00 00  01 81 F4 01"
        f"33 02 07 01 {later}  04 03 17 01  00 41 00 00"
        f"02 02 17 01  02 81 {last}"
    )


def test_relative_times_are_broken_where_they_do_not_reach(bench: Bench) -> None:
    bench.put(BI, 0, 1, time_ms=UTC_MS)
    bench.put(BI, 1, 1, time_ms=UTC_MS + 65_535)
    bench.put(BI, 2, 1, time_ms=UTC_MS + 65_536)
    bench.put(BI, 3, 1, time_ms=UTC_MS)  # backwards
    far = struct.pack("<Q", UTC_MS + 65_536)[:6].hex()
    assert bench.one("C0 01 02 03 06").body == octets(
        f"33 01 07 01 {TIME}  02 03 17 02  00 81 00 00  01 81 FF FF"
        f"33 01 07 01 {far}  02 03 17 01  02 81 00 00"
        f"33 01 07 01 {TIME}  02 03 17 01  03 81 00 00"
    )


def deadband_bench(*, own: float | None = None) -> Bench:
    points = [PointSetup(AI, 0, 2, deadband=5), PointSetup(AI, 1, 2)]
    return Bench(points, deadbands={} if own is None else {(AI, 0): own})


def test_a_change_is_measured_against_what_was_reported_last() -> None:
    bench = deadband_bench()
    for value in (2, 4, 5, 6, 10, 11.5):  # 6 is more than 5 from 0; 11.5 from 6
        bench.put(AI, 0, value)
    body = bench.one("C0 01 20 02 06").body
    assert body == octets("20 02 17 02 00 01 06 00 00 01 0C 00")


def test_a_change_of_quality_always_counts() -> None:
    bench = deadband_bench()
    bench.put(AI, 0, 0, flags=0x05)
    bench.put(AI, 0, 0, flags=0x05)
    assert bench.counts() == (0, 1, 0)


def test_a_flag_that_a_type_has_not_is_no_change(bench: Bench) -> None:
    bench.put(BI, 0, 0, flags=0x21)  # OVER_RANGE is an analog's
    assert bench.counts() == (0, 0, 0)


def test_a_deadband_of_zero_reports_every_change(bench: Bench) -> None:
    bench.put(AI, 0, 0)
    bench.put(AI, 0, 1e-9)
    assert bench.counts() == (0, 1, 0)


def test_deadbands_are_each_masters_own() -> None:
    bench = deadband_bench(own=50)
    bench.put(AI, 0, 49)
    assert bench.counts() == (0, 0, 0)
    assert bench.one("C0 01 22 03 06").body == octets("22 03 00 00 01 00 00 48 42 00 00 00 00")


@pytest.mark.parametrize(
    "objects",
    ["22 01 00 00 00 07 00", "22 02 17 01 00 07 00 00 00", "22 03 28 01 00 00 00 00 00 E0 40"],
)
def test_deadbands_are_written_and_read(objects: str) -> None:
    bench = deadband_bench()
    assert bench.one(f"C0 02 {objects}").iin == 0x0080
    assert bench.one("C1 01 22 01 06").body == octets("22 01 00 00 01 07 00 00 00")
    bench.put(AI, 0, 7)
    assert bench.counts() == (0, 0, 0)
    bench.put(AI, 0, 7.5)
    assert bench.counts() == (0, 1, 0)


@pytest.mark.parametrize(
    "objects", ["22 01 00 09 09 07 00", "22 03 00 00 00 00 00 C0 7F", "22 03 00 00 00 00 00 80 BF"]
)
def test_deadbands_that_are_none_are_refused(objects: str) -> None:
    bench = deadband_bench()
    assert bench.one(f"C0 02 {objects}").iin & 0x0400
    assert bench.one("C1 01 22 01 06").body == octets("22 01 00 00 01 05 00 00 00")


def test_overflow_discards_the_oldest_of_its_class_and_says_so() -> None:
    bench = Bench(events_per_class=10)
    bench.put(BI, 0, 1)
    for n in range(13):
        bench.put(AI, 0, n + 1)
    assert bench.counts() == (1, 10, 0)
    assert bench.association.events.discarded == 3
    answer = bench.one("C0 01 20 02 06")
    assert answer.iin & OVERFLOW
    values = [answer.body[4 + 4 * n + 2] for n in range(10)]
    assert values == list(range(4, 14))
    bench.confirm(answer)
    assert not bench.one("C1 17").iin & OVERFLOW


def test_overflow_stands_until_a_response_that_said_it_is_confirmed() -> None:
    bench = Bench(events_per_class=10)
    for n in range(11):
        bench.put(AI, 0, n + 1)
    first = bench.one("C0 01 3C 03 07 02")
    assert bench.one("C1 17").iin & OVERFLOW  # not confirmed yet
    answer = bench.one("C2 01 3C 03 07 02")
    bench.confirm(answer)
    assert not bench.one("C3 17").iin & OVERFLOW
    assert first.iin & OVERFLOW


def test_overflow_stands_while_there_is_no_room() -> None:
    bench = Bench(events_per_class=10)
    for n in range(11):
        bench.put(AI, 0, n + 1)
    answer = bench.one("C0 01 3C 02 06")  # class 1 has none: nothing leaves
    assert answer.wants_confirmation
    bench.confirm(answer)
    assert bench.one("C1 17").iin & OVERFLOW


def test_a_loss_after_the_response_is_still_told() -> None:
    bench = Bench(events_per_class=10)
    for n in range(11):
        bench.put(AI, 0, n + 1)
    answer = bench.one("C0 01 3C 03 06")
    bench.put(AI, 0, 99)  # one more is lost before the confirmation
    bench.confirm(answer)
    assert bench.counts() == (0, 1, 0)
    assert bench.one("C1 17").iin & OVERFLOW


def test_a_batch_larger_than_the_buffer_keeps_its_newest() -> None:
    bench = Bench([PointSetup(AI, n, 2) for n in range(50)], events_per_class=10)
    bench.put(AI, 3, 1)
    bench.put(AI, np.arange(50), 2)
    assert bench.counts() == (0, 10, 0)
    assert bench.association.events.discarded == 41
    body = bench.one("C0 01 20 02 06").body
    assert [body[4 + 4 * n] for n in range(10)] == list(range(40, 50))


def test_many_events_keep_their_order_over_fragments_and_confirmations() -> None:
    bench = Bench([PointSetup(AI, n, 1 + n % 3) for n in range(9)])
    generator = np.random.default_rng(7)
    wanted = []
    for n in range(3000):
        index = int(generator.integers(9))
        bench.put(AI, index, n + 1, time_ms=UTC_MS + n)
        wanted.append((index, n + 1))
    got: list[tuple[int, int]] = []
    (answer,) = bench.ask(f"C0 01 {ALL_EVENTS}")
    while True:
        (count,) = struct.unpack_from("<B", answer.body, 3)
        at = 0
        while at < len(answer.body):
            count, at = answer.body[at + 3], at + 4
            for _ in range(count):
                index, _flags, value = struct.unpack_from("<BBi", answer.body, at)
                got.append((index, value))
                at += 12
        following = bench.confirm(answer)
        if answer.control & 0x40:
            break
        (answer,) = following
    assert got == wanted
    assert bench.counts() == (0, 0, 0)


def test_event_memory_is_bounded() -> None:
    bench = Bench(events_per_class=100)
    for n in range(1000):
        bench.put(AI, np.arange(5), n + 1)
        bench.database.set_string(0, str(n).encode(), 0)
    events = bench.association.events
    assert bench.counts() == (0, 100, 100)
    assert len(events._strings) == 100
    assert all(len(ring._rows) <= 200 for ring in events._rings.values())
