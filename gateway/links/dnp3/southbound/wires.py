"""What carries octets: TCP and TLS by asyncio, a serial port by its file descriptor."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from gateway.links.dnp3.config import ChannelConfig
from gateway.links.dnp3.southbound.serial import open_serial
from gateway.links.dnp3.tls import client_context

#: Octets that may wait for a peer that takes none; past that the connection is given up.
MOST_WAITING = 262_144


class Wire(Protocol):
    """A connection."""

    def write(self, octets: bytes) -> None:
        """Send; what cannot go at once waits."""

    def waiting(self) -> int:
        """Octets that wait to be sent."""

    def close(self) -> None:
        """Close at once."""


class Listener(Protocol):
    """Who a connection tells what happens."""

    def received(self, octets: bytes) -> None:
        """Octets came."""

    def lost(self, reason: str) -> None:
        """The connection is gone; told once."""


class _StreamWire(asyncio.Protocol):
    """TCP, with or without TLS."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self._transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None:  # a request must not wait for the acknowledgement of the last one
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._listener.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.lost(str(exc) if exc is not None else "closed by the peer")

    def write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def waiting(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def open_wire(config: ChannelConfig, listener: Listener) -> Wire:
    """Connect.

    Raises:
        OSError: refused, unreachable, too slow, or TLS without agreement.
        ConfigError: a certificate cannot be used.
    """
    if config.transport == "serial":
        return open_serial(config, listener.received, listener.lost)
    context: ssl.SSLContext | None = None
    name: str | None = None
    if config.tls is not None:
        context = client_context(config.tls)
        name = config.tls.server_name or config.host
    make: Callable[[], _StreamWire] = lambda: _StreamWire(listener)  # noqa: E731 - a factory
    async with asyncio.timeout(config.connect_timeout_s):  # TimeoutError is an OSError
        _, wire = await asyncio.get_running_loop().create_connection(
            make, config.host, config.port, ssl=context, server_hostname=name
        )
    return wire
