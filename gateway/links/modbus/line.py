"""One connection: its queues, what is in flight, time-outs, breakers, reconnect times.

Knows nothing of sockets: a :class:`Wire` carries bytes, the poller's one timer calls
:meth:`Line.tick`. So no request costs a task, a future or a timer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from gateway.links.modbus.breaker import UnitBreaker, backoff_s
from gateway.links.modbus.codec import ExceptionCode
from gateway.links.modbus.config import EndpointConfig
from gateway.links.modbus.exchange import Exchange, Outcome, Result
from gateway.links.modbus.statistics import LineStatistics

_UNREACHABLE = (ExceptionCode.GATEWAY_PATH_UNAVAILABLE, ExceptionCode.GATEWAY_TARGET_FAILED)


class Wire(Protocol):
    """What carries frames: TCP of our own, or pymodbus.

    Attributes:
        is_closed: the connection is gone.
    """

    is_closed: bool

    def send(self, transaction: int, unit: int, pdu: bytes) -> None:
        """Send one request."""

    def forget(self, transaction: int) -> None:
        """Its answer is no longer waited for."""

    def close(self) -> None:
        """Close at once."""


class Line:
    """One connection.

    Args:
        config: its settings.
        time_s: monotonic seconds.
        rng: source of jitter.
        on_lost: called when the connection is lost, before anything else learns of it.
        busy: the line puts itself in here while :meth:`tick` has anything to do for it; a
            thousand idle lines then cost a slot nothing.

    Attributes:
        statistics: its counts.
        connecting: an attempt is under way; set by whoever opens wires.
    """

    def __init__(
        self,
        config: EndpointConfig,
        time_s: Callable[[], float],
        rng: random.Random,
        on_lost: Callable[[], None],
        busy: set[Line],
    ) -> None:
        self.config = config
        self.statistics = LineStatistics()
        self.connecting = False
        self._time_s = time_s
        self._rng = rng
        self._on_lost = on_lost
        self._busy = busy
        busy.add(self)
        self._wire: Wire | None = None
        self._opened: asyncio.Event | None = None
        # lists, not deques: they hold a few entries, and a thousand lines have two each
        self._reads: list[Exchange] = []
        self._writes: list[Exchange] = []
        self._in_flight: dict[int, Exchange] = {}
        self._breakers: dict[int, UnitBreaker] = {}
        self._transaction = 0
        self._silent = 0
        self._quiet_until_s = 0.0
        self._failures = 0
        self._retry_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._wire is not None

    async def wait_open(self) -> None:
        """Return once there is a connection."""
        if self._wire is None:
            if self._opened is None:
                self._opened = asyncio.Event()
            await self._opened.wait()

    @property
    def has_write_room(self) -> bool:
        """Whether another write may wait."""
        return len(self._writes) < self.config.max_pending_writes

    def wants_connection(self, now_s: float) -> bool:
        """Whether it is time to connect."""
        return self._wire is None and not self.connecting and now_s >= self._retry_at_s

    def submit(self, exchange: Exchange) -> None:
        """Queue an exchange, a write ahead of all reads, and send what may go.

        Without a connection it ends at once, unsent.
        """
        if self._wire is None:
            exchange.finish(Result(Outcome.LOST, sent=False))
            return
        (self._writes if exchange.is_write else self._reads).append(exchange)
        self._busy.add(self)
        self._pump()

    def opened(self, wire: Wire) -> None:
        """Take a new connection."""
        if wire.is_closed:  # lost before anyone could tell this line
            self.refused()
            return
        self.connecting = False
        self._wire = wire
        if self._opened is not None:
            self._opened.set()
            self._opened = None
        self._silent = 0
        self._quiet_until_s = 0.0
        self._breakers.clear()
        self.statistics.reconnects += self.statistics.connects > 0
        self.statistics.connects += 1

    def refused(self) -> None:
        """An attempt to connect failed."""
        self.connecting = False
        self.statistics.refused_connects += 1
        self._back_off()

    def lost(self, wire: Wire) -> None:
        """The connection is gone: everything under way or waiting ends now, nothing is resent."""
        if wire is not self._wire:
            return
        self._wire = None
        self.statistics.losses += 1
        self._back_off()
        self._end_all()

    def garbage(self, wire: Wire) -> None:
        """The stream is not Modbus: give the connection up."""
        if wire is self._wire:
            self.statistics.framing_errors += 1
            wire.close()
            self.lost(wire)

    def shut(self) -> None:
        """Close for good."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        self._end_all()

    def answered(self, wire: Wire, transaction: int, unit: int, pdu: memoryview) -> None:
        """Take one answer. One that belongs to no request in flight is counted and dropped."""
        if wire is not self._wire:
            return
        self._failures = self._silent = 0  # even a late answer shows that the peer lives
        exchange = self._in_flight.pop(transaction, None)
        if exchange is None:
            self._count_late(unit)
            return
        result = exchange.judge(pdu) if unit == exchange.unit else Result(Outcome.MISMATCH)
        self._note(exchange, result)
        exchange.finish(result)
        self._pump()

    def tick(self, now_s: float) -> None:
        """End what is overdue; send what may go. Called once a slot."""
        if self._in_flight:
            overdue = [key for key, one in self._in_flight.items() if one.deadline_s <= now_s]
            for transaction in overdue:
                self._time_out(transaction, now_s)
        if self._writes or self._reads:
            self._pump()
        elif self._wire is not None and not self._in_flight:
            self._busy.discard(self)

    def _time_out(self, transaction: int, now_s: float) -> None:
        exchange = self._in_flight.pop(transaction, None)
        wire = self._wire
        if exchange is None or wire is None:
            return
        wire.forget(transaction)
        self._silent += 1
        self._quiet_until_s = now_s + self.config.quiet_after_timeout_s
        result = Result(Outcome.TIMEOUT)
        self._note(exchange, result)
        exchange.finish(result)
        if self._silent >= self.config.timeouts_to_reconnect:
            # a peer that vanished without a word looks like silence for a quarter of an hour
            wire.close()
            self.lost(wire)

    def _pump(self) -> None:
        now_s = self._time_s()
        while (
            (self._writes or self._reads)
            and self._wire is not None
            and len(self._in_flight) < self.config.pipeline
            and now_s >= self._quiet_until_s
        ):
            exchange = (self._writes or self._reads).pop(0)
            refusal = self._refusal(exchange, now_s)
            if refusal is None:
                self._send(exchange, self._wire, now_s)
            else:
                exchange.finish(refusal)

    def _refusal(self, exchange: Exchange, now_s: float) -> Result | None:
        if exchange.abandoned or now_s > exchange.expires_s:
            return Result(Outcome.EXPIRED, sent=False)
        breaker = self._breakers.get(exchange.unit)
        if breaker is None or breaker.admit(now_s, self.config.timeout_s):
            return None
        return Result(breaker.reason, sent=False)

    def _send(self, exchange: Exchange, wire: Wire, now_s: float) -> None:
        transaction = self._transaction = (self._transaction + 1) & 0xFFFF
        exchange.deadline_s = now_s + self.config.timeout_s
        self._in_flight[transaction] = exchange
        if exchange.is_write:
            self.statistics.unit(exchange.unit).writes += 1
        wire.send(transaction, exchange.unit, exchange.request)

    def _note(self, exchange: Exchange, result: Result) -> None:
        """Count an end and tell the unit's breaker."""
        outcome = result.outcome
        if outcome is Outcome.OK:
            if exchange.unit in self._breakers:
                self._breakers[exchange.unit].succeeded()
            return
        counts = self.statistics.unit(exchange.unit)
        counts.timeouts += outcome is Outcome.TIMEOUT
        counts.exceptions += result.code > 0
        counts.protocol_errors += outcome is Outcome.MISMATCH
        breaker = self._breaker(exchange.unit)
        if outcome is Outcome.EXCEPTION and result.code not in _UNREACHABLE:
            breaker.succeeded()  # the unit is there and answers, whatever it says
        else:
            breaker.failed(self._time_s(), outcome)

    def _breaker(self, unit: int) -> UnitBreaker:
        breaker = self._breakers.get(unit)
        if breaker is None:
            config = self.config
            breaker = UnitBreaker(config.unit_backoff_min_s, config.unit_backoff_max_s, self._rng)
            self._breakers[unit] = breaker
        return breaker

    def _count_late(self, unit: int) -> None:
        counts = self.statistics.units.get(unit)
        if counts is None:
            self.statistics.strays += 1
        else:
            counts.late += 1

    def _back_off(self) -> None:
        self._failures += 1
        config = self.config
        wait_s = backoff_s(
            self._failures, config.reconnect_min_s, config.reconnect_max_s, self._rng
        )
        self._retry_at_s = self._time_s() + wait_s

    def _end_all(self) -> None:
        self._busy.add(self)
        sent = list(self._in_flight.values())
        waiting = [*self._writes, *self._reads]
        self._in_flight.clear()
        self._writes.clear()
        self._reads.clear()
        self._on_lost()
        for exchange in sent:
            exchange.finish(Result(Outcome.LOST))
        for exchange in waiting:
            exchange.finish(Result(Outcome.LOST, sent=False))
