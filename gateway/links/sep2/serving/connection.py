"""One connection of the server: who its client is, and how long it may take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

from gateway.links.sep2.config import TransportLimits
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.statistics import ServerStatistics


class ClientConnection(asyncio.Protocol):
    """Stands between TLS and HTTP: identifies the client once and watches the clock.

    Between requests the client may be silent for ``idle_timeout_s``. From the first byte of a
    request its head has ``head_timeout_s``, however it trickles in; an answer must be read in the
    same time.

    Args:
        inner: the HTTP protocol.
        limits: see above.
        statistics: what is counted.
        admit: told of this connection once TLS is up; gives its client, or None to close it.
        lost: told when an admitted connection is over.
    """

    def __init__(
        self,
        inner: asyncio.Protocol,
        limits: TransportLimits,
        statistics: ServerStatistics,
        admit: Callable[[ClientConnection], Client | None],
        lost: Callable[[ClientConnection], None],
    ) -> None:
        self._inner = inner
        self._limits = limits
        self._statistics = statistics
        self._admit = admit
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_s = math.inf
        self._waiting = False
        self._heard = False
        self.transport: asyncio.Transport | None = None
        self.client: Client | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up and the client's certificate is of our CA."""
        self.transport = cast("asyncio.Transport", transport)
        self.client = self._admit(self)
        if self.client is None:
            self.transport.abort()
            return
        self._inner.connection_made(transport)
        self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.busy()
        if self._timer is not None:
            self._timer.cancel()
        if self.client is not None:
            self._lost(self)
            self._inner.connection_lost(exc)
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._waiting and not self._heard:
            self._heard = True
            self._arm(self._limits.head_timeout_s)
        if self.client is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client says no more."""
        return self._inner.eof_received() if self.client is not None else None

    def pause_writing(self) -> None:
        """The client does not read."""
        self._heard = True
        self._arm(self._limits.head_timeout_s)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._inner.resume_writing()
        if self._waiting:
            self.wait()
        else:
            self._deadline_s = math.inf

    def wait(self) -> None:
        """A request is due from here on."""
        if self.transport is None:  # the client left before its answer was ready
            return
        self._waiting, self._heard = True, False
        self._arm(self._limits.idle_timeout_s)

    def busy(self) -> None:
        """A request is being answered: it is ours to be in time."""
        self._waiting = False
        self._deadline_s = math.inf

    def _arm(self, timeout_s: float) -> None:
        """Move the deadline; the timer only where it would come too late, as that is dear."""
        self._deadline_s = self._loop.time() + timeout_s
        if self._timer is not None:
            if self._timer.when() <= self._deadline_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline_s:
            if self._deadline_s < math.inf:
                self._timer = self._loop.call_at(self._deadline_s, self._look)
            return
        if self._heard:
            self._statistics.connections_slow += 1
        else:
            self._statistics.connections_idle += 1
        if self.transport is not None:
            self.transport.abort()
