"""READ: classes, groups, variations, every qualifier, several fragments."""

from __future__ import annotations

import math

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
    Bench,
    octets,
)

RESTART, UNKNOWN, PARAMETER, NO_FUNC = 0x0080, 0x0200, 0x0400, 0x0100


def test_class_0_reads_every_point_in_its_own_variation(bench: Bench) -> None:
    bench.put(BI, 1, 1)
    bench.put(DBI, 1, 2)
    bench.put(BO, 2, 1)
    bench.put(CTR, 0, 258)
    bench.put(AI, 4, -2)
    bench.put(AO, 1, 7)
    bench.database.set_string(0, b"ab", 0)
    answer = bench.one("C0 01 3C 01 06")
    assert answer.control == 0xC0
    assert answer.function == 0x81
    assert answer.body == octets(
        "01 02 00 00 04  01 81 01 01 01"  # g1v2, 0..4: flags, state in bit 7
        "03 02 00 00 01  01 81"  # g3v2: state in bits 6 and 7
        "0A 02 00 00 02  01 01 81"
        "14 01 00 00 02  01 02 01 00 00  01 00 00 00 00  01 00 00 00 00"
        "1E 01 00 00 04  01 00 00 00 00  01 00 00 00 00  01 00 00 00 00  01 00 00 00 00"
        "01 FE FF FF FF"
        "28 01 00 00 02  01 00 00 00 00  01 07 00 00 00  01 00 00 00 00"
        "6E 02 00 00 00  61 62"  # g110: the variation is the length
    )


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("1E 02 00 01 02", "1E 02 00 01 02  01 0B 00  01 0C 00"),  # start-stop, one octet
        ("1E 02 01 01 00 02 00", "1E 02 00 01 02  01 0B 00  01 0C 00"),  # two octets
        ("1E 02 06", "1E 02 00 00 04  01 0A 00  01 0B 00  01 0C 00  01 0D 00  01 0E 00"),  # all
        ("1E 02 07 02", "1E 02 00 00 01  01 0A 00  01 0B 00"),  # the first two
        ("1E 02 08 02 00", "1E 02 00 00 01  01 0A 00  01 0B 00"),
        ("1E 02 17 02 03 00", "1E 02 17 02  03 01 0D 00  00 01 0A 00"),  # by index, as asked
        ("1E 02 28 01 00 04 00", "1E 02 28 01 00  04 00 01 0E 00"),
    ],
)
def test_every_qualifier_reads_static_objects(bench: Bench, header: str, body: str) -> None:
    for n in range(5):
        bench.put(AI, n, 10 + n)
    answer = bench.one(f"C3 01 {header}")
    assert answer.sequence == 3
    assert answer.body == octets(body)
    assert answer.iin & 0xFF00 == 0


@pytest.mark.parametrize(
    ("variation", "objects"),
    [
        (1, "01 2A 00 00 00"),
        (2, "01 2A 00"),
        (3, "2A 00 00 00"),
        (4, "2A 00"),
        (5, "01 00 00 28 42"),
        (6, "01 00 00 00 00 00 00 45 40"),
    ],
)
def test_analog_variations(bench: Bench, variation: int, objects: str) -> None:
    bench.put(AI, 0, 42)
    answer = bench.one(f"C0 01 1E 0{variation} 00 00 00")
    assert answer.body == octets(f"1E 0{variation} 00 00 00 {objects}")


@pytest.mark.parametrize(
    ("kind", "group", "asked", "given"),
    [(BI, 1, 1, 2), (DBI, 3, 1, 2), (BO, 10, 1, 2), (CTR, 20, 5, 1), (CTR, 20, 6, 2),
     (AI, 30, 3, 1), (AI, 30, 4, 2)],
)  # fmt: skip
def test_a_variation_without_flags_is_not_used_for_what_is_not_good(
    bench: Bench, kind, group: int, asked: int, given: int
) -> None:
    good = bench.one(f"C0 01 {group:02X} {asked:02X} 00 00 00")
    assert good.body[1] == asked
    bench.put(kind, 0, 1, flags=0x05)  # ONLINE, COMM_LOST
    lost = bench.one(f"C1 01 {group:02X} {asked:02X} 00 00 00")
    assert lost.body[:2] == bytes((group, given))
    assert lost.body[5] & 0x05 == 0x05


