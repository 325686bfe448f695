"""One connection of the endpoint: who its peer is, and how long it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from gateway.links.cim.statistics import ServerStatistics
from gateway.links.cim.tls import peer_name


class GuardedConnection(asyncio.Protocol):
    """Stands between TLS and the HTTP protocol and watches the clock, not the bytes.

    From its start, and again from each answer, a connection has ``idle_timeout_s`` to bring the
    next whole request head; what trickles in does not prolong it. An answer that the peer does not
    read counts to the same time.

    Args:
        inner: the HTTP protocol.
        idle_timeout_s: see above.
        statistics: what is counted.
        admit: told of this connection once its peer is known; False closes it.
        lost: told when it is over.
    """

    def __init__(
        self,
        inner: asyncio.Protocol,
        idle_timeout_s: float,
        statistics: ServerStatistics,
        admit: Callable[[GuardedConnection], bool],
        lost: Callable[[GuardedConnection], None],
    ) -> None:
        self._inner = inner
        self._idle_timeout_s = idle_timeout_s
        self._statistics = statistics
        self._admit = admit
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._blocked = False
        self._admitted = False
        self._over = False
        self.transport: asyncio.Transport | None = None
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up and the peer's certificate is of our CA."""
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_name(transport.get_extra_info("peercert"))
        self._admitted = self._admit(self)
        if not self._admitted:
            self.transport.abort()
            return
        self._inner.connection_made(transport)
        self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        if self._timer is not None and self._heard:
            self._statistics.connections_broken += 1
        self.busy()
        self._over = True
        if self._admitted:
            self._lost(self)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._heard = True
        if self._admitted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The peer says no more."""
        return self._inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._blocked = True
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The peer has read."""
        self._blocked = False
        self._inner.resume_writing()

    def wait(self) -> None:
        """A request is due from here on."""
        self.busy()
        if self._over:  # the peer left before its answer was ready
            return
        self._heard = False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._idle_timeout_s, self._give_up)

    def busy(self) -> None:
        """A request is being answered: it is ours to be in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._heard or self._blocked:
            self._statistics.connections_slow += 1
        else:
            self._statistics.connections_idle += 1
        if self.transport is not None:
            self.transport.abort()
