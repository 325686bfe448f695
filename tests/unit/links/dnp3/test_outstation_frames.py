"""Frames of long fragments, whose CRCs are computed all at once, against the book."""

from __future__ import annotations

import random

import pytest

from gateway.links.dnp3.frames import user_data
from tests.unit.links.dnp3.outstation_bench import unframe


@pytest.mark.parametrize("size", [1, 16, 248, 249, 250, 497, 498, 499, 747, 2048, 10_000])
def test_a_fragment_in_frames(size: int) -> None:
    fragment = random.Random(size).randbytes(size)
    stream, following = user_data(fragment, 1, 1024, from_master=False, first_sequence=60)
    frames = unframe(stream)  # checks every CRC by the bit
    assert b"".join(payload[1:] for _, payload in frames) == fragment
    count = -(-size // 249)
    heads = [payload[0] for _, payload in frames]
    assert [head & 0x3F for head in heads] == [(60 + n) % 64 for n in range(count)]
    assert [bool(head & 0x40) for head in heads] == [n == 0 for n in range(count)]
    assert [bool(head & 0x80) for head in heads] == [n == count - 1 for n in range(count)]
    assert all(len(payload) == 250 for _, payload in frames[:-1])
    assert following == (60 + count) % 64
