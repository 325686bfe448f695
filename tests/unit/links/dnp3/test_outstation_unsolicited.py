"""Unsolicited responses: announcement, classes, hold, confirmation, retries, pauses, reads."""

from __future__ import annotations

import math

import pytest

from gateway.links.dnp3.outstation_config import UnsolicitedConfig
from tests.unit.links.dnp3.outstation_bench import AI, BI, TIME, Answer, Bench, octets

ENABLE, DISABLE = "14", "15"
ALL_CLASSES = "3C 02 06 3C 03 06 3C 04 06"
SETTINGS = UnsolicitedConfig(
    hold_s=0.5, hold_count=3, timeout_s=2, retries=2, pause_min_s=10, pause_max_s=40
)


@pytest.fixture
def bench() -> Bench:
    return Bench(reports=SETTINGS)


def announced(bench: Bench) -> Bench:
    (null,) = bench.tick()
    bench.confirm(null)
    return bench


def enabled(bench: Bench) -> Bench:
    announced(bench)
    bench.one(f"C0 {ENABLE} {ALL_CLASSES}")
    return bench


def the(answers: list[Answer]) -> Answer:
    (answer,) = answers
    return answer


def test_a_start_is_announced_with_an_empty_response(bench: Bench) -> None:
    null = the(bench.tick())
    assert null.control == 0xF0  # FIR, FIN, CON, UNS, sequence 0
    assert null.function == 0x82
    assert null.iin & 0x80
    assert null.body == b""
    bench.confirm(null)
    assert bench.tick() == []
    assert bench.session.deadline() == math.inf


def test_nothing_else_goes_out_before_the_announcement_is_confirmed(bench: Bench) -> None:
    bench.tick()
    bench.one(f"C0 {ENABLE} {ALL_CLASSES}")
    bench.put(BI, 0, 1)
    assert the(bench.wait(2)).body == b""


def test_events_wait_for_company_and_then_go(bench: Bench) -> None:
    enabled(bench)
    bench.put(BI, 0, 1)
    assert bench.tick() == []
    assert bench.session.deadline() == bench.now_s + 0.5
    assert bench.wait(0.4) == []
    bench.put(AI, 0, 5)
    answer = the(bench.wait(0.1))
    assert answer.control == 0xF1
    assert answer.body == octets(f"02 02 17 01 00 81 {TIME}  20 03 17 01 00 01 05 00 00 00 {TIME}")
    assert answer.iin & 0x0E == 0
    bench.confirm(answer)
    assert bench.counts() == (0, 0, 0)


def test_enough_events_do_not_wait(bench: Bench) -> None:
    enabled(bench)
    bench.put(AI, [0, 1, 2], 5)
    assert the(bench.tick()).body[3] == 3


def test_only_enabled_classes_go(bench: Bench) -> None:
    announced(bench)
    bench.one(f"C0 {ENABLE} 3C 03 06")
    bench.put(BI, 0, 1)
    assert bench.wait(1) == []
    bench.put(AI, 0, 1)
    bench.tick()
    answer = the(bench.wait(1))
    assert answer.body[0] == 0x20
    assert answer.iin & 0x02  # class 1 waits to be asked for
    bench.confirm(answer)
    bench.one(f"C1 {DISABLE} 3C 03 06")
    bench.put(AI, 0, 2)
    assert bench.wait(1) == []
    assert bench.counts() == (1, 1, 0)


def test_what_was_there_before_it_was_enabled_goes_too(bench: Bench) -> None:
    announced(bench)
    bench.put(AI, [0, 1, 2], 5)
    bench.one(f"C0 {ENABLE} {ALL_CLASSES}")
    assert the(bench.tick()).body[3] == 3


def sent(bench: Bench) -> Answer:
    enabled(bench)
    bench.put(AI, [0, 1, 2], 5)
    return the(bench.tick())


def test_one_at_a_time_and_repeated_octet_for_octet(bench: Bench) -> None:
    first = sent(bench)
    bench.put(AI, [0, 1, 2], 6)
    assert bench.wait(1.9) == []
    assert bench.wait(0.1) == [first]
    assert bench.wait(2) == [first]
    bench.confirm(first)
    second = the(bench.tick())
    assert second.sequence == first.sequence + 1
    assert second.body[:4] == first.body[:4]


def test_a_wrong_confirmation_confirms_nothing(bench: Bench) -> None:
    first = sent(bench)
    bench.ask(f"{0xD0 | (first.sequence + 1):02X} 00")  # another sequence
    bench.ask(f"{0xC0 | first.sequence:02X} 00")  # not unsolicited
    assert bench.counts() == (0, 3, 0)
    bench.confirm(first)
    assert bench.counts() == (0, 0, 0)


