"""The one path to a device: arbiter, interlock, actuator, audit.

A DNP3 control, a 2030.5 event, an MQTT command, a group function, VVO, FLISR and the operator
all end here. There is no second path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.points.arbiter import Arbiter
from gateway.points.interlock import Interlock
from gateway.points.store import PointStore

#: Commands under way at once; the next is refused at once rather than queued without end.
MAX_PENDING = 1000


class Actuator(Protocol):
    """What carries a command to its device: a link."""

    async def operate(self, command: Command) -> CommandResult:
        """Send once, never again; say how it ended. Bounded in time by the link's time-outs."""


class Audit(Protocol):
    """What remembers commands. Intent is on disk before anything is sent."""

    def intend(self, command: Command, arbiter: str, interlock: str, time_ms: int) -> int:
        """Record a command and both verdicts; returns the record's id."""

    def conclude(self, record: int, result: CommandResult, time_ms: int) -> None:
        """Record how it ended."""


class Router:
    """Takes every command.

    Args:
        store: present measurements and specs.
        arbiter, interlock: the two judges.
        actuators: point id to the link that commands it.
        audit: remembers all of it.
        clock: UTC for expiry, monotonic for rates.
    """

    def __init__(
        self,
        store: PointStore,
        arbiter: Arbiter,
        interlock: Interlock,
        actuators: Mapping[str, Actuator],
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._store = store
        self._arbiter = arbiter
        self._interlock = interlock
        self._actuators = dict(actuators)
        self._audit = audit
        self._clock = clock
        self._turn: dict[str, asyncio.Lock] = {}
        self._pending = 0

    async def submit(self, command: Command) -> CommandResult:
        """Judge a command, send it if it may go, say how it ended. Never raises for a refusal."""
        if self._pending >= MAX_PENDING:
            return self._refuse(command, CommandStatus.PROCESSING_LIMITED, "", "too many pending")
        self._pending += 1
        try:
            # one command at a time a point, in the order asked
            async with self._turn.setdefault(command.point, asyncio.Lock()):
                return await self._decide(command)
        finally:
            self._pending -= 1

    def set_default(self, point: str, value: float, reason: str) -> None:
        """Say what a point falls back to when every claim on it has ended. Sends nothing."""
        fallback = Command(point, value, "default", Priority.DEFAULT, reason=reason)
        self._arbiter.claim(fallback, self._clock.utc_ms())

    def withdraw(self, point: str, origin: str) -> None:
        """End an origin's claim without sending anything."""
        self._arbiter.withdraw(point, origin)

    async def release(self, point: str, origin: str) -> CommandResult | None:
        """End an origin's claim; whoever holds the point then is sent. None if nobody does."""
        now_ms = self._clock.utc_ms()
        before = self._arbiter.holder(point, now_ms)
        self._arbiter.withdraw(point, origin)
        heir = self._arbiter.holder(point, now_ms)
        if heir is None or before is None or before.origin != origin:
            return None
        return await self.submit(heir)

    async def expire(self) -> list[CommandResult]:
        """End claims whose time has come and send what takes their place."""
        heirs = self._arbiter.expire(self._clock.utc_ms())
        return [
            await self.submit(replace(heir, reason=f"reverts: {heir.reason}")) for heir in heirs
        ]

    async def _decide(self, command: Command) -> CommandResult:
        if command.point not in self._store or command.point not in self._actuators:
            detail = f"{command.point} is not a commandable point of this site"
            return self._refuse(command, CommandStatus.NOT_SUPPORTED, "", detail)
        verdict = self._arbiter.claim(command, self._clock.utc_ms())
        if not verdict.granted:
            return self._refuse(command, CommandStatus.BLOCKED, verdict.detail, "")
        granted = verdict.winner
        refusal = self._interlock.check(
            granted,
            self._store.spec(command.point),
            self._store,
            self._clock.utc_ms(),
            self._clock.monotonic_s(),
        )
        if refusal is not None:
            # what was never sent must not hold the point against others
            self._arbiter.withdraw(command.point, command.origin)
            return self._refuse(command, refusal.status, verdict.detail, refusal.detail)
        return await self._send(granted, verdict.detail)

    async def _send(self, command: Command, verdict: str) -> CommandResult:
        record = self._audit.intend(command, verdict, "passed", self._clock.utc_ms())
        self._interlock.note_sent(command.point, self._clock.monotonic_s())
        result = CommandResult(command, CommandStatus.UNDEFINED, "cut off while under way")
        try:
            result = await self._actuators[command.point].operate(command)
        finally:
            self._audit.conclude(record, result, self._clock.utc_ms())
        if not result.ok:
            self._arbiter.withdraw(command.point, command.origin)
        return result

    def _refuse(
        self, command: Command, status: CommandStatus, arbiter: str, interlock: str
    ) -> CommandResult:
        now_ms = self._clock.utc_ms()
        result = CommandResult(command, status, interlock or arbiter)
        self._audit.conclude(
            self._audit.intend(command, arbiter, interlock, now_ms), result, now_ms
        )
        return result
