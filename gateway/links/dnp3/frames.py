"""Data link and transport of one connection, over py1815's framing.

py1815 says what a frame, a CRC and a segment are, and puts fragments together. What is done a
thousand times a poll is done here: full frames are built all at once.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from py1815 import crc, link, transport

from gateway.links.dnp3.frame_reader import Frame, FrameReader, checksum, checksums

__all__ = ["Frame", "FrameReader"]  # besides what is defined here

#: Function codes of primary frames (sent by whoever starts) and secondary ones (the answers).
RESET_LINK, TEST_LINK, CONFIRMED, UNCONFIRMED, REQUEST_STATUS = 0, 2, 3, 4, 9
ACK, NACK, LINK_STATUS, NOT_SUPPORTED = 0, 1, 11, 15
#: Broadcasts: confirmation of having been heard not wanted, wanted, optional.
BROADCAST_NO_CONFIRM, BROADCAST_CONFIRM, BROADCAST_OPTIONAL = 0xFFFD, 0xFFFE, 0xFFFF
BROADCASTS = frozenset({BROADCAST_NO_CONFIRM, BROADCAST_CONFIRM, BROADCAST_OPTIONAL})


class Reassembler:
    """Fragments out of one peer's segments; a series that breaks the rules is dropped, counted.

    Args:
        max_fragment: octets a fragment may have.
    """

    def __init__(self, max_fragment: int) -> None:
        self._reassembler = transport.Reassembler(max_fragment=max_fragment)
        self.dropped = 0

    def add(self, payload: bytes) -> bytes | None:
        """The fragment that this segment completes, if it does."""
        try:
            return self._reassembler.add(payload)
        except transport.TransportError:
            self.dropped += 1
            return None

    def reset(self) -> None:
        """Forget an unfinished series."""
        self._reassembler.reset()


def user_data(
    fragment: bytes, destination: int, source: int, *, from_master: bool, first_sequence: int
) -> tuple[bytes, int]:
    """A fragment as unconfirmed user-data frames, and the sequence the next one starts with."""
    control = link.control_byte(from_master=from_master, primary=True, function=UNCONFIRMED)
    whole = _full_segments(len(fragment))
    octets = b""
    if whole:
        head = _head(link.MAX_USER_DATA, control, destination, source)
        marks = _marks(whole, first_sequence)
        octets = _full_frames(head, fragment[: whole * transport.MAX_PAYLOAD], marks)
    octets += _last_frame(fragment, whole, control, destination, source, first_sequence)
    return octets, (first_sequence + whole + 1) % transport.SEQUENCE_MODULUS


_BLOCK = link.DATA_BLOCK_SIZE
_FULL_BLOCKS, _TAIL = divmod(link.MAX_USER_DATA, _BLOCK)


def _head(count: int, control: int, destination: int, source: int) -> bytes:
    """Header of a frame with so many octets of user data."""
    head = struct.pack("<2sBBHH", link.START, link.MIN_LENGTH + count, control, destination, source)
    return head + checksum(head).to_bytes(crc.SIZE, "little")


def _checked(data: bytes) -> bytes:
    """User data in blocks, each with its CRC."""
    blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]
    return b"".join(block + checksum(block).to_bytes(crc.SIZE, "little") for block in blocks)


def _full_segments(octets: int) -> int:
    """Full segments before the last of a fragment."""
    return max(0, octets - 1) // transport.MAX_PAYLOAD


def _marks(count: int, first_sequence: int) -> NDArray[np.uint8]:
    """Transport octets of the first segments of a fragment, none of which is its last."""
    marks = ((np.arange(count) + first_sequence) % transport.SEQUENCE_MODULUS).astype(np.uint8)
    marks[:1] |= transport.FIR_MASK
    return marks


def _last_frame(
    fragment: bytes, whole: int, control: int, destination: int, source: int, first_sequence: int
) -> bytes:
    last = transport.header_byte(first=not whole, final=True, sequence=first_sequence + whole)
    rest = bytes((last,)) + fragment[whole * transport.MAX_PAYLOAD :]
    return _head(len(rest), control, destination, source) + _checked(rest)


def _full_frames(head: bytes, data: bytes, marks: NDArray[np.uint8]) -> bytes:
    """Full segments as frames: their octets one after the other, and a transport octet of each.

    All blocks at once: one CRC after the other costs more than everything else of a response.
    """
    count = len(marks)
    segments = np.empty((count, link.MAX_USER_DATA), dtype=np.uint8)
    segments[:, 0] = marks
    segments[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(count, transport.MAX_PAYLOAD)
    blocks = np.zeros((count, _FULL_BLOCKS + 1, _BLOCK), dtype=np.uint8)
    blocks[:, :-1] = segments[:, :-_TAIL].reshape(count, _FULL_BLOCKS, _BLOCK)
    blocks[:, -1, -_TAIL:] = segments[:, -_TAIL:]
    checks = checksums(blocks).astype("<u2")[..., np.newaxis].view(np.uint8)
    frames = np.empty((count, link.MAX_FRAME), dtype=np.uint8)
    frames[:, : link.HEADER_SIZE] = np.frombuffer(head, dtype=np.uint8)
    body = frames[:, link.HEADER_SIZE : -_TAIL - crc.SIZE].reshape(
        count, _FULL_BLOCKS, _BLOCK + crc.SIZE
    )
    body[..., :_BLOCK], body[..., _BLOCK:] = blocks[:, :-1], checks[:, :-1]
    frames[:, -_TAIL - crc.SIZE : -crc.SIZE] = blocks[:, -1, -_TAIL:]
    frames[:, -crc.SIZE :] = checks[:, -1]
    return frames.tobytes()


class FramedAhead:
    """Fragments of one answer framed before they go out, with all their CRCs in one pass.

    What is known only when one goes out is its header, in the first block of its first frame.

    Args:
        bodies: what stands behind the header of each.
        destination, source: link addresses.
        header: octets of a fragment's header.
        first_sequence: of the first one's transport; nothing may go out between them.
    """

    def __init__(
        self, bodies: Sequence[bytes], destination: int, source: int, header: int,
        first_sequence: int,
    ) -> None:  # fmt: skip
        self._header = header
        self._bodies = deque(bodies)
        self._frames: deque[bytes] = deque()
        self._sequence = first_sequence
        control = link.control_byte(from_master=False, primary=True, function=UNCONFIRMED)
        fragments = [bytes(header) + body for body in bodies]
        counts = [_full_segments(len(fragment)) for fragment in fragments]
        marks: list[NDArray[np.uint8]] = []
        sequence = first_sequence
        for fragment, whole in zip(fragments, counts, strict=True):
            marks.append(_marks(whole, sequence))
            last = _last_frame(fragment, whole, control, destination, source, sequence)
            self._frames.append(last)
            sequence += whole + 1
        full = b"".join(
            fragment[: whole * transport.MAX_PAYLOAD]
            for fragment, whole in zip(fragments, counts, strict=True)
        )
        head = _head(link.MAX_USER_DATA, control, destination, source)
        octets, at = _full_frames(head, full, np.concatenate(marks)), 0
        for whole in counts:
            begin, at = at, at + whole * link.MAX_FRAME
            self._frames.append(octets[begin:at] + self._frames.popleft())

    def take(self, fragment: bytes, sequence: int) -> tuple[bytes, int] | None:
        """As :func:`user_data`; None where this is not the fragment that was expected next."""
        if not self._bodies or sequence != self._sequence % transport.SEQUENCE_MODULUS:
            return None
        if fragment[self._header :] != self._bodies[0]:
            return None
        self._bodies.popleft()
        frames, whole = self._frames.popleft(), _full_segments(len(fragment))
        self._sequence += whole + 1
        if not whole:  # no first block of known size, and little to gain
            return None
        begin = link.HEADER_SIZE
        known = begin + 1 + self._header
        block = (
            frames[begin : begin + 1] + fragment[: self._header] + frames[known : begin + _BLOCK]
        )
        behind = frames[begin + _BLOCK + crc.SIZE :]
        octets = frames[:begin] + _checked(block) + behind
        return octets, self._sequence % transport.SEQUENCE_MODULUS


def link_frame(
    function: int,
    destination: int,
    source: int,
    *,
    from_master: bool,
    primary: bool,
    fcb: bool | None = None,
) -> bytes:
    """A frame without user data; ``fcb`` is its frame count bit, None where none counts."""
    control = link.control_byte(
        from_master=from_master,
        primary=primary,
        function=function,
        fcb=bool(fcb),
        fcv=fcb is not None,
    )
    return link.build(control, destination, source)