def test_after_its_retries_it_pauses_longer_each_time(bench: Bench) -> None:
    first = sent(bench)
    assert bench.wait(2) == [first]
    assert bench.wait(2) == [first]
    assert bench.wait(2) == []
    assert bench.session.unsolicited.given_up == 1
    assert bench.session.deadline() == bench.now_s + 10
    assert bench.wait(9.9) == []
    again = the(bench.wait(0.2))
    assert again.body == first.body
    assert again.sequence != first.sequence
    for _ in range(3):
        bench.wait(2)
    assert bench.session.deadline() == bench.now_s + 20


def test_a_read_waits_while_one_is_unconfirmed(bench: Bench) -> None:
    first = sent(bench)
    assert bench.ask("C1 01 3C 03 06") == []
    answer = the(bench.confirm(first))
    assert answer.control == 0xC1
    assert answer.body == b""  # the events are confirmed, nothing is sent twice


def test_a_read_is_answered_once_the_wait_is_over(bench: Bench) -> None:
    first = sent(bench)
    assert bench.ask("C1 01 3C 03 06") == []
    answer = the(bench.wait(2))
    assert answer.control == 0xE1
    assert answer.body == first.body
    bench.confirm(first)  # too late
    assert bench.counts() == (0, 3, 0)
    bench.confirm(answer)
    assert bench.counts() == (0, 0, 0)


def test_a_second_read_takes_the_place_of_the_first(bench: Bench) -> None:
    first = sent(bench)
    bench.ask("C1 01 3C 03 06")
    bench.ask("C2 01 1E 02 00 00 00")
    assert the(bench.confirm(first)).sequence == 2


def test_other_requests_do_not_wait(bench: Bench) -> None:
    sent(bench)
    assert bench.one("C1 17").function == 0x81


def test_nothing_goes_unasked_while_an_answer_waits_for_its_confirmation(bench: Bench) -> None:
    enabled(bench)
    bench.put(AI, 0, 1)
    answer = bench.one("C1 01 3C 03 06")
    bench.put(AI, [0, 1, 2], 5)
    assert bench.wait(1) == []
    bench.confirm(answer)
    assert the(bench.tick()).function == 0x82


def test_a_new_connection_starts_with_what_was_not_confirmed(bench: Bench) -> None:
    first = sent(bench)
    bench.session.disconnect()
    assert bench.wait(60) == []
    assert bench.session.deadline() == math.inf
    bench.session.connect()
    again = the(bench.tick())
    assert again.body == first.body


def test_a_restart_is_announced_again_and_enables_nothing(bench: Bench) -> None:
    enabled(bench)
    bench.station.restarted()
    null = the(bench.tick())
    assert null.body == b""
    assert null.iin & 0x80
    bench.confirm(null)
    bench.put(AI, [0, 1, 2], 5)
    assert bench.wait(1) == []


@pytest.mark.parametrize(
    ("objects", "iin"),
    [("", 0x0400), ("3C 01 06", 0x0200), ("1E 00 06", 0x0200), ("3C 02 07 01", 0x0400)],
)
def test_what_cannot_be_enabled(bench: Bench, objects: str, iin: int) -> None:
    assert bench.one(f"C0 {ENABLE} 3C 03 06 {objects}").iin & 0xFF00 == (iin if objects else 0)
    assert bench.one(f"C1 {ENABLE} {objects}").iin & 0xFF00 == iin
    assert bench.session.unsolicited.enabled == (set() if objects else {2})


def test_a_master_that_may_not_have_them_gets_none() -> None:
    bench = Bench()
    assert bench.tick() == []
    assert bench.one(f"C0 {ENABLE} {ALL_CLASSES}").iin & 0x0100
    assert bench.session.deadline() == math.inf


def test_overflow_is_told_unasked_too() -> None:
    bench = enabled(Bench(reports=SETTINGS, events_per_class=10))
    for n in range(12):
        bench.put(AI, 0, n + 1)
    answer = the(bench.tick())
    assert answer.iin & 0x0800
    bench.confirm(answer)
    assert bench.one("C5 17").iin & 0x0800 == 0


def test_an_hour_without_a_link_loses_nothing() -> None:
    bench = enabled(Bench(reports=SETTINGS, events_per_class=40_000))
    bench.session.disconnect()
    for n in range(36_000):  # ten a second
        bench.put(AI, 0, n + 1, time_ms=1_700_000_000_000 + 100 * n)
    bench.session.connect()
    got = []
    while answers := bench.tick() or bench.wait(1):
        (answer,) = answers
        count = answer.body[3]
        for n in range(count):
            at = 4 + 12 * n
            value = int.from_bytes(answer.body[at + 2 : at + 6], "little")
            got.append((value, int.from_bytes(answer.body[at + 6 : at + 12], "little")))
        bench.confirm(answer)
    assert got == [(n + 1, 1_700_000_000_000 + 100 * n) for n in range(36_000)]
