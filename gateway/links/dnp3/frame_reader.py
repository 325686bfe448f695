"""Data link frames out of a stream, two octets of a CRC at a time.

py1815's reader is right and takes one octet at a time, which costs more than the rest of a
10,000-point poll together; what a frame is stays its.
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray
from py1815 import crc, link

Frame = link.LinkFrame

_HEADER = struct.Struct("<5H")
_BLOCKS = struct.Struct("<9H")
_BLOCK = link.DATA_BLOCK_SIZE
#: Full frames side by side below which each is checked alone.
_FEW = 3
#: Octets that the length octet counts apart from user data.
_OVERHEAD = link.MIN_LENGTH
_INVERTED = 0xFFFF
#: Silence after which a sound header begins a new frame, whatever the one before still lacks.
_PAUSE_S = 0.5


#: The CRC register after one octet, by what its low octet held before XOR that octet.
_AFTER_OCTET = [crc.compute(bytes((octet,))) ^ _INVERTED for octet in range(256)]


def _crc_of_words() -> list[int]:
    """The CRC register after two octets, by what it held before XOR those octets."""
    octets = np.array(_AFTER_OCTET)
    register = np.arange(0x10000)
    for _ in range(2):
        register = (register >> 8) ^ octets[register & 0xFF]
    table: list[int] = register.tolist()
    return table


_AFTER = _crc_of_words()
_PAIRS = [struct.Struct(f"<{count}H") for count in range(_BLOCK // 2 + 1)]


def checksum(block: bytes) -> int:
    """CRC of at most 16 octets, as py1815 computes it an octet at a time."""
    register = 0
    for word in _PAIRS[len(block) // 2].unpack_from(block):
        register = _AFTER[register ^ word]
    if len(block) % 2:
        register = (register >> 8) ^ _AFTER_OCTET[(register ^ block[-1]) & 0xFF]
    return register ^ _INVERTED


def _crc_table() -> NDArray[np.uint16]:
    """What each pair of octets at each place of a full block adds to its CRC.

    A CRC without its final inversion is linear: that of a block is the XOR of what its octets
    have alone, and leading zero octets add nothing, so a shorter block goes at the end of one.
    """
    octets = np.zeros((_BLOCK, 256), dtype=np.uint16)
    for place in range(_BLOCK):
        behind = bytes(_BLOCK - 1 - place)
        octets[place] = [checksum(bytes((octet,)) + behind) ^ _INVERTED for octet in range(256)]
    pairs = octets[1::2, :, np.newaxis] ^ octets[::2, np.newaxis, :]  # the first octet is the low
    return pairs.reshape(-1)


_CRC_OF = _crc_table()
#: Where each pair's part of that table begins.
_PARTS = np.arange(_BLOCK // 2, dtype=np.intp) << 16


def checksums(blocks: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """CRCs of many blocks at once, shape (..., 16) to (...)."""
    sums: NDArray[np.uint16] = np.bitwise_xor.reduce(
        _CRC_OF.take(blocks.view("<u2") + _PARTS), axis=-1
    )
    return ~sums


class FrameReader:
    """Frames out of a stream; what is no frame is passed over and counted.

    A frame cut off by its sender does not swallow what comes next: after a pause, octets that
    begin with a sound header are taken for a new frame. A late rest of a frame that is still
    coming does not, so a slow line costs nothing.

    Attributes:
        frames: frames read.
        unframed: octets received that are in no frame: noise, bad CRCs, and a frame not yet whole.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._fed_s = -math.inf
        self.frames = 0
        self.unframed = 0

    def feed(self, data: bytes, now_s: float = 0.0) -> list[Frame]:
        """Frames that these octets complete; ``now_s`` is monotonic time."""
        paused, self._fed_s = now_s >= self._fed_s + _PAUSE_S, now_s
        if self._rest and paused and _begins_a_frame(data):
            self._rest = b""
        octets = self._rest + data if self._rest else bytes(data)
        found: list[Frame] = []
        used = 0
        at = octets.find(link.START)
        while at >= 0 and len(octets) - at >= link.HEADER_SIZE:
            if octets[at + 2] < _OVERHEAD or not _header_is_good(octets, at):
                # no header, so its length says nothing: the next one may be inside
                at = octets.find(link.START, at + len(link.START))
                continue
            count = octets[at + 2] - _OVERHEAD
            end = at + link.frame_size(count)
            if end > len(octets):
                break
            if count == link.MAX_USER_DATA:
                run = _full_frames(octets, at)
                if run:
                    found += run
                    used += len(run) * link.MAX_FRAME
                    at = octets.find(link.START, at + len(run) * link.MAX_FRAME)
                    continue
            payload = _payload(octets, at + link.HEADER_SIZE, count)
            if payload is not None:
                destination, source = struct.unpack_from("<HH", octets, at + 4)
                found.append(Frame(octets[at + 3], destination, source, payload))
                used += end - at
            at = octets.find(link.START, end)
        self._rest = octets[at:] if at >= 0 else _half_start(octets)
        self.frames += len(found)
        self.unframed += len(data) - used
        return found


