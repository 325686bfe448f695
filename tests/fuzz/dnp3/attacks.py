"""What a hostile master may send: whole families of frames, after Crain and Sistrunk.

Their findings of 2013 on some thirty stacks are families, not frames: counts and ranges that
promise more than is there, objects and functions nobody has, truncated headers, transport and
confirmation games, frames with lengths that are not true. Every CRC is right unless its family
says otherwise, so that each gets as deep as it can.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.unit.links.dnp3.outstation_bench import crc, link_frame, octets

US, MASTER = 1024, 1
#: Unconfirmed user data from a master.
DATA = 0xC4
GOOD = [
    octets(text)
    for text in (
        "C0 01 3C 02 06 3C 03 06 3C 04 06 3C 01 06",
        "C1 01 1E 01 00 00 04",
        "C2 01 1E 02 28 02 00 01 00 04 00",
        "C4 03 0C 01 17 01 01 03 01 00 00 00 00 00 00 00 00 00",
        "C5 04 0C 01 17 01 01 03 01 00 00 00 00 00 00 00 00 00",
        "C6 05 29 02 17 01 01 2A 00 00",
        "C7 02 50 01 00 07 07 00",
        "C8 02 32 01 07 01 00 68 E5 CF 8B 01",
        "C9 02 22 01 00 00 00 07 00",
        "CA 16 3C 04 06 1E 00 00 00 01 3C 01 06 01 00 17 01 02",
        "CB 07 14 00 06",
        "CC 14 3C 02 06 3C 03 06 3C 04 06",
    )
]
EVERY_OCTET = range(256)
#: Functions that carry objects, and so walk over whatever is behind the header.
WALKING = (1, 2, 3, 4, 5, 6, 7, 9, 11, 20, 22)
#: What is installed or at least known, so that a header is not refused at its group already.
KNOWN = (
    (1, 1), (1, 2), (2, 2), (3, 1), (4, 2), (10, 2), (12, 1), (20, 1), (21, 1), (22, 5), (30, 1),
    (30, 5), (32, 7), (34, 1), (40, 1), (41, 1), (50, 1), (51, 1), (60, 1), (60, 2), (80, 1),
    (110, 0), (110, 4), (111, 0),
)  # fmt: skip
EDGES = (0, 1, 4, 5, 0x7F, 0x80, 0xFE, 0xFF)
WIDE_EDGES = (0, 1, 4, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
HUGE_EDGES = (0, 1, 4, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


@dataclass(frozen=True)
class Attack:
    """What goes out in one breath.

    Attributes:
        family: what it is of.
        stream: octets.
        cut: its last frame is not whole.
    """

    family: str
    stream: bytes
    cut: bool = False


def framed(fragment: bytes, *, first: int = 0, to: int = US, control: int = DATA) -> bytes:
    """A fragment in sound frames and segments."""
    parts = [fragment[at : at + 249] for at in range(0, len(fragment), 249)] or [b""]
    stream = b""
    for number, part in enumerate(parts):
        head = (first + number) % 64 | 0x40 * (number == 0) | 0x80 * (number == len(parts) - 1)
        stream += link_frame(control, bytes((head,)) + part, to)
    return stream


def request(rng: random.Random, function: int, body: bytes) -> bytes:
    return framed(bytes((0xC0 | rng.randrange(16), function)) + body, first=rng.randrange(64))


def functions(rng: random.Random) -> Iterator[Attack]:
    """Every function code, bare, with a good body, with a body of another request."""
    for code in EVERY_OCTET:
        for body in (b"", GOOD[0][2:], rng.choice(GOOD)[2:], rng.randbytes(rng.randrange(1, 40))):
            yield Attack("functions", request(rng, code, body))


def objects(rng: random.Random) -> Iterator[Attack]:
    """Every group, every variation and every qualifier, behind the functions that walk."""
    for group in EVERY_OCTET:
        for function in (1, 2, 5):
            head = bytes((group, rng.choice(EVERY_OCTET), rng.choice((0, 1, 6, 7, 0x17, 0x28))))
            yield Attack("objects", request(rng, function, head + rng.randbytes(rng.randrange(12))))
    for variation in EVERY_OCTET:
        for group in rng.sample([group for group, _ in KNOWN], 3):
            head = bytes((group, variation, rng.choice((0, 6, 7, 0x17))))
            yield Attack("objects", request(rng, rng.choice(WALKING), head + rng.randbytes(4)))
    for qualifier in EVERY_OCTET:
        for group, variation in rng.sample(KNOWN, 4):
            head = bytes((group, variation, qualifier)) + rng.randbytes(rng.randrange(12))
            yield Attack("objects", request(rng, rng.choice(WALKING), head))


def counts_and_ranges(rng: random.Random) -> Iterator[Attack]:
    """Ranges that wrap around, stop before they start, or promise all there could be."""
    while True:
        group, variation = rng.choice(KNOWN)
        qualifier = rng.choice((0x00, 0x01, 0x02, 0x07, 0x08, 0x09, 0x17, 0x28, 0x39, 0x5B))
        width = {0x01: "H", 0x08: "H", 0x28: "H", 0x02: "I", 0x09: "I", 0x39: "I"}
        kind = width.get(qualifier, "B")
        edges = {"B": EDGES, "H": WIDE_EDGES, "I": HUGE_EDGES}[kind]
        numbers = 2 if qualifier in (0x00, 0x01, 0x02) else 1
        span = struct.pack(f"<{numbers}{kind}", *rng.choices(edges, k=numbers))
        rest = rng.randbytes(rng.choice((0, 1, 2, 11, 12, 200, 1500)))
        body = bytes((group, variation, qualifier)) + span + rest
        yield Attack("counts and ranges", request(rng, rng.choice(WALKING), body))


def truncated(rng: random.Random) -> Iterator[Attack]:
    """Every good request, cut behind each of its octets."""
    for good in GOOD:
        for length in range(len(good)):
            yield Attack("truncated", framed(good[:length], first=rng.randrange(64)))


def lengths(rng: random.Random) -> Iterator[Attack]:
    """Every length octet in a header whose CRC is right, and something else behind it."""
    for length in EVERY_OCTET:
        head = bytes((0x05, 0x64, length, DATA)) + struct.pack("<HH", US, MASTER)
        whole = link_frame(DATA, rng.randbytes(min(max(length - 5, 0), 250)))
        bare = link_frame(DATA)
        fake = head + crc(head)
        yield Attack("lengths", fake + rng.randbytes(rng.randrange(60)), cut=True)
        yield Attack("lengths", fake, cut=True)
        yield Attack("lengths", fake + bare * 3, cut=True)
        yield Attack("lengths", whole)
        yield Attack("lengths", whole[: rng.randrange(len(whole))], cut=True)


def damaged(rng: random.Random) -> Iterator[Attack]:
    """One bit wrong, or noise between frames."""
    while True:
        stream = bytearray(framed(rng.choice(GOOD)))
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.5:
            stream[0:0] = rng.choice((b"\x05", b"\x05\x64", b"\x05\x05\x64\x64", rng.randbytes(20)))
        yield Attack("damaged", bytes(stream), cut=True)


def controls(rng: random.Random) -> Iterator[Attack]:
    """Floods of controls: in one request, in one burst, with counts that lie."""
    relay = octets("03 01 00 00 00 00 00 00 00 00 00")
    while True:
        count = rng.choice((1, 16, 17, 100, 127))
        points = b"".join(bytes((rng.randrange(256),)) + relay for _ in range(count))
        told = rng.choice((count, count, 0, 255))
        body = bytes((12, 1, 0x17, told)) + points
        function = rng.choice((3, 4, 5, 5, 6))
        if rng.random() < 0.2:
            body = body * rng.randrange(2, 5)
        if rng.random() < 0.5:
            yield Attack("controls", request(rng, function, body[:3000]))
        else:
            one = octets("0C 01 17 01 00") + relay
            burst = [request(rng, function, one) for _ in range(rng.randrange(2, 30))]
            yield Attack("controls", b"".join(burst))


def confirmations(rng: random.Random) -> Iterator[Attack]:
    """Confirmations nobody waits for, and answers from who should ask."""
    while True:
        heads = [
            bytes((rng.choice((0xC0, 0xD0, 0x00, 0xF0, 0xE0)) | rng.randrange(16), code))
            for code in rng.choices((0, 0, 0, 129, 130, 131, 1), k=rng.randrange(1, 20))
        ]
        stream = b"".join(framed(head + rng.choice((b"", b"\0\0", GOOD[0][2:]))) for head in heads)
        yield Attack("confirmations", stream)


def segments(rng: random.Random) -> Iterator[Attack]:
    """Transport games: never final, never first, jumps, thousands of segments of an octet."""
    while True:
        count = rng.choice((1, 2, 5, 20, 300))
        style = rng.randrange(5)
        stream = b""
        for number in range(count):
            first, final = number == 0, number == count - 1
            head = number % 64
            if style == 0:
                head |= 0x40  # always the first
            elif style == 1:
                head |= 0x80 * final  # never a first
            elif style == 2:
                head |= 0x40 * first  # never a last
            elif style == 3:
                head = rng.randrange(256)
            else:
                head |= 0x40 * first | 0x80 * final
            part = rng.randbytes(1 if count > 20 else rng.choice((0, 1, 249)))
            stream += link_frame(DATA, bytes((head,)) + part)
        yield Attack("segments", stream)


def links(rng: random.Random) -> Iterator[Attack]:
    """Every control octet: functions, directions, frame counts that do not alternate."""
    for control in EVERY_OCTET:
        yield Attack("links", link_frame(control))
        yield Attack("links", framed(rng.choice(GOOD), control=control))
        again = link_frame(control, b"\xc0" + rng.choice(GOOD))
        yield Attack("links", link_frame(0xC0) + again * 3)


def addresses(rng: random.Random) -> Iterator[Attack]:
    """To the self address, to reserved ones, to everybody; from somebody else, from ourselves."""
    while True:
        to = rng.choice((0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0xFFF0, 0xFFFB, 0, US, MASTER))
        of = rng.choice((MASTER, MASTER, MASTER, US, 2, 0xFFFC, 0xFFFD, 0xFFFF, 0))
        payload = b"\xc0" + rng.choice(GOOD)
        yield Attack("addresses", link_frame(rng.choice((DATA, 0xC3, 0xF3, 0xC0)), payload, to, of))


def floods(rng: random.Random) -> Iterator[Attack]:
    """Reads of everything, many times over, in one request or one after the other."""
    everything = b"".join(bytes((60, variation, 6)) for variation in (2, 3, 4, 1))
    while True:
        if rng.random() < 0.5:
            head = rng.choice((everything, octets("1E 00 06"), octets("1E 01 00 00 04")))
            yield Attack("floods", request(rng, 1, head * rng.randrange(1, 160)))
        else:
            burst = [request(rng, 1, everything) for _ in range(rng.randrange(2, 40))]
            yield Attack("floods", b"".join(burst))


def mutations(rng: random.Random) -> Iterator[Attack]:
    """Good requests with some octets changed, added or repeated."""
    while True:
        fragment = bytearray(rng.choice(GOOD))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(fragment))
            what = rng.randrange(4)
            if what == 0:
                fragment[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            elif what == 1:
                fragment[at:at] = rng.randbytes(rng.randint(1, 8))
            elif what == 2:
                fragment += rng.choice(GOOD)[2:]
            else:
                fragment += fragment[2:] * rng.randint(1, 20)
        yield Attack("mutations", framed(bytes(fragment[:2500]), first=rng.randrange(64)))


#: Families that are gone through to their end, and those that never end.
FINITE: tuple[Callable[[random.Random], Iterator[Attack]], ...] = (
    functions, objects, truncated, lengths, links,
)  # fmt: skip
ENDLESS: tuple[Callable[[random.Random], Iterator[Attack]], ...] = (
    counts_and_ranges, damaged, controls, confirmations, segments, addresses, floods, mutations,
)  # fmt: skip


def attacks(rng: random.Random, count: int) -> list[Attack]:
    """So many attacks in no order: the finite families whole, the others in equal parts."""
    made = [attack for family in FINITE for attack in family(rng)]
    assert len(made) < count
    sources = [family(rng) for family in ENDLESS]
    made += [next(sources[at % len(sources)]) for at in range(count - len(made))]
    rng.shuffle(made)
    return made
