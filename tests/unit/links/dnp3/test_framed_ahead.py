"""Fragments framed ahead are, octet for octet, those framed when they go out."""

from __future__ import annotations

import random

import pytest

from gateway.links.dnp3.frames import FramedAhead, user_data
from gateway.links.dnp3.northbound.database import PointSetup
from tests.unit.links.dnp3.outstation_bench import AI, Bench, link_frame, octets

HEADER = 4
GENERATOR = random.Random(5)
SERIES = {
    "of many points": [2044] * 25 + [400],
    "of any length": [245, 246, 247, 260, 494, 495, 2044, 1],
    "of small ones": [20, 30, 244],
    "of empty ones": [0, 0],
}


@pytest.mark.parametrize("sizes", SERIES.values(), ids=SERIES)
@pytest.mark.parametrize("first_sequence", [0, 60])
def test_what_was_framed_ahead_is_what_would_have_been(sizes: list[int], first_sequence: int):
    bodies = [GENERATOR.randbytes(size) for size in sizes]
    ahead = FramedAhead(bodies, 1, 1024, HEADER, first_sequence)
    sequence, taken = first_sequence, 0
    for body in bodies:
        fragment = GENERATOR.randbytes(HEADER) + body
        plain = user_data(fragment, 1, 1024, from_master=False, first_sequence=sequence)
        framed = ahead.take(fragment, sequence)
        assert framed in (plain, None)
        taken += framed is not None
        sequence = plain[1]
    assert taken == sum(size + HEADER > 249 for size in sizes)  # of one segment is none


def test_another_fragment_or_another_sequence_is_not_taken_for_it():
    bodies = [bytes(500), bytes(600)]
    head = bytes(HEADER)
    assert FramedAhead(bodies, 1, 1024, HEADER, 7).take(head + bytes(500), 8) is None
    assert FramedAhead(bodies, 1, 1024, HEADER, 7).take(head + bytes(501), 7) is None
    assert FramedAhead(bodies, 1, 1024, HEADER, 7).take(head + bytes(600), 7) is None


def test_a_long_answer_stays_whole_when_something_else_goes_out_in_between():
    """A link status and a repeated fragment; every CRC is checked on the way in."""
    bench = Bench([PointSetup(AI, n, 2, 1) for n in range(3000)], events_per_class=10)
    answer = bench.one("C0 01 3C 01 06")
    indices = 0
    for _ in range(20):
        if not answer.wants_confirmation:
            break
        indices += _count(answer.body)
        bench.send(link_frame(0xC9))
        again = bench.ask(f"{0xC0 | (answer.sequence - 1) % 16:02X} 00")  # the one before it
        assert [one.body for one in again] in ([], [answer.body])
        (answer,) = bench.confirm(answer)
    assert indices + _count(answer.body) == 3000


def _count(body: bytes) -> int:
    assert body[:3] == octets("1E 01 01")
    return int.from_bytes(body[5:7], "little") - int.from_bytes(body[3:5], "little") + 1
