"""Accepting connections: a bounded number of handshakes, a bounded number of peers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from gateway.links.cim.config import ServerConfig
from gateway.links.cim.connection import GuardedConnection
from gateway.links.cim.statistics import ServerStatistics

#: Pause when the process has no file descriptor left; the connection waits in the backlog.
_NO_DESCRIPTOR_PAUSE_S = 0.5
_BACKLOG = 64


class Listener:
    """Takes connections and gives each a :class:`GuardedConnection`.

    asyncio's own server counts nothing before a handshake is over. Here the number of handshakes
    is bounded, and when it is reached the oldest gives way: whoever stalls his own loses it,
    whoever is honest needs it for some milliseconds only.

    Args:
        config: limits.
        context: TLS.
        protocol: makes the HTTP protocol of a connection.
        statistics: what is counted.
    """

    def __init__(
        self,
        config: ServerConfig,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        statistics: ServerStatistics,
    ) -> None:
        self._config = config
        self._context = context
        self._protocol = protocol
        self._statistics = statistics
        self._handshakes: dict[asyncio.Task[None], None] = {}
        self._connections: dict[asyncio.BaseTransport, GuardedConnection] = {}
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        self._socket = socket.create_server(
            (config.host, config.port), family=family, backlog=_BACKLOG
        )
        self._socket.settimeout(0)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._socket.getsockname()[1])

    def connection(self, transport: asyncio.BaseTransport | None) -> GuardedConnection | None:
        """The connection of a transport; None when it is over."""
        return None if transport is None else self._connections.get(transport)

    async def run(self) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as handshakes:
            while True:
                try:
                    peer, _ = await loop.sock_accept(self._socket)
                except OSError:
                    await asyncio.sleep(_NO_DESCRIPTOR_PAUSE_S)
                    continue
                if len(self._handshakes) >= self._config.max_handshakes:
                    oldest = next(iter(self._handshakes))
                    self._handshakes.pop(oldest)
                    oldest.cancel()
                    self._statistics.handshakes_dropped += 1
                task = handshakes.create_task(self._open(peer))
                self._handshakes[task] = None
                task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    def close(self) -> None:
        """Stop listening and cut what is connected."""
        self._socket.close()
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.abort()

    async def _open(self, peer: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        peer.settimeout(0)
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await loop.connect_accepted_socket(
                self._guarded,
                peer,
                ssl=self._context,
                ssl_handshake_timeout=self._config.handshake_timeout_s,
                ssl_shutdown_timeout=1.0,
            )
        except OSError:  # ssl.SSLError, reset and time-out are all of them
            self._statistics.handshakes_failed += 1

    def _guarded(self) -> GuardedConnection:
        return GuardedConnection(
            self._protocol(),
            self._config.idle_timeout_s,
            self._statistics,
            self._admit,
            self._lost,
        )

    def _admit(self, connection: GuardedConnection) -> bool:
        peers = Counter(known.peer for known in self._connections.values())
        full = len(self._connections) >= self._config.max_connections
        if full or peers[connection.peer] >= self._config.max_connections_per_peer:
            self._statistics.connections_refused += 1
            return False
        if connection.transport is not None:
            self._connections[connection.transport] = connection
        self._statistics.connections += 1
        return True

    def _lost(self, connection: GuardedConnection) -> None:
        if connection.transport is not None:
            self._connections.pop(connection.transport, None)
