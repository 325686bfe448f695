"""WRITE, time, freezes, class assignment, restarts, broadcasts, indications."""

from __future__ import annotations

import struct

import pytest

from tests.unit.links.dnp3.outstation_bench import AI, BI, CTR, TIME, UTC_MS, Bench, octets

ALL_STATIONS, NEED_TIME, LOCAL, TROUBLE, RESTART = 0x01, 0x10, 0x20, 0x40, 0x80
NO_FUNC, UNKNOWN, PARAMETER = 0x0100, 0x0200, 0x0400


def indications(bench: Bench, sequence: int = 15) -> int:
    return bench.one(f"{0xC0 | sequence:02X} 01 01 00 00 00 00").iin


def test_restart_is_cleared_by_writing_it(bench: Bench) -> None:
    assert indications(bench) & RESTART
    assert bench.one("C1 02 50 01 00 07 07 00").iin & RESTART == 0
    assert indications(bench) & RESTART == 0


@pytest.mark.parametrize(
    "objects",
    [
        "50 01 00 07 07 01",  # set it
        "50 01 00 04 04 00",  # another indication
        "50 01 00 00 07 00",  # several
        "50 01 17 01 07 00",  # by index: packed bits have none
    ],
)
def test_no_other_indication_is_written(bench: Bench, objects: str) -> None:
    answer = bench.one(f"C1 02 {objects}")
    assert answer.iin & (PARAMETER | UNKNOWN)
    assert answer.iin & RESTART


@pytest.mark.parametrize(
    ("objects", "iin"),
    [
        ("", PARAMETER),
        ("1E 01 00 00 00 01 00 00 00 00", UNKNOWN),  # an input is not written
        ("63 01 06", UNKNOWN),
        ("32 01 07 02", PARAMETER),  # two times announced, none there
        ("32 01 07 01 00 00", PARAMETER),  # cut off
        ("6E 02 00 00 00 61 62", UNKNOWN),
    ],
)
def test_what_cannot_be_written_is_said(bench: Bench, objects: str, iin: int) -> None:
    assert bench.one(f"C0 02 {objects}").iin & 0xFF00 == iin


def test_a_request_that_cannot_be_read_to_its_end_does_nothing(bench: Bench) -> None:
    assert bench.one(f"C0 02 50 01 00 07 07 00 32 01 07 01 {TIME[:5]}").iin & RESTART


def test_time_is_written(bench: Bench) -> None:
    bench = Bench(time_sync_interval_s=60.0)
    assert indications(bench) & NEED_TIME
    assert bench.one(f"C0 02 32 01 07 01 {TIME}").iin & NEED_TIME == 0
    assert bench.times == [UTC_MS]
    bench.wait(59)
    assert indications(bench) & NEED_TIME == 0
    bench.wait(2)
    assert indications(bench) & NEED_TIME


def test_lan_time_counts_from_the_recorded_moment(bench: Bench) -> None:
    assert bench.one(f"C0 02 32 03 07 01 {TIME}").iin & PARAMETER  # nothing recorded
    bench.one("C1 18")
    bench.wait(0.25)
    assert bench.one(f"C2 02 32 03 07 01 {TIME}").iin & 0xFF00 == 0
    assert bench.times == [UTC_MS + 250]
    assert bench.one(f"C3 02 32 03 07 01 {TIME}").iin & PARAMETER  # used up


def test_delay_is_measured(bench: Bench) -> None:
    assert bench.one("C0 17").body == octets("34 02 07 01 00 00")
    assert bench.one("C1 17 01 02 06").iin & PARAMETER


@pytest.mark.parametrize(("function", "code"), [("0D", 13), ("0E", 14)])
def test_restarts_answer_with_a_delay_and_start_again(function: str, code: int) -> None:
    bench = Bench(allow_restart=True, restart_delay_ms=1500)
    bench.one("C0 02 50 01 00 07 07 00")
    answer = bench.one(f"C1 {function}")
    assert answer.body == octets("34 02 07 01 DC 05")
    assert answer.iin & RESTART == 0
    assert bench.restarts == [code]
    assert indications(bench) & RESTART
    assert bench.one(f"C2 {function} 01 02 06").iin & PARAMETER


