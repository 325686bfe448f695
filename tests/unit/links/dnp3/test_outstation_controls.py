"""Select, operate, direct operate: what must match, in what time, with which status."""

from __future__ import annotations

import struct

import pytest

from gateway.model.command import CommandMode, CommandStatus
from tests.unit.links.dnp3.outstation_bench import AI, Bench, octets

SUCCESS, TIMEOUT, NO_SELECT, FORMAT, UNSUPPORTED = "00", "01", "02", "03", "04"
#: g12v1, index 1, LATCH_ON, once, no times; the status follows
LATCH = "0C 01 17 01 01 03 01 00 00 00 00 00 00 00 00"
#: g41v2, index 1, 42
SET = "29 02 17 01 01 2A 00"


@pytest.fixture
def bench() -> Bench:
    return Bench(select_timeout_s=5.0)


def crob(code: int, count: int = 1, on_ms: int = 0, off_ms: int = 0, index: int = 1) -> str:
    return "0C 01 17 01 " + struct.pack("<BBBII", index, code, count, on_ms, off_ms).hex()


def select(bench: Bench, control: str = LATCH, sequence: int = 0) -> None:
    assert bench.one(f"C{sequence:X} 03 {control} 00").body == octets(f"{control} 00")


@pytest.mark.parametrize("control", [LATCH, SET])
def test_select_then_operate(bench: Bench, control: str) -> None:
    select(bench, control)
    assert bench.ask(f"C1 04 {control} 00") == []  # under way
    request = bench.session.request
    assert request is not None
    assert request.mode is CommandMode.SELECT_BEFORE_OPERATE
    assert [(c.index, c.value) for c in request.controls] == [(1, 42.0 if control == SET else 1.0)]
    (answer,) = bench.complete(CommandStatus.SUCCESS)
    assert answer.control == 0xC1
    assert answer.body == octets(f"{control} 00")


def refused(bench: Bench, request: str, status: str) -> None:
    answer = bench.one(request)
    assert answer.body[-1] == int(status, 16)
    assert bench.session.request is None


@pytest.mark.parametrize(
    "operate",
    [
        crob(3, index=2),  # another point
        crob(4),  # another code
        crob(3, on_ms=100),  # other times
        crob(3, off_ms=100),
        crob(3, count=2),
        "0C 01 28 01 00 01 00 03 01 00 00 00 00 00 00 00 00",  # another qualifier
        SET,  # another object
    ],
)
def test_an_operate_that_differs_from_its_select_has_none(bench: Bench, operate: str) -> None:
    select(bench)
    refused(bench, f"C1 04 {operate} 00", NO_SELECT)
    refused(bench, f"C2 04 {LATCH} 00", NO_SELECT)  # and the selection is over


@pytest.mark.parametrize("sequence", [0, 2, 15])
def test_an_operate_follows_its_select_at_once(bench: Bench, sequence: int) -> None:
    select(bench)
    refused(bench, f"C{sequence:X} 04 {LATCH} 00", NO_SELECT)


def test_sequences_wrap(bench: Bench) -> None:
    select(bench, sequence=15)
    assert bench.ask(f"C0 04 {LATCH} 00") == []
    assert bench.session.request is not None


def test_an_operate_without_select(bench: Bench) -> None:
    refused(bench, f"C0 04 {LATCH} 00", NO_SELECT)


def test_an_operate_too_late(bench: Bench) -> None:
    select(bench)
    bench.wait(5.01)
    refused(bench, f"C1 04 {LATCH} 00", TIMEOUT)


def test_an_operate_just_in_time(bench: Bench) -> None:
    select(bench)
    bench.wait(4.99)
    assert bench.ask(f"C1 04 {LATCH} 00") == []


@pytest.mark.parametrize("between", ["C1 01 3C 02 06", "C1 17", f"C1 05 {SET} 00", "C1 63", "C1"])
def test_anything_between_ends_the_selection(bench: Bench, between: str) -> None:
    select(bench)
    bench.ask(between)
    if bench.session.request is not None:
        bench.complete(CommandStatus.SUCCESS)
    refused(bench, f"C2 04 {LATCH} 00", NO_SELECT)


def test_a_broadcast_between_ends_the_selection(bench: Bench) -> None:
    select(bench)
    bench.ask("C0 18", to=0xFFFF)
    refused(bench, f"C1 04 {LATCH} 00", NO_SELECT)


def test_a_select_sent_again_does_not_prolong_it(bench: Bench) -> None:
    select(bench)
    bench.wait(3)
    select(bench)
    bench.wait(3)
    refused(bench, f"C1 04 {LATCH} 00", TIMEOUT)


