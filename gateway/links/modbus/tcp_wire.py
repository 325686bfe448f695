"""Modbus TCP on a ``BufferedProtocol``: bytes go from the socket into the splitter, uncopied."""

from __future__ import annotations

import asyncio
from typing import cast

from gateway.links.modbus.config import EndpointConfig
from gateway.links.modbus.framing import FrameSplitter, encode_frame
from gateway.links.modbus.line import Line
from gateway.model.errors import RemoteProtocolError


class TcpWire(asyncio.BufferedProtocol):
    """One TCP connection of a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Room for the socket to read into."""
        return self._splitter.writable()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand every whole frame to the line."""
        splitter = self._splitter
        splitter.received(nbytes)
        try:
            while (frame := splitter.next_frame()) is not None:
                self._line.answered(self, frame.transaction, frame.unit, frame.pdu)
        except RemoteProtocolError:
            self._line.garbage(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End everything under way at once."""
        self.is_closed = True
        self._line.lost(self)

    def send(self, transaction: int, unit: int, pdu: bytes) -> None:
        """Send one request."""
        if self._transport is not None:
            self._transport.write(encode_frame(transaction, unit, pdu))

    def forget(self, transaction: int) -> None:
        """Nothing to do: a late answer finds no request with its transaction id."""

    def close(self) -> None:
        """Close at once, without waiting for unsent bytes."""
        if self._transport is not None:
            self._transport.abort()


async def open_tcp(config: EndpointConfig, line: Line) -> TcpWire:
    """Connect.

    Raises:
        OSError: refused, unreachable or too slow (``TimeoutError``).
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(config.connect_timeout_s):
        _, wire = await loop.create_connection(lambda: TcpWire(line), config.host, config.port)
    return wire
