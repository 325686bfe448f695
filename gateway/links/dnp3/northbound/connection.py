"""One connection of a master: octets between the socket and its sessions, and their timer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from gateway.links.dnp3.frames import BROADCASTS, Frame, FrameReader
from gateway.links.dnp3.northbound.session import Session
from gateway.links.dnp3.outstation_config import OutstationConfig
from gateway.model.clock import Clock

#: A timer that fires this much early still finds its work due.
_EARLY_S = 0.001
_RECEIVE_SIZE = 8192


@dataclass(slots=True)
class ServerStatistics:
    """Counts of a listening outstation.

    Attributes:
        connections: accepted from hosts on the allow-list.
        refused_hosts: peers from elsewhere.
        refused_certificates: peers whose certificate no master there may show.
        refused_full: connections beyond the limit.
        handshakes_failed: TLS that never came about.
        silent: connections without a valid frame in time.
        taken_over: connections that gave way to a newer one of the same master.
        slow_readers: connections cut off for not reading.
        strange_frames: frames from masters, or for outstations, that are not here.
        unframed_octets: octets outside any valid frame: noise, bad CRCs.
    """

    connections: int = 0
    refused_hosts: int = 0
    refused_certificates: int = 0
    refused_full: int = 0
    handshakes_failed: int = 0
    silent: int = 0
    taken_over: int = 0
    slow_readers: int = 0
    strange_frames: int = 0
    unframed_octets: int = 0


@dataclass(slots=True, eq=False)
class Line:
    """A master's session at one outstation, and the connection that has it now."""

    session: Session
    execute: Callable[[Line], None]
    connection: MasterConnection | None = None
    #: serial of the control request that was handed over last
    executed: int = 0


class MasterConnection(asyncio.BufferedProtocol):
    """Stands between a socket and the sessions of the one master that speaks on it.

    Args:
        config: limits.
        clock: monotonic and UTC time.
        statistics: what is counted.
        candidates: tells which lines a peer may have, by master and outstation address.
        lost: told when it is over.
    """

    def __init__(
        self,
        config: OutstationConfig,
        clock: Clock,
        statistics: ServerStatistics,
        candidates: Callable[[asyncio.BaseTransport], Mapping[int, Mapping[int, Line]]],
        lost: Callable[[MasterConnection], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._statistics = statistics
        self._candidates = candidates
        self._lost = lost
        self._reader = FrameReader()
        self._masters: Mapping[int, Mapping[int, Line]] = {}
        self._lines: Mapping[int, Line] = {}
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = math.inf
        self._awake = False
        self._buffer = memoryview(bytearray(_RECEIVE_SIZE))
        self.peer = ""

    @property
    def known(self) -> bool:
        """Whether a master has spoken on it, or can only be one."""
        return bool(self._lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out which masters it may be."""
        self._transport = cast("asyncio.Transport", transport)
        self.peer = str(transport.get_extra_info("peername"))
        self._masters = self._candidates(transport)
        if not self._masters:
            self._statistics.refused_certificates += 1
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._config.first_word_s, self._say_something)
        if len(self._masters) == 1:
            self._bind(next(iter(self._masters.values())))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over; the sessions stay with the outstation."""
        del exc
        self._statistics.unframed_octets += self._reader.unframed
        if self._timer is not None:
            self._timer.cancel()
        for line in self._lines.values():
            if line.connection is self:
                line.connection = None
                line.session.disconnect()
        self._lines, self._masters, self._transport = {}, {}, None
        self._lost(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next octets go: one buffer a connection, used again and again."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Octets of the master."""
        now_s, utc_ms = self._clock.monotonic_s(), self._clock.utc_ms()
        for frame in self._reader.feed(bytes(self._buffer[:nbytes]), now_s):
            if not self._lines and frame.source in self._masters and frame.from_master:
                self._bind(self._masters[frame.source])
            for line in self._meant(frame):
                line.session.receive_frame(frame, now_s, utc_ms)
        self.pump()

    def wake(self) -> None:
        """Something happened that sessions may have to report."""
        if not self._awake and self._transport is not None:
            self._awake = True
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Let the sessions do what is due, send what they have, set the timer."""
        self._awake = False
        if self._transport is None or not self._lines:
            return
        now_s, utc_ms = self._clock.monotonic_s(), self._clock.utc_ms()
        for line in self._lines.values():
            line.session.tick(now_s + _EARLY_S, utc_ms)
            self._hand_over(line)
            octets = line.session.outgoing()
            if octets:
                self._transport.write(octets)
        if self._transport.get_write_buffer_size() > self._config.max_unsent:
            self._statistics.slow_readers += 1
            self.close()
            return
        self._set_timer(min(line.session.deadline() for line in self._lines.values()), now_s)

    def close(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

    def _meant(self, frame: Frame) -> list[Line]:
        if frame.destination in BROADCASTS:
            return list(self._lines.values())
        line = self._lines.get(frame.destination)
        if line is None:
            self._statistics.strange_frames += 1
            return []
        return [line]

    def _bind(self, lines: Mapping[int, Line]) -> None:
        """This connection is that master's; an older one of its is over."""
        for line in lines.values():
            if line.connection is not None:
                self._statistics.taken_over += 1
                line.connection.close()
            line.connection = self
            line.session.connect()
        self._lines = lines
        if self._timer is not None:  # it has said something, or need not
            self._timer.cancel()
            self._timer = None
        self.wake()

    def _hand_over(self, line: Line) -> None:
        request = line.session.request
        if request is not None and request.serial != line.executed:
            line.executed = request.serial
            line.execute(line)

    def _set_timer(self, at_s: float, now_s: float) -> None:
        """Come back at a time; a timer that fires too early just looks again."""
        if at_s >= self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = at_s
        delay_s = max(0.0, at_s - now_s)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._timer, self._timer_at_s = None, math.inf
        self.pump()

    def _say_something(self) -> None:
        if not self._lines:
            self._statistics.silent += 1
            self.close()
