"""What a lying outstation may answer: families of lies about the request under way.

Every frame is sound unless its family says otherwise, so that each lie reaches the session.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.links.dnp3 import frames
from tests.unit.links.dnp3.master_desk import analogs, binary_event
from tests.unit.links.dnp3.outstation_bench import link_frame

MASTER, OUTSTATION = 1, 10
READ, SELECT, OPERATE, DIRECT, DELAY_MEASURE = 1, 3, 4, 5, 23
RESPONSE, REPORT = 129, 130
RESTART, NEED_TIME, OVERFLOW, EVENTS = 0x0080, 0x0010, 0x0800, 0x000E
TIMES_MS = (0, 1, 946_684_800_000, 4_102_444_800_000, 2**47, 2**48 - 1)
ODD_FLOATS = (
    *(struct.pack("<f", value) for value in (float("nan"), float("inf"), -float("inf"), 3.4e38)),
    b"\x01\x00\xa0\x7f",  # a NaN that signals
)


@dataclass(frozen=True)
class Asked:
    """A request of the master's, in parts."""

    sequence: int
    function: int
    body: bytes


def asked(octets: bytes) -> list[Asked]:
    """The requests in what a master sent; it sends each in one segment."""
    made = frames.FrameReader().feed(octets)
    fragments = [frame.payload[1:] for frame in made if frame.function == frames.UNCONFIRMED]
    return [Asked(one[0] & 0x0F, one[1], one[2:]) for one in fragments if one[1] != 0]


class Tongue:
    """Puts fragments into frames, each with the next transport sequence."""

    def __init__(self) -> None:
        self._sequence = 0

    def say(
        self, body: bytes, sequence: int, *, control: int = 0xC0, function: int = RESPONSE,
        iin: int = 0,
    ) -> bytes:  # fmt: skip
        head = struct.pack("<BBH", control | sequence & 0x0F, function, iin & 0xFFFF)
        return self.frame(head + body)

    def frame(self, fragment: bytes) -> bytes:
        octets, self._sequence = frames.user_data(
            fragment, MASTER, OUTSTATION, from_master=False, first_sequence=self._sequence
        )
        return octets


def truth(request: Asked, value: int) -> bytes:
    """The body of an honest answer; analogs 0 to 3 read ``value`` and what follows it."""
    wanted = {request.body[at] for at in range(0, len(request.body), 3)}
    if request.function == READ and (b"\x3c\x01\x06" in request.body or 30 in wanted):
        return analogs(value, value + 1, value + 2, value + 3)
    if request.function in (SELECT, OPERATE, DIRECT):
        return request.body
    return bytes((52, 2, 7, 1, 0, 0)) if request.function == DELAY_MEASURE else b""


Lie = Callable[[random.Random, Tongue, Asked], bytes]


