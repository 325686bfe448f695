"""An outstation that lies: any octets leave the master alive, bounded, and able to go on."""

from __future__ import annotations

import random
import struct

from gateway.links.dnp3 import frames
from gateway.links.dnp3.frame_reader import FrameReader
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.master_link import MasterLink
from tests.unit.links.dnp3.master_desk import KINDS, analogs, binary_event, desk

CASES = 10_000
BODIES = [
    b"",
    analogs(1, 2, 3, 4),
    binary_event(1, 1, 1_700_000_000_000),
    bytes((51, 1, 7, 1)) + bytes(6) + bytes((2, 3, 0x17, 1, 3, 0x81, 1, 0)),
    bytes((110, 5, 0, 0, 1)) + b"0123456789",
    bytes((1, 1, 0, 0, 15, 0xA5, 0x5A)) + bytes((3, 1, 0, 0, 3, 0xE4)),
    bytes((30, 6, 0x28, 1, 0, 2, 0, 1)) + struct.pack("<d", float("nan")),
    bytes((30, 5, 0x17, 1, 2, 1)) + struct.pack("<f", float("inf")),
    bytes((12, 1, 0x17, 1, 3, 3, 1)) + bytes(9),
    bytes((52, 2, 7, 1, 0, 0)),
]


def lies(rng: random.Random, sequence: int) -> bytes:
    """A response that was good once."""
    control = rng.choice((0xC0, 0xE0, 0x80, 0xA0, 0xF0, rng.randrange(256) & 0xF0)) | sequence
    function = 130 if control & 0x10 else rng.choice((129, 129, 129, rng.randrange(256)))
    iin = rng.choice((0, 0x80, 0x10, 0x0800, 0x0200, rng.randrange(0x10000)))
    body = b"".join(rng.choices(BODIES, k=rng.randrange(4)))
    octets = bytearray(struct.pack("<BBH", control, function, iin) + body)
    for _ in range(rng.randrange(4)):
        octets[rng.randrange(len(octets))] = rng.randrange(256)
    return bytes(octets[: rng.randrange(len(octets) + 1)] if rng.random() < 0.1 else octets)


def test_ten_thousand_lies_and_the_truth_at_last(clock):
    rng = random.Random(1815)
    d = desk(clock, timeout_s=1.0, scans=((0.1, (1, 2, 3)), (5.0, (0,))), time_sync="non-lan")
    link = MasterLink(d.association, 1)
    d.start()
    transport, heard = 0, 0
    for _ in range(CASES):
        clock.advance(0.05)
        now = Now(clock.monotonic_s(), clock.utc_ms())
        d.association.tick(now)
        said = link.poll(now)
        heard += len(said)
        sequence = said[11] & 0x0F if len(said) > 12 else rng.randrange(16)
        octets, transport = frames.user_data(
            lies(rng, sequence), 1, 10, from_master=False, first_sequence=transport
        )
        if rng.random() < 0.02:  # frames without data, of any kind
            octets += frames.link_frame(
                rng.randrange(16), 1, 10, from_master=False, primary=rng.random() < 0.5
            )
        for frame in FrameReader().feed(octets):
            heard += len(link.receive(frame, now))
    assert heard < CASES * 300
    assert d.state.fragments > CASES / 2  # the lies were listened to
    assert min(d.state.events, d.state.malformed, d.state.restarts, d.state.losses) > 10
    # the next truth is taken
    d.association.disconnected()
    d.state.by_group = False
    d.start()
    assert [d.value(f"AI{at}") for at in range(4)] == [0, 1, 2, 3]
    assert len(d.store) == 4 * len(KINDS)


def test_an_answer_without_end_is_given_up(clock):
    d = desk(clock, scans=((100.0, (0,)),), unsolicited=())
    d.start()
    clock.advance(100.0)
    sequence = d.ask().sequence
    d.answer(analogs(1), final=False, con=True)
    for count in range(1, 10_000):
        if not d.association.is_busy:
            break
        d.answer(analogs(1), first=False, final=False, con=True, sequence=sequence + count)
    assert count < 5000
    assert d.association.next_request(d.now) is not None