def test_packed_bits(bench: Bench) -> None:
    bench.put(BI, [0, 3], 1)
    assert bench.one("C0 01 01 01 06").body == octets("01 01 00 00 04 09")
    assert bench.one("C1 01 01 01 00 03 04").body == octets("01 01 00 03 04 01")
    bench.put(DBI, 0, 1)
    bench.put(DBI, 1, 2)
    assert bench.one("C2 01 03 01 06").body == octets("03 01 00 00 01 09")  # 01, 10


def test_what_a_variation_cannot_hold_goes_out_over_range(bench: Bench) -> None:
    bench.put(AI, 0, 40_000)
    assert bench.one("C0 01 1E 02 00 00 00").body == octets("1E 02 00 00 00 21 FF 7F")
    bench.put(AI, 0, math.nan, flags=0x02)
    assert bench.one("C1 01 1E 01 00 00 00").body == octets("1E 01 00 00 00 02 00 00 00 00")


@pytest.mark.parametrize(
    ("header", "iin", "empty"),
    [
        ("1E 01 00 03 09", PARAMETER, False),  # past the last point: those there are
        ("1E 01 00 07 09", PARAMETER, True),
        ("1E 01 17 02 01 63", PARAMETER, False),
        ("1E 09 06", UNKNOWN, True),  # no such variation
        ("63 01 06", UNKNOWN, True),  # no such group
        ("3C 05 06", UNKNOWN, True),  # no such class
        ("0C 01 06", UNKNOWN, True),  # a control cannot be read
        ("3C 02 00 00 04", PARAMETER, True),  # a class has no range
        ("20 00 00 00 04", PARAMETER, True),  # nor have events
        ("3C 01 07 02", PARAMETER, True),  # nor is class 0 counted
        ("1E 01 5B 01", PARAMETER, True),  # free format
        ("1E 01 03 00", PARAMETER, True),  # a qualifier nobody speaks
        ("1E 01 00 04 03", PARAMETER, True),  # ends before it begins
        ("1E 01 00 04", PARAMETER, True),  # cut off
        ("", PARAMETER, True),
    ],
)
def test_what_cannot_be_read_is_said(bench: Bench, header: str, iin: int, empty: bool) -> None:
    answer = bench.one(f"C0 01 {header}")
    assert answer.iin == RESTART | iin
    assert (answer.body == b"") == empty


def test_an_unknown_object_costs_only_itself(bench: Bench) -> None:
    answer = bench.one("C0 01 63 01 06 0A 02 00 00 00")
    assert answer.body == octets("0A 02 00 00 00 01")
    assert answer.iin == RESTART | UNKNOWN


def test_points_that_are_not_installed_are_unknown() -> None:
    bench = Bench([PointSetup(BI, 0)])
    assert bench.one("C0 01 1E 00 06").iin & UNKNOWN
    assert bench.one("C1 01 20 00 06").iin & UNKNOWN


def test_indices_need_not_follow_each_other() -> None:
    bench = Bench([PointSetup(AI, n) for n in (3, 4, 300, 7)])
    body = bench.one("C0 01 1E 02 06").body
    assert body == octets(
        "1E 02 00 03 04 01 00 00 01 00 00  1E 02 00 07 07 01 00 001E 02 01 2C 01 2C 01 01 00 00"
    )
    answer = bench.one("C1 01 1E 02 01 04 00 2C 01")  # gaps inside are no error
    assert answer.iin == RESTART
    assert answer.body == octets(
        "1E 02 00 04 04 01 00 00  1E 02 00 07 07 01 00 00  1E 02 01 2C 01 2C 01 01 00 00"
    )