def wrong_sequence(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    return tongue.say(truth(request, -1), request.sequence + rng.randrange(1, 16))


def never_final(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    said = tongue.say(analogs(-1), request.sequence, control=0xA0)
    for count in range(1, rng.randrange(1, 20)):
        said += tongue.say(analogs(-1), request.sequence + count, control=0x20)
    return said


def broken_series(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """FIR and FIN as they must not be, sequences that jump."""
    return b"".join(
        tongue.say(
            analogs(-1),
            request.sequence + rng.choice((0, 0, 1, rng.randrange(16))),
            control=rng.choice((0x00, 0x40, 0x80, 0xC0)) | rng.choice((0, 0x20)),
        )
        for _ in range(rng.randrange(1, 8))
    )


def flood(rng: random.Random, tongue: Tongue, _request: Asked) -> bytes:
    """Reports without end, asked for or not, fresh and repeated."""
    first = rng.randrange(16)
    return b"".join(
        tongue.say(
            binary_event(0, 1, 1_700_000_000_000 + count // 2),
            first + count // rng.choice((1, 2)),
            control=0xF0,
            function=REPORT,
            iin=rng.choice((0, EVENTS)),
        )
        for count in range(rng.randrange(1, 40))
    )


def unknown_size(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    head = bytes((rng.choice((70, 83, 86, 99, 120, 200)), rng.randrange(256), 0x17, 1, 0))
    body = rng.choice((b"", analogs(-1), binary_event(1, 1, 1_700_000_000_000)))
    return tongue.say(body + head + rng.randbytes(8) + analogs(-1), request.sequence)


def counts_that_do_not_fit(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    group, variation = rng.choice(((30, 1), (30, 5), (1, 1), (2, 2), (32, 7), (110, 200), (12, 1)))
    span = rng.choice(
        (b"\x00\x00\xff", b"\x01\x00\x00\xff\xff", b"\x00\x05\x01", b"\x28\xff\xff", b"\x07\xff",
         b"\x17\xff", b"\x08\xff\xff", b"\x02" + b"\0" * 4 + b"\xff" * 4, b"\x5b\xff\xff\xff")
    )  # fmt: skip
    body = bytes((group, variation)) + span + rng.randbytes(rng.randrange(40))
    return tongue.say(body, request.sequence, control=rng.choice((0xC0, 0xE0)))


def odd_numbers(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """Floats that are no numbers; times that cannot be."""
    floats = bytes((30, 5, 0, 0, 3)) + b"".join(b"\x01" + rng.choice(ODD_FLOATS) for _ in range(4))
    event = bytes((32, 7, 0x17, 1, 0, 1)) + rng.choice(ODD_FLOATS)
    event += rng.choice(TIMES_MS).to_bytes(6, "little")
    common = bytes((51, rng.choice((1, 2)), 7, 1)) + rng.choice(TIMES_MS).to_bytes(6, "little")
    relative = common + bytes((2, 3, 0x17, 1, 0, 0x81, 0xFF, 0xFF))
    return tongue.say(rng.choice((floats, event, relative)), request.sequence)


def indications(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """Restarted for ever, lost events for ever, needs the time for ever, anything, by turns."""
    some = (RESTART, RESTART, NEED_TIME, OVERFLOW, EVENTS, 0xFFFF, rng.randrange(0x10000))
    return tongue.say(truth(request, -1), request.sequence, iin=rng.choice(some))


def refusal(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    return tongue.say(b"", request.sequence, iin=rng.choice((0x0100, 0x0200, 0x0400, 0x1000)))


def other_answers(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """The answer to another kind of request; a request in place of an answer."""
    body = rng.choice(
        (bytes((52, 2, 7, 1, 0xFF, 0xFF)), bytes((12, 1, 0x17, 1, 0)) + bytes(11),
         bytes((50, 1, 7, 1)) + bytes(6), bytes((80, 1, 0, 7, 7, 0)), b"")
    )  # fmt: skip
    function = rng.choice((RESPONSE, RESPONSE, REPORT, 131, READ, 0, 0xFF))
    return tongue.say(body, request.sequence, function=function)


def altered(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """The truth with one octet changed: in an echo, something else than was asked for."""
    body = bytearray(truth(request, -1))
    if body:
        body[rng.randrange(len(body))] ^= rng.randrange(1, 256)
    return tongue.say(bytes(body), request.sequence)


def random_fragment(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    head = struct.pack("<BBH", 0xC0 | request.sequence, RESPONSE, 0)
    return tongue.frame((head if rng.random() < 0.8 else b"") + rng.randbytes(rng.randrange(80)))


def link_games(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    """Any control octet, with and without data; frames of strangers; noise; one bit wrong."""
    style = rng.randrange(4)
    if style == 0:
        payload = b"\xc0" + struct.pack("<BBH", 0xC0 | request.sequence, RESPONSE, 0) + analogs(-1)
        control = rng.randrange(256)
        return link_frame(control, rng.choice((b"", payload)), MASTER, OUTSTATION) * 2
    if style == 1:
        to, of = rng.choice(((2, OUTSTATION), (MASTER, 11), (0xFFFF, OUTSTATION)))
        return link_frame(0x44, b"\xc0" + rng.randbytes(20), to, of)
    said = bytearray(tongue.say(truth(request, -1), request.sequence))
    if style == 2:
        return rng.randbytes(rng.randrange(1, 300)) + bytes(said)
    said[rng.randrange(len(said))] ^= 1 << rng.randrange(8)
    return bytes(said)


def segments(rng: random.Random, tongue: Tongue, _request: Asked) -> bytes:
    return b"".join(
        link_frame(0x44, bytes((rng.randrange(256),)) + rng.randbytes(8), MASTER, OUTSTATION)
        for _ in range(rng.randrange(1, 30))
    )


def cut_off(rng: random.Random, tongue: Tongue, request: Asked) -> bytes:
    said = tongue.say(truth(request, -1) + bytes(200), request.sequence)
    return said[: rng.randrange(1, len(said))]


def silence(_rng: random.Random, _tongue: Tongue, _request: Asked) -> bytes:
    return b""


LIES: Mapping[str, Lie] = MappingProxyType(
    {
        lie.__name__: lie
        for lie in (
            wrong_sequence, never_final, broken_series, flood, unknown_size,
            counts_that_do_not_fit, odd_numbers, indications, refusal, other_answers, altered,
            random_fragment, link_games, segments, cut_off, silence,
        )
    }
)  # fmt: skip
