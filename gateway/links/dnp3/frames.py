"""Data link and transport of one connection, over py1815's framing.

py1815 says what a frame, a CRC and a segment are, and puts fragments together. What is done a
thousand times a poll is done here: full frames are built all at once.
"""

from __future__ import annotations

import struct

import numpy as np
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
    whole = max(0, len(fragment) - 1) // transport.MAX_PAYLOAD  # full segments before the last
    octets = b""
    if whole:
        head = _head(link.MAX_USER_DATA, control, destination, source)
        octets = _full_frames(head, fragment, whole, first_sequence)
    last = transport.header_byte(first=not whole, final=True, sequence=first_sequence + whole)
    rest = bytes((last,)) + fragment[whole * transport.MAX_PAYLOAD :]
    octets += _head(len(rest), control, destination, source) + _checked(rest)
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


def _full_frames(head: bytes, fragment: bytes, count: int, first_sequence: int) -> bytes:
    """The first ``count`` segments of a fragment as frames; none of them is its last.

    All blocks at once: one CRC after the other costs more than everything else of a response.
    """
    segments = np.empty((count, link.MAX_USER_DATA), dtype=np.uint8)
    segments[:, 0] = (np.arange(count) + first_sequence) % transport.SEQUENCE_MODULUS
    segments[0, 0] |= transport.FIR_MASK
    taken = np.frombuffer(fragment, dtype=np.uint8, count=count * transport.MAX_PAYLOAD)
    segments[:, 1:] = taken.reshape(count, transport.MAX_PAYLOAD)
    blocks = np.zeros((count, _FULL_BLOCKS + 1, _BLOCK), dtype=np.uint8)
    blocks[:, :-1] = segments[:, :-_TAIL].reshape(count, _FULL_BLOCKS, _BLOCK)
    blocks[:, -1, -_TAIL:] = segments[:, -_TAIL:]
    checks = checksums(blocks).astype("<u2")[..., np.newaxis].view(np.uint8)
    frames = np.empty((count, link.MAX_FRAME), dtype=np.uint8)
    frames[:, : link.HEADER_SIZE] = np.frombuffer(head, dtype=np.uint8)
    body = frames[:, link.HEADER_SIZE : -_TAIL - crc.SIZE].reshape(count, _FULL_BLOCKS, -1)
    body[..., :_BLOCK], body[..., _BLOCK:] = blocks[:, :-1], checks[:, :-1]
    frames[:, -_TAIL - crc.SIZE : -crc.SIZE] = blocks[:, -1, -_TAIL:]
    frames[:, -crc.SIZE :] = checks[:, -1]
    return frames.tobytes()


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
