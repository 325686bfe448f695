"""One connection on the event loop, with all the outstations behind it.

No task, future or queue a request: octets that come in and one timer drive the sessions. The
channel reconnects by itself, with jittered back-off; on a shared line one request at a time is
under way, on TCP one for each outstation.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence

from gateway.links.dnp3.config import ChannelConfig
from gateway.links.dnp3.frame_reader import Frame, FrameReader
from gateway.links.dnp3.southbound.association import Association
from gateway.links.dnp3.southbound.commands import Control
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.master_link import MasterLink
from gateway.links.dnp3.southbound.statistics import ChannelState
from gateway.links.dnp3.southbound.wires import MOST_WAITING, Wire, open_wire
from gateway.links.dnp3.tls import client_context
from gateway.model.clock import Clock
from gateway.model.errors import ConfigError

#: Octets waiting above which nothing new is asked.
_BUSY_OCTETS = 16_384
#: Silence on a serial line after which what came before is no beginning of a frame any more.
_GAP_S = 0.5
#: The timer's finest step: a deadline that nothing can be done about costs no spinning.
_SHORTEST_WAIT_S = 0.001
#: The same while the peer takes nothing.
_BLOCKED_WAIT_S = 0.1


class Channel:
    """One connection.

    Args:
        config: how to connect.
        associations: the sessions behind it, each with its own address.
        clock: both sides of time.
        rng: jitter.

    Attributes:
        state: counts, live.

    Raises:
        ValueError: two outstations share an address, or one has the master's.
        ConfigError: a certificate cannot be used.
    """

    def __init__(
        self,
        config: ChannelConfig,
        associations: Sequence[Association],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.config = config
        self.state = ChannelState()
        addresses = [association.config.address for association in associations]
        if len(set(addresses)) < len(addresses) or config.master_address in addresses:
            raise ValueError(f"{config.name}: two stations share an address")
        if config.tls is not None:
            client_context(config.tls)  # said now, not at the first connection
        self._links = [MasterLink(one, config.master_address) for one in associations]
        self._by_address = {link.address: link for link in self._links}
        self._clock = clock
        self._rng = rng
        self._wire: Wire | None = None
        self._ended: asyncio.Future[str] | None = None
        self._reader = FrameReader()
        self._read_s = -math.inf
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf

    async def run(self) -> None:
        """Serve until cancelled; a lost connection is made again."""
        failures = 0
        while True:
            try:
                if await self._serve():
                    failures = 0
            except (OSError, ConfigError) as error:
                self.state.refused_connects += 1
                self.state.last_error = str(error) or type(error).__name__
            failures += 1
            await asyncio.sleep(self._back_off_s(failures))

    def operate(self, association: Association, control: Control) -> None:
        """Take a control for one of the sessions and send it if it may go."""
        association.operate(control)
        self._pump(self._now())

    def received(self, octets: bytes) -> None:
        """Octets came."""
        wire = self._wire
        if wire is None:
            return
        now = self._now()
        if self.config.is_shared_line and now.s - self._read_s > _GAP_S:
            self._new_reader()
        self._read_s = now.s
        answers = [self._take(frame, now) for frame in self._reader.feed(octets, now.s)]
        if any(answers):
            wire.write(b"".join(answers))
        if wire.waiting() > MOST_WAITING:
            wire.close()
            self.lost("the peer takes nothing")
            return
        self._pump(now)

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)
        if self._wire is None:
            return
        self._wire = None
        self.state.connected = False
        self.state.losses += 1
        self.state.last_error = reason
        self._disarm()
        self._new_reader()
        for link in self._links:
            link.association.disconnected()

    async def _serve(self) -> bool:
        """One connection from beginning to end; True where any outstation answered."""
        ended = self._ended = asyncio.get_running_loop().create_future()
        wire = await open_wire(self.config, self)
        if ended.done():
            return False
        self._wire = wire
        self.state.connected = True
        self.state.connects += 1
        answered = self._answers()
        now = self._now()
        try:
            for link in self._links:
                link.connected(now)
            self._pump(now)
            await ended
            return self._answers() > answered
        finally:
            wire.close()
            self.lost("closed here")

    def _answers(self) -> int:
        return sum(link.association.state.fragments for link in self._links)

    def _take(self, frame: Frame, now: Now) -> bytes:
        link = self._by_address.get(frame.source)
        mine = frame.destination == self.config.master_address and not frame.from_master
        if link is None or not mine:
            self.state.strange_frames += 1
            return b""
        return link.receive(frame, now)

    def _pump(self, now: Now) -> None:
        """End what is overdue, send what may go, set the timer."""
        for link in self._links:
            link.association.tick(now)
        wire = self._wire
        if wire is None:
            return
        if self._is_dead():
            wire.close()
            self.lost("no outstation answers")
            return
        blocked = wire.waiting() > _BUSY_OCTETS
        octets = b"" if blocked else b"".join(self._requests(now))
        if octets:
            wire.write(octets)
        self._arm(now, _BLOCKED_WAIT_S if blocked else _SHORTEST_WAIT_S)

    def _requests(self, now: Now) -> list[bytes]:
        if not self.config.is_shared_line:
            return [link.poll(now) for link in self._links]
        if any(link.association.is_busy for link in self._links):
            return []
        # whoever has a control goes first, else everybody in turn
        count = len(self._links)
        order = [self._links[(self._turn + at) % count] for at in range(count)]
        order.sort(key=lambda link: not link.association.has_control)
        for link in order:
            octets = link.poll(now)
            if octets:
                self._turn = self._links.index(link) + 1
                return [octets]
        return []

    def _is_dead(self) -> bool:
        """Nobody answers: a TCP peer that vanished looks like silence for a quarter of an hour."""
        if self.config.is_shared_line or not self._links:
            return False
        return all(link.association.is_lost for link in self._links)

    def _arm(self, now: Now, shortest_s: float) -> None:
        sessions = [link.association for link in self._links]
        if self.config.is_shared_line and any(one.is_busy for one in sessions):
            sessions = [one for one in sessions if one.is_busy or one.is_lost]
        due_s = min((one.deadline() for one in sessions), default=math.inf)
        due_s = max(due_s, now.s + shortest_s)
        if self._timer is not None and self._timer_s <= due_s:
            return  # it wakes up in time, and sees for itself
        self._disarm()
        if math.isfinite(due_s):
            self._timer_s = due_s
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(due_s - now.s, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_s = None, math.inf
        self._pump(self._now())

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, math.inf

    def _new_reader(self) -> None:
        self.state.unframed += self._reader.unframed
        self._reader = FrameReader()

    def _now(self) -> Now:
        return Now(self._clock.monotonic_s(), self._clock.utc_ms())

    def _back_off_s(self, failures: int) -> float:
        config = self.config
        full_s = min(config.reconnect_min_s * 2.0 ** min(failures - 1, 32), config.reconnect_max_s)
        return full_s * (0.5 + 0.5 * self._rng.random())