def test_a_restart_is_refused_where_it_is_not_allowed(bench: Bench) -> None:
    assert bench.one("C0 0D").iin & NO_FUNC
    assert bench.restarts == []


def test_local_and_trouble_are_indicated(bench: Bench) -> None:
    bench.local = bench.trouble = True
    assert indications(bench) & 0x60 == LOCAL | TROUBLE
    bench.local = bench.trouble = False
    assert indications(bench) & 0x60 == 0


@pytest.mark.parametrize(
    ("request_", "frozen", "left"),
    [
        ("07 14 00 06", [7, 8, 9], [7, 8, 9]),
        ("07 14 00 00 01 02", [0, 8, 9], [7, 8, 9]),
        ("07 14 00 17 01 02", [0, 0, 9], [7, 8, 9]),
        ("09 14 00 06", [7, 8, 9], [0, 0, 0]),
        ("08 14 00 06", [7, 8, 9], [7, 8, 9]),
        ("0A 14 00 01 00 00 00 00", [7, 0, 0], [0, 8, 9]),
    ],
)
def test_freezes(bench: Bench, request_: str, frozen: list[int], left: list[int]) -> None:
    for n in range(3):
        bench.put(CTR, n, 7 + n)
    replies = bench.ask(f"C0 {request_}")
    silent = request_[:2] in ("08", "0A")
    assert [answer.body for answer in replies] == ([] if silent else [b""])
    body = bench.one("C1 01 15 09 06").body if 0 not in frozen else bench.one("C1 01 15 01 06").body
    values = struct.unpack("<3I", body[5:]) if body[1] == 9 else [
        struct.unpack_from("<I", body, 6 + 5 * n)[0] for n in range(3)
    ]  # fmt: skip
    assert list(values) == frozen
    counters = bench.one("C2 01 14 05 06").body
    assert list(struct.unpack("<3I", counters[5:])) == left


def test_a_cleared_counter_goes_on_from_zero(bench: Bench) -> None:
    bench.put(CTR, 0, 100)
    bench.one("C0 09 14 00 06")
    bench.put(CTR, 0, 130)
    assert bench.one("C1 01 14 05 00 00 00").body == octets("14 05 00 00 00 1E 00 00 00")
    bench.put(CTR, 0, 20)  # the device's own counter went over its end: 2**32 - 80
    assert bench.one("C2 01 14 05 00 00 00").body == octets("14 05 00 00 00 B0 FF FF FF")


def test_frozen_counters_with_their_time(bench: Bench) -> None:
    bench.put(CTR, 0, 7)
    bench.one("C0 07 14 00 00 00 00")
    assert bench.one("C1 01 15 05 00 00 00").body == octets(f"15 05 00 00 00 01 07 00 00 00 {TIME}")


def test_frozen_counters_have_events_once_assigned(bench: Bench) -> None:
    bench.put(CTR, 0, 7)
    assert bench.one("C0 16 3C 02 06 15 00 06").iin & 0xFF00 == 0
    bench.one("C1 07 14 00 00 00 00")
    assert bench.one("C2 01 17 00 06").body == octets(f"17 05 17 01 00 01 07 00 00 00 {TIME}")


@pytest.mark.parametrize(
    ("request_", "iin"),
    [
        ("07 1E 00 06", UNKNOWN),  # analogs do not freeze here
        ("07", PARAMETER),
        ("07 14 00 00 02 09", PARAMETER),
        ("0B 32 02 07 01 00 00 00 00 00 00 00 00 00 00 14 00 06", NO_FUNC),  # at a time
    ],
)
def test_freezes_that_cannot_be_done_do_nothing(bench: Bench, request_: str, iin: int) -> None:
    bench.put(CTR, 2, 7)
    assert bench.one(f"C0 {request_}").iin & 0xFF00 == iin
    body = bench.one("C1 01 15 01 00 02 02").body
    assert body == octets("15 01 00 02 02 06 00 00 00 00")  # RESTART, COMM_LOST: never frozen


