"""The one path to a device: arbiter, interlock, actuator, audit.

A DNP3 control, a 2030.5 event, an MQTT command, a group function, VVO, FLISR and the operator
all end here. There is no second path.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.errors import AuditError
from gateway.points.arbiter import Arbiter
from gateway.points.interlock import Interlock, Refusal
from gateway.points.store import PointStore

#: Commands under way at once; the next is refused at once rather than queued without end.
MAX_PENDING = 1000
#: How long a reversion that failed waits at least before its device is looked at again.
_OWED_S = 5.0
#: Ends that leave open whether the device took the value.
_UNKNOWN = (CommandStatus.TIMEOUT, CommandStatus.UNDEFINED)


class Actuator(Protocol):
    """What carries a command to its device: a link."""

    async def operate(self, command: Command) -> CommandResult:
        """Send once, never again; say how it ended. Bounded in time by the link's time-outs."""


class Audit(Protocol):
    """What remembers commands. Intent is on disk before anything is sent.

    Both raise AuditError where they cannot remember.
    """

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
        self._taken: dict[str, Command] = {}
        self._owed: dict[str, float] = {}

    async def submit(self, command: Command) -> CommandResult:
        """Judge a command, send it if it may go, say how it ended. Never raises for a refusal."""
        if command.point not in self._store or command.point not in self._actuators:
            detail = f"{command.point} is not a commandable point of this site"
            return self._refuse(command, CommandStatus.NOT_SUPPORTED, "", detail)
        if self._pending >= MAX_PENDING:
            return self._refuse(command, CommandStatus.PROCESSING_LIMITED, "", "too many pending")
        self._pending += 1
        try:
            # one command at a time a point, in the order asked
            async with self._turn_of(command.point):
                return await self._decide(command)
        finally:
            self._pending -= 1

    def judge(self, command: Command) -> CommandResult:
        """What :meth:`submit` would answer now without sending: the answer to a select.

        Claims nothing and sends nothing; the operate that follows is judged anew.
        """
        point = command.point
        if point not in self._store or point not in self._actuators:
            return CommandResult(command, CommandStatus.NOT_SUPPORTED, f"{point} takes no commands")
        verdict = self._arbiter.judge(command, self._clock.utc_ms())
        if not verdict.granted:
            return CommandResult(command, CommandStatus.BLOCKED, verdict.detail)
        refusal = self._check(verdict.winner)
        if refusal is not None:
            return CommandResult(command, refusal.status, refusal.detail)
        return CommandResult(command, CommandStatus.SUCCESS, "may be operated")

    def set_default(self, point: str, value: float, reason: str) -> None:
        """Say what a point falls back to when every claim on it has ended. Sends nothing."""
        fallback = Command(point, value, "default", Priority.DEFAULT, reason=reason)
        self._arbiter.claim(fallback, self._clock.utc_ms())

    def withdraw(self, point: str, origin: str) -> None:
        """End an origin's claim without sending anything."""
        self._arbiter.withdraw(point, origin)

    def holder(self, point: str) -> Command | None:
        """The claim that holds a point now; None where it is free."""
        return self._arbiter.holder(point, self._clock.utc_ms())

    async def release(self, point: str, origin: str) -> CommandResult | None:
        """End an origin's claim; whoever holds the point then is sent. None if nobody does."""
        now_ms = self._clock.utc_ms()
        before = self._arbiter.holder(point, now_ms)
        self._arbiter.withdraw(point, origin)
        heir = self._arbiter.holder(point, now_ms)
        if heir is None or before is None or before.origin != origin:
            return None
        return await self._hand_over(point)

    async def expire(self) -> list[CommandResult]:
        """End claims whose time has come and send what takes their place.

        What could not go out (the device was away) is tried again once the device can be read:
        a limit must not outlive its time because a link was down when it ended.
        """
        heirs = self._arbiter.expire(self._clock.utc_ms())
        points = dict.fromkeys([*(heir.point for heir in heirs), *self._owed_now()])
        devices: dict[str, list[str]] = {}
        for point in points:
            devices.setdefault(point.partition(".")[0], []).append(point)
        # in order on one device; a slow device keeps nobody else's limit alive
        ended = await asyncio.gather(*(self._hand_over_all(own) for own in devices.values()))
        return [result for results in ended for result in results]

    async def _hand_over_all(self, points: Iterable[str]) -> list[CommandResult]:
        results = [await self._hand_over(point) for point in points]
        return [result for result in results if result is not None]

    async def _hand_over(self, point: str) -> CommandResult | None:
        """Send what holds a point now; None where the device took that already."""
        async with self._turn_of(point):
            # judged in turn: whoever was before us may have claimed anew
            heir = self._arbiter.holder(point, self._clock.utc_ms())
            if heir is None or self._taken.get(point) == heir:
                self._owed.pop(point, None)
                return None
            command = replace(heir, reason=f"reverts: {heir.reason}")
            refusal = self._check(command)
            if refusal is not None:
                self._owe(point)
                return self._refuse(command, refusal.status, "granted", refusal.detail)
            result = await self._send(command, "granted")
            if result.ok:
                self._taken[point] = heir
            else:
                self._owe(point)
            return result

    async def _decide(self, command: Command) -> CommandResult:
        point, origin = command.point, command.origin
        before = self._arbiter.claims_on(point)
        verdict = self._arbiter.claim(command, self._clock.utc_ms())
        # what is refused now must neither hold the point nor go out later
        if not verdict.granted:
            self._arbiter.take_back(point, origin, before)
            return self._refuse(command, CommandStatus.BLOCKED, verdict.detail, "")
        granted = verdict.winner
        refusal = self._check(granted)
        if refusal is not None:
            self._arbiter.take_back(point, origin, before)
            return self._refuse(command, refusal.status, verdict.detail, refusal.detail)
        result = await self._send(granted, verdict.detail)
        if result.ok:
            self._taken[point] = granted
            self._owed.pop(point, None)
        elif result.value_sent is None or result.status not in _UNKNOWN or origin not in before:
            self._arbiter.take_back(point, origin, before)
            heir = self._arbiter.holder(point, self._clock.utc_ms())
            if heir is not None and heir.priority is Priority.DEFAULT:
                self._owe(point)  # the asker heard no, so the device must not keep it either
        return result

    async def _send(self, command: Command, verdict: str) -> CommandResult:
        try:
            record = self._audit.intend(command, verdict, "passed", self._clock.utc_ms())
        except AuditError as error:  # nothing goes out that is not on record
            return CommandResult(command, CommandStatus.HARDWARE_ERROR, f"not sent: {error}")
        self._interlock.note_sent(command.point, self._clock.monotonic_s())
        self._taken.pop(command.point, None)
        result = CommandResult(command, CommandStatus.UNDEFINED, "cut off while under way")
        try:
            result = await self._actuators[command.point].operate(command)
        finally:
            # it went out: whoever asked must hear how it ended, on record or not
            with contextlib.suppress(AuditError):
                self._audit.conclude(record, result, self._clock.utc_ms())
        return result

    def _check(self, command: Command) -> Refusal | None:
        return self._interlock.check(
            command,
            self._store.spec(command.point),
            self._store,
            self._clock.utc_ms(),
            self._clock.monotonic_s(),
        )

    def _turn_of(self, point: str) -> asyncio.Lock:
        return self._turn.setdefault(point, asyncio.Lock())

    def _owe(self, point: str) -> None:
        """Remember that the device may not hold what it should."""
        self._owed[point] = self._clock.monotonic_s()

    def _owed_now(self) -> list[str]:
        """Owed points whose device was read since and, it shows, still holds something else.

        What goes out then is a new command on fresh knowledge; a write is never sent again blindly.
        """
        due = []
        for point, tried_s in tuple(self._owed.items()):
            heir = self._arbiter.holder(point, self._clock.utc_ms())
            shown = self._store[point]
            read_since = self._store.vouched_s(point) > tried_s
            if heir is None or (shown.is_good and shown.value == heir.value):
                if heir is None or read_since:
                    del self._owed[point]
            elif (
                self._clock.monotonic_s() >= tried_s + _OWED_S
                and read_since
                and self._check(heir) is None
            ):
                due.append(point)
        return due

    def _refuse(
        self, command: Command, status: CommandStatus, arbiter: str, interlock: str
    ) -> CommandResult:
        now_ms = self._clock.utc_ms()
        result = CommandResult(command, status, interlock or arbiter)
        with contextlib.suppress(AuditError):  # a refusal sends nothing; the trail says its fault
            record = self._audit.intend(command, arbiter, interlock, now_ms)
            self._audit.conclude(record, result, now_ms)
        return result