def test_each_point_has_its_own_variation() -> None:
    bench = Bench(
        [PointSetup(AI, 0, static=2), PointSetup(AI, 1, static=2), PointSetup(AI, 2, static=5)]
    )
    body = bench.one("C0 01 3C 01 06").body
    assert body == octets("1E 02 00 00 01 01 00 00 01 00 00  1E 05 00 02 02 01 00 00 00 00")


def test_time_and_indications_can_be_read(bench: Bench) -> None:
    assert bench.one("C0 01 32 01 07 01").body == octets(f"32 01 07 01 {TIME}")
    assert bench.one("C1 01 50 01 00 00 0F").body == octets("50 01 00 00 0F 80 00")


def test_an_unsupported_function_is_said(bench: Bench) -> None:
    for function in ("0B", "0F", "19", "1E", "63"):  # freeze at time, initialise, open, ...
        assert bench.one(f"C0 {function}").iin == RESTART | NO_FUNC


@pytest.mark.parametrize("fragment", ["C0", "40 01 3C 01 06", "80 01 3C 01 06", "D0 01 3C 01 06"])
def test_what_is_no_request_is_not_answered(bench: Bench, fragment: str) -> None:
    assert bench.ask(fragment) == []


def test_a_long_answer_comes_in_fragments_that_wait_for_each_other() -> None:
    bench = Bench([PointSetup(AI, n) for n in range(1000)])
    (answer,) = bench.ask("CE 01 3C 01 06")
    assert answer.control == 0xAE  # FIR, CON, sequence 14
    bodies, sequences = [answer.body], [answer.sequence]
    while not answer.control & 0x40:
        assert bench.ask(f"{0xC0 | (answer.sequence + 3) % 16:02X} 00") == []  # a wrong one
        (answer,) = bench.confirm(answer)
        bodies.append(answer.body)
        sequences.append(answer.sequence)
    assert sequences == [14, 15, 0]
    assert not answer.control & 0xA0  # not first, nothing left to confirm
    points = 0
    for body in bodies:
        assert len(body) + 4 <= 2048
        start, stop = body[3] | body[4] << 8, body[5] | body[6] << 8
        if body[2] == 0:
            start, stop = body[3], body[4]
        assert start == points
        points = stop + 1
    assert points == 1000


def test_an_answer_nobody_confirms_is_given_up() -> None:
    bench = Bench([PointSetup(AI, n) for n in range(1000)])
    first = bench.one("C0 01 3C 01 06")
    bench.wait(5.1)
    assert bench.confirm(first) == []


def test_a_lost_fragment_is_sent_again() -> None:
    bench = Bench([PointSetup(AI, n) for n in range(1000)])
    first = bench.one("C0 01 3C 01 06")
    (second,) = bench.confirm(first)
    assert bench.confirm(first) == [second]


def test_another_request_ends_an_answer_on_its_way() -> None:
    bench = Bench([PointSetup(AI, n) for n in range(1000)])
    first = bench.one("C0 01 3C 01 06")
    bench.one("C1 17")
    assert bench.confirm(first) == []


def test_static_values_are_those_of_the_moment_they_were_asked_for() -> None:
    bench = Bench([PointSetup(AI, n, 2) for n in range(1000)])
    first = bench.one("C0 01 3C 01 06")
    bench.put(AI, 999, 77)
    answer = first
    while not answer.control & 0x40:
        (answer,) = bench.confirm(answer)
    assert answer.body.endswith(octets("01 00 00 00 00"))
    assert answer.iin & 0x04  # and the change waits as an event


def test_a_read_repeated_octet_for_octet_repeats_an_answer_that_waits() -> None:
    bench = Bench()
    bench.put(AI, 0, 5)
    first = bench.one("C0 01 3C 03 06")
    bench.put(AI, 0, 6)
    assert bench.one("C0 01 3C 03 06") == first
    bench.confirm(first)
    assert bench.counts() == (0, 1, 0)


def test_a_flood_of_headers_is_refused(bench: Bench) -> None:
    headers = "1E 01 06 " * 600
    answer = bench.one(f"C0 01 {headers}")
    assert answer.iin & PARAMETER
    assert bench.one("C1 01 " + "3C 02 06 " * 40).iin & PARAMETER
