"""Ten thousand mutated requests: no crash, no growth, and the next good one is answered.

After the families of A. Crain and C. Sistrunk's published findings on DNP3 masters and
outstations (2013): counts and ranges that promise more than is there, unknown objects and
functions, truncated headers, free format, transport games, frames with wrong lengths.
"""

from __future__ import annotations

import random

import pytest

from gateway.links.dnp3.outstation_config import UnsolicitedConfig
from gateway.model.command import CommandStatus
from tests.fuzz.dnp3.attacks import GOOD
from tests.unit.links.dnp3.outstation_bench import AI, BI, Bench, link_frame, octets

CASES = 10_000
#: Requests to mutate: the good ones of the attacks, and those that end, restart or say nothing.
SEEDS = [
    *GOOD,
    *(
        octets(text)
        for text in (
            "C3 01 02 00 07 05",
            "CD 17",
            "CE 18",
            "CF 0D",
            "C0 00",
            "D0 00",
            "C1 01 6E 00 06 6F 00 06",
            "C1 06 0C 01 28 01 00 01 00 03 01 00 00 00 00 00 00 00 00 00",
        )
    ),
]


def mutated(generator: random.Random) -> bytes:
    """A request with some octets changed, cut, repeated or added."""
    fragment = bytearray(generator.choice(SEEDS))
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(fragment)) if fragment else 0
        what = generator.randrange(6)
        if what == 0 and fragment:
            fragment[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        elif what == 1 and fragment:
            fragment[at] ^= 1 << generator.randrange(8)
        elif what == 2:
            del fragment[at:]
        elif what == 3:
            fragment[at:at] = generator.randbytes(generator.randint(1, 8))
        elif what == 4:
            fragment += generator.choice(SEEDS)[2:]
        else:
            fragment += fragment[2:] * generator.randint(1, 20)
    return bytes(fragment[:2000])


def framed(fragment: bytes, generator: random.Random) -> bytes:
    """In frames, most of them sound."""
    stream = b""
    parts = [fragment[at : at + 249] for at in range(0, len(fragment), 249)] or [b""]
    first = generator.randrange(64)
    for number, part in enumerate(parts):
        head = (first + number) % 64 | 0x40 * (number == 0) | 0x80 * (number == len(parts) - 1)
        if generator.random() < 0.02:
            head ^= 1 << generator.randrange(8)
        control = 0xC4 if generator.random() < 0.95 else generator.randrange(256)
        to = 1024 if generator.random() < 0.95 else generator.choice((0xFFFD, 0xFFFE, 0xFFFF, 0))
        stream += link_frame(control, bytes((head,)) + part, to)
    if generator.random() < 0.05:
        damaged = bytearray(stream)
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        stream = bytes(damaged)
    return stream


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_does_no_harm(seed: int) -> None:
    generator = random.Random(seed)
    bench = Bench(reports=UnsolicitedConfig(), allow_restart=True, events_per_class=50)
    session = bench.session
    for number in range(CASES // 4):
        stream = framed(mutated(generator), generator)
        session.receive(stream, bench.now_s, bench.utc_ms)
        assert len(session.outgoing()) < 100_000
        if session.request is not None and generator.random() < 0.5:
            due = len(session.request.due)
            session.complete(
                session.request.serial, [CommandStatus.SUCCESS] * due, bench.now_s, bench.utc_ms
            )
        if number % 10 == 0:
            bench.now_s += generator.random() * 20
            session.tick(bench.now_s, bench.utc_ms)
            session.outgoing()
            bench.put(AI, generator.randrange(5), number)
            bench.put(BI, generator.randrange(5), number % 2)
    assert len(session._waiting) <= 8
    assert sum(bench.counts()) <= 150
    bench.now_s += 1000  # whatever was waited for is over
    session.tick(bench.now_s, bench.utc_ms)
    session.outgoing()
    session.receive(link_frame(0xC9) * 40, bench.now_s, bench.utc_ms)  # ends a cut-off frame
    session.outgoing()
    session.disconnect()
    session.connect()
    answer = bench.one("C5 01 0A 02 00 00 00")
    assert answer.body[:2] == octets("0A 02")