def _half_start(octets: bytes) -> bytes:
    """The last octet, where it may be the first of a frame."""
    return link.START[:1] if octets.endswith(link.START[:1]) else b""


def _begins_a_frame(data: bytes) -> bool:
    return (
        len(data) >= link.HEADER_SIZE
        and data.startswith(link.START)
        and data[2] >= _OVERHEAD
        and _header_is_good(data, 0)
    )


def _header_is_good(octets: bytes, at: int) -> bool:
    words: tuple[int, ...] = _HEADER.unpack_from(octets, at)
    a, b, c, d, told = words
    return _AFTER[_AFTER[_AFTER[_AFTER[a] ^ b] ^ c] ^ d] ^ told == _INVERTED


def _full_frames(octets: bytes, at: int) -> list[Frame]:
    """Full frames with one header, side by side from ``at`` on; none where they are few.

    A response of many points is made of such; checking them together costs a sixth.
    """
    head, size = octets[at : at + link.HEADER_SIZE], link.MAX_FRAME
    count = 1
    while octets.startswith(head, at + count * size) and len(octets) >= at + (count + 1) * size:
        count += 1
    if count < _FEW:
        return []
    taken = np.frombuffer(octets, dtype=np.uint8, count=count * size, offset=at)
    frames = taken.reshape(count, size)
    tail = link.MAX_USER_DATA % _BLOCK
    body = frames[:, link.HEADER_SIZE : -tail - crc.SIZE].reshape(count, -1, _BLOCK + crc.SIZE)
    blocks = np.zeros((count, body.shape[1] + 1, _BLOCK), dtype=np.uint8)
    blocks[:, :-1] = body[..., :_BLOCK]
    blocks[:, -1, -tail:] = frames[:, -tail - crc.SIZE : -crc.SIZE]
    told = np.empty((count, body.shape[1] + 1, crc.SIZE), dtype=np.uint8)
    told[:, :-1], told[:, -1] = body[..., _BLOCK:], frames[:, -crc.SIZE :]
    if (checksums(blocks) != told.view("<u2")[..., 0]).any():
        return []  # one by one, then
    data = np.concatenate([blocks[:, :-1].reshape(count, -1), blocks[:, -1, -tail:]], axis=1)
    control, destination, source = struct.unpack_from("<BHH", head, 3)
    return [Frame(control, destination, source, payload.tobytes()) for payload in data]


def _payload(octets: bytes, at: int, count: int) -> bytes | None:
    """User data without its CRCs; None where one does not fit."""
    after = _AFTER
    size, step = link.DATA_BLOCK_SIZE, link.DATA_BLOCK_SIZE + crc.SIZE
    tail = at + count // size * step
    for a, b, c, d, e, f, g, h, told in _BLOCKS.iter_unpack(octets[at:tail]):
        register = after[after[after[after[a] ^ b] ^ c] ^ d]
        register = after[after[after[after[register ^ e] ^ f] ^ g] ^ h]
        if register ^ told != _INVERTED:
            return None
    blocks = [octets[begin : begin + size] for begin in range(at, tail, step)]
    if count % size:
        end = tail + count % size
        last = octets[tail:end]
        if checksum(last) != int.from_bytes(octets[end : end + crc.SIZE], "little"):
            return None
        blocks.append(last)
    return b"".join(blocks)