def test_an_operate_sent_again_acts_once(bench: Bench) -> None:
    select(bench)
    bench.ask(f"C1 04 {LATCH} 00")
    first = bench.complete(CommandStatus.SUCCESS)
    assert bench.ask(f"C1 04 {LATCH} 00") == first
    assert bench.session.request is None


def test_an_operate_sent_again_while_under_way_acts_once(bench: Bench) -> None:
    bench.ask(f"C1 05 {LATCH} 00")
    assert bench.ask(f"C1 05 {LATCH} 00") == []
    first, second = bench.complete(CommandStatus.SUCCESS)
    assert first == second
    assert bench.session.request is None


def test_a_selection_is_over_with_its_connection(bench: Bench) -> None:
    select(bench)
    bench.session.disconnect()
    bench.session.connect()
    refused(bench, f"C1 04 {LATCH} 00", NO_SELECT)


def test_a_refused_select_cannot_be_operated(bench: Bench) -> None:
    bench.verdict = CommandStatus.OUT_OF_RANGE
    refused(bench, f"C0 03 {LATCH} 00", "0C")
    bench.verdict = CommandStatus.SUCCESS
    refused(bench, f"C1 04 {LATCH} 00", NO_SELECT)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0x03, 1.0), (0x04, 0.0), (0x01, 1.0), (0x41, 1.0), (0x81, 0.0)],
    ids=["latch on", "latch off", "pulse on", "close", "trip"],
)
def test_control_codes(bench: Bench, code: int, value: float) -> None:
    bench.ask(f"C0 05 {crob(code, on_ms=100, off_ms=100)} 00")
    request = bench.session.request
    assert request is not None
    assert request.mode is CommandMode.DIRECT_OPERATE
    assert request.controls[0].value == value


@pytest.mark.parametrize(
    ("control", "status"),
    [
        (crob(0x00) + "00", UNSUPPORTED),  # no operation
        (crob(0x02) + "00", UNSUPPORTED),  # pulse off
        (crob(0x13) + "00", UNSUPPORTED),  # queue
        (crob(0x23) + "00", UNSUPPORTED),  # clear
        (crob(0x43) + "00", UNSUPPORTED),  # latch and close
        (crob(0xC1) + "00", FORMAT),  # reserved trip-close code
        (crob(0x0F) + "00", FORMAT),  # reserved operation
        (crob(0x03, count=0) + "00", UNSUPPORTED),
        (crob(0x03, count=2) + "00", UNSUPPORTED),
        (crob(0x03) + "07", FORMAT),  # the status is ours
        (crob(0x03, index=9) + "00", UNSUPPORTED),  # no such point
        ("29 02 17 01 09 2A 00 00", UNSUPPORTED),
        ("29 03 17 01 01 00 00 C0 7F 00", "0C"),  # not a number
        ("29 04 17 01 01 00 00 00 00 00 00 F0 7F 00", "0C"),  # infinite
    ],
)
@pytest.mark.parametrize("function", ["03", "05"])
def test_controls_that_are_refused(bench: Bench, function: str, control: str, status: str) -> None:
    answer = bench.one(f"C0 {function} {control}")
    assert answer.body == octets(control)[:-1] + octets(status)
    assert bool(answer.iin & 0x0400) == (status == UNSUPPORTED)
    assert bench.session.request is None


@pytest.mark.parametrize(
    ("objects", "value"),
    [
        ("29 01 17 01 01 FE FF FF FF 00", -2.0),
        ("29 02 17 01 01 FE FF 00", -2.0),
        ("29 03 17 01 01 00 00 C8 41 00", 25.0),
        ("29 04 28 01 00 01 00 00 00 00 00 00 00 39 40 00", 25.0),
    ],
)
def test_analog_outputs(bench: Bench, objects: str, value: float) -> None:
    bench.ask(f"C0 05 {objects}")
    request = bench.session.request
    assert request is not None
    assert request.controls[0].value == value
    (answer,) = bench.complete(CommandStatus.SUCCESS)
    assert answer.body == octets(objects)


def test_several_controls_in_one_request(bench: Bench) -> None:
    objects = (
        "0C 01 28 02 00  00 00 03 01 00 00 00 00 00 00 00 00 00"
        "09 00 03 01 00 00 00 00 00 00 00 00 00"
        "29 02 17 01 01 2A 00 00"
    )
    bench.ask(f"C0 05 {objects}")
    request = bench.session.request
    assert request is not None
    assert request.due == (0, 2)
    (answer,) = bench.complete(CommandStatus.SUCCESS, CommandStatus.HARDWARE_ERROR)
    wanted = bytearray(octets(objects))
    wanted[5 + 13 + 12], wanted[-1] = 4, 6
    assert answer.body == bytes(wanted)


