"""MBAP framing: frames out of a byte stream, whatever its chunking.

Source: *MODBUS Messaging on TCP/IP Implementation Guide V1.0b* (Modbus Organization). No socket
and no clock: the transport reads straight into the splitter's own buffer.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from gateway.links.modbus.codec import MAX_PDU
from gateway.model.errors import RemoteProtocolError

#: Transaction id, protocol id, length, unit id.
MBAP = struct.Struct(">HHHB")
#: Longest frame, bytes.
MAX_FRAME = MBAP.size + MAX_PDU

#: Room for two frames: a stale answer and the right one often share a segment.
_BUFFER_BYTES = 2 * MAX_FRAME


class Frame(NamedTuple):
    """One frame.

    Attributes:
        transaction: transaction id, 0..65535.
        unit: unit id, 0..255.
        pdu: view into the splitter's buffer, valid until more bytes are received.
    """

    transaction: int
    unit: int
    pdu: memoryview


def encode_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A PDU in its MBAP frame."""
    return MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class FrameSplitter:
    """Splits a stream into frames without copying it.

    Use :meth:`writable` and :meth:`received` for each read of the transport, then
    :meth:`next_frame` until it returns None.
    """

    __slots__ = ("_buffer", "_end", "_failed", "_start", "_view")

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._failed = ""

    def writable(self) -> memoryview:
        """Free room to receive into; at least one frame long."""
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._buffer) - self._end < MAX_FRAME:
            kept = self._end - self._start
            self._buffer[:kept] = self._buffer[self._start : self._end]
            self._start, self._end = 0, kept
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Say that ``count`` bytes now stand in the room :meth:`writable` gave."""
        self._end += count

    def next_frame(self) -> Frame | None:
        """The next whole frame, or None until more bytes come.

        Raises:
            RemoteProtocolError: the stream is not Modbus TCP or out of step; it stays so.
        """
        if self._failed:
            raise RemoteProtocolError(self._failed)
        start = self._start
        available = self._end - start
        if available < MBAP.size:
            return None
        transaction, protocol, length, unit = MBAP.unpack_from(self._buffer, start)
        if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
            self._failed = f"not a Modbus TCP header: protocol {protocol}, length {length}"
            raise RemoteProtocolError(self._failed)
        if available < 6 + length:
            return None
        self._start = start + 6 + length
        return Frame(transaction, unit, self._view[start + MBAP.size : self._start])
