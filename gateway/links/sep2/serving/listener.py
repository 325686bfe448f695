"""Accepting connections: a bounded number of handshakes, of connections, and of each client's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from gateway.links.sep2.config import TransportLimits
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.connection import ClientConnection
from gateway.links.sep2.serving.statistics import ServerStatistics

#: Pause when the process has no file descriptor left; the connection waits in the backlog.
_NO_DESCRIPTOR_PAUSE_S = 0.5
_BACKLOG = 256

#: Who shows this certificate (DER) from this host.
Identify = Callable[[bytes, str], Client]


class Listener:
    """Takes connections and finds out whose they are, once each.

    When the number of handshakes is reached the oldest gives way: whoever stalls his own loses
    it, whoever is honest needs it for some milliseconds only.

    Args:
        address: host and port.
        limits: how many and how long.
        context: TLS.
        protocol: makes the HTTP protocol of a connection.
        identify: names the client by its certificate.
        statistics: what is counted.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        address: tuple[str, int],
        limits: TransportLimits,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        identify: Identify,
        statistics: ServerStatistics,
    ) -> None:
        self._limits = limits
        self._context = context
        self._protocol = protocol
        self._identify = identify
        self._statistics = statistics
        self._handshakes: dict[asyncio.Task[None], None] = {}
        self._connections: dict[asyncio.BaseTransport, ClientConnection] = {}
        self._by_client: Counter[str] = Counter()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.settimeout(0)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._socket.getsockname()[1])

    def connection(self, transport: asyncio.BaseTransport | None) -> ClientConnection | None:
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
                if len(self._handshakes) >= self._limits.max_handshakes:
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
        for transport in list(self._connections):
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    async def _open(self, peer: socket.socket) -> None:
        peer.settimeout(0)
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._guarded,
                peer,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.handshake_timeout_s,
                ssl_shutdown_timeout=1.0,
            )
        except OSError:  # ssl.SSLError, reset and time-out are all of them
            self._statistics.handshakes_failed += 1

    def _guarded(self) -> ClientConnection:
        return ClientConnection(
            self._protocol(), self._limits, self._statistics, self._admit, self._lost
        )

    def _admit(self, connection: ClientConnection) -> Client | None:
        transport = connection.transport
        if transport is None:
            return None
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        client = self._identify(certificate, str(transport.get_extra_info("peername")[0]))
        full = len(self._connections) >= self._limits.max_connections
        crowd = self._by_client.get(client.lfdi, 0)
        if full or crowd >= self._limits.max_connections_per_client:
            self._statistics.connections_refused += 1
            return None
        self._connections[transport] = connection
        self._by_client[client.lfdi] += 1
        self._statistics.connections += 1
        return client

    def _lost(self, connection: ClientConnection) -> None:
        if connection.transport is None or connection.client is None:
            return
        self._connections.pop(connection.transport, None)
        lfdi = connection.client.lfdi
        self._by_client[lfdi] -= 1
        if not self._by_client[lfdi]:
            del self._by_client[lfdi]