def test_too_many_controls_are_none(bench: Bench) -> None:
    bench = Bench(max_controls=2)
    one = "03 01 00 00 00 00 00 00 00 00"
    answer = bench.one(f"C0 05 0C 01 17 03 00 {one} 00 01 {one} 00 02 {one} 00")
    assert [answer.body[4 + 12 * n + 11] for n in range(3)] == [8, 8, 8]
    assert bench.session.request is None


def test_local_and_inhibited(bench: Bench) -> None:
    bench.local = True
    refused(bench, f"C0 05 {LATCH} 00", "07")
    assert bench.one("C1 17").iin & 0x20
    bench.local, bench.inhibited = False, True
    refused(bench, f"C2 05 {LATCH} 00", "0A")


@pytest.mark.parametrize(
    ("request_", "iin"),
    [
        ("05", 0x0400),
        ("05 1E 02 17 01 01 01 2A 00", 0x0200),  # an input
        ("05 0C 01 00 01 01 03 01 00 00 00 00 00 00 00 00 00", 0x0400),  # by range
        ("05 0C 01 07 01 03 01 00 00 00 00 00 00 00 00 00", 0x0400),  # without index
        ("05 0C 01 17 02 01 03 01 00 00 00 00 00 00 00 00 00", 0x0400),  # fewer than said
        ("05 0C 09 17 01 01 03", 0x0200),
    ],
)
def test_what_is_no_control_request(bench: Bench, request_: str, iin: int) -> None:
    answer = bench.one(f"C0 {request_}")
    assert answer.body == b""
    assert answer.iin & 0xFF00 == iin


def test_without_acknowledgement_it_is_done_and_not_answered(bench: Bench) -> None:
    assert bench.ask(f"C0 06 {LATCH} 00") == []
    assert bench.session.request is not None
    assert bench.complete(CommandStatus.SUCCESS) == []
    assert bench.ask("C1 06 0C 01 17 05") == []  # nor is nonsense
    assert bench.ask("C2 06") == []


def test_other_requests_wait_behind_a_control(bench: Bench) -> None:
    bench.put(AI, 0, 5)
    bench.ask(f"C0 05 {LATCH} 00")
    assert bench.ask("C1 01 1E 02 00 00 00") == []
    assert bench.ask("C2 17") == []
    answers = bench.complete(CommandStatus.SUCCESS)
    assert [answer.sequence for answer in answers] == [0, 1, 2]
    assert answers[1].body == octets("1E 02 00 00 00 01 05 00")


def test_the_queue_behind_a_control_is_bounded_and_the_newest_are_answered() -> None:
    bench = Bench(max_waiting=2)
    bench.ask(f"C0 05 {LATCH} 00")
    for n in range(1, 6):
        bench.ask(f"C{n} 17")
    assert [answer.sequence for answer in bench.complete(CommandStatus.SUCCESS)] == [0, 4, 5]
    assert bench.session.counts["requests not taken"] == 3


def test_a_control_that_takes_too_long_has_an_unknown_end(bench: Bench) -> None:
    bench = Bench(control_timeout_s=3.0)
    bench.ask(f"C0 05 {LATCH} 00")
    serial = bench.session.request.serial
    assert bench.session.deadline() == bench.now_s + 3.0
    (answer,) = bench.wait(3.0)
    assert answer.body[-1] == CommandStatus.UNDEFINED
    assert not bench.session.complete(serial, [CommandStatus.SUCCESS], bench.now_s, bench.utc_ms)
    assert bench.session.outgoing() == b""


def test_a_delay_measurement_says_how_long_it_waited(bench: Bench) -> None:
    bench.ask(f"C0 05 {LATCH} 00")
    bench.ask("C1 17")
    bench.now_s += 0.3
    answers = bench.complete(CommandStatus.SUCCESS)
    assert answers[1].body == octets("34 02 07 01 2C 01")


def test_nobody_is_answered_after_the_connection(bench: Bench) -> None:
    bench.ask(f"C0 05 {LATCH} 00")
    serial = bench.session.request.serial
    bench.session.disconnect()
    assert not bench.session.complete(serial, [CommandStatus.SUCCESS], bench.now_s, bench.utc_ms)