def test_a_freeze_at_a_time_without_answer_is_silent(bench: Bench) -> None:
    assert bench.ask("C0 0C 14 00 06") == []


def test_classes_are_assigned(bench: Bench) -> None:
    # class 3 for analogs 0..1, class 0 for binary 2
    assert bench.one("C0 16 3C 04 06 1E 00 00 00 01 3C 01 06 01 00 17 01 02").iin & 0xFF00 == 0
    bench.put(AI, [0, 1, 2], 5)
    bench.put(BI, [1, 2], 1)
    assert bench.counts() == (1, 1, 2)


def test_what_changed_while_nobody_asked_is_no_event(bench: Bench) -> None:
    bench.one("C0 16 3C 01 06 1E 00 06")
    bench.put(AI, 0, 5)
    bench.one("C1 16 3C 03 06 1E 00 06")
    bench.put(AI, 0, 5)
    assert bench.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("objects", "iin"),
    [
        ("", PARAMETER),
        ("1E 00 06", PARAMETER),  # no class before it
        ("3C 02 06 20 00 06", UNKNOWN),  # events have no class of their own
        ("3C 02 06 1E 00 00 00 63", PARAMETER),
        ("3C 02 00 00 01 1E 00 06", PARAMETER),
    ],
)
def test_classes_that_cannot_be_assigned(bench: Bench, objects: str, iin: int) -> None:
    assert bench.one(f"C0 16 {objects}").iin & iin


NO_CONFIRM, CONFIRM, OPTIONAL = 0xFFFD, 0xFFFE, 0xFFFF


@pytest.mark.parametrize("address", [NO_CONFIRM, CONFIRM, OPTIONAL])
def test_a_broadcast_is_done_and_not_answered(bench: Bench, address: int) -> None:
    bench.put(CTR, 0, 7)
    assert bench.ask("C0 07 14 00 06", to=address) == []
    assert bench.ask("C1 02 50 01 00 07 07 00", to=address) == []
    answer = bench.one("C2 01 15 01 00 00 00")
    assert answer.body == octets("15 01 00 00 00 01 07 00 00 00")
    assert answer.iin == ALL_STATIONS | 0x08
    assert answer.wants_confirmation == (address == CONFIRM)


@pytest.mark.parametrize("address", [NO_CONFIRM, OPTIONAL])
def test_a_broadcast_is_told_once(bench: Bench, address: int) -> None:
    bench.ask("C0 18", to=address)
    assert indications(bench, 1) & ALL_STATIONS
    assert indications(bench, 2) & ALL_STATIONS == 0


def test_a_broadcast_that_wants_it_is_told_until_confirmed(bench: Bench) -> None:
    bench.ask("C0 18", to=CONFIRM)
    assert indications(bench, 1) & ALL_STATIONS
    answer = bench.one("C2 17")
    assert answer.iin & ALL_STATIONS
    assert answer.wants_confirmation
    bench.confirm(answer)
    assert indications(bench, 3) & ALL_STATIONS == 0


def test_a_broadcast_control_or_read_does_nothing(bench: Bench) -> None:
    for function in ("05", "06", "03"):
        request = f"C0 {function} 0C 01 17 01 00 03 01 00 00 00 00 00 00 00 00 00"
        assert bench.ask(request, to=OPTIONAL) == []
    assert bench.ask("C0 01 3C 01 06", to=OPTIONAL) == []
    assert bench.session.request is None


def test_a_broadcast_link_reset_or_status_is_not_answered(bench: Bench) -> None:
    from tests.unit.links.dnp3.outstation_bench import link_frame

    for control in (0xC0, 0xC9):
        assert bench.send(link_frame(control, to=OPTIONAL)) == []


def test_a_request_sent_again_is_answered_again_and_done_once(bench: Bench) -> None:
    bench.put(CTR, 0, 7)
    first = bench.one("C0 09 14 00 06")
    assert bench.one("C0 09 14 00 06") == first
    assert bench.one("C1 01 15 01 00 00 00").body == octets("15 01 00 00 00 01 07 00 00 00")
    assert bench.session.counts["requests repeated"] == 1
