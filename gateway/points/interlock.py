"""May it go out: the safety file. Every branch is tested; no mutant of it survives.

The interlock sees a command after the arbiter and before the actuator. It knows nothing of
who is right, only of what must never be sent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.point import PointKind, PointSpec
from gateway.model.reader import PointReader

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class InterlockRule:
    """What must hold before a point may be commanded.

    Attributes:
        requires: points that must be ONLINE and fresh; the loader puts the output's own
            read-back here, so nothing goes out before its device has answered.
        local_point: a binary that is 1 while the device is in local mode.
    """

    requires: tuple[str, ...] = ()
    local_point: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command must not go out."""

    status: CommandStatus
    detail: str


class Interlock:
    """Holds back every command that breaks a rule.

    Args:
        rules: rule of each output point; an output without a rule is refused.
    """

    def __init__(self, rules: Mapping[str, InterlockRule]) -> None:
        self._rules = dict(rules)
        self._tags: dict[str, str] = {}
        self._sent_s: dict[str, deque[float]] = {}

    def tag(self, point_id: str, text: str) -> None:
        """Put a hold tag on a point: no command passes until it is removed."""
        self._tags[point_id] = text

    def untag(self, point_id: str) -> None:
        """Remove a point's hold tag, if any."""
        self._tags.pop(point_id, None)

    def check(
        self, command: Command, spec: PointSpec, points: PointReader, now_ms: int, now_s: float
    ) -> Refusal | None:
        """Judge one command; None lets it pass.

        Args:
            command: what is asked, after arbitration.
            spec: the commanded point's spec.
            points: present measurements.
            now_ms: UTC ms, for the command's expiry.
            now_s: monotonic seconds, for the rate limit.
        """
        return (
            self._check_form(command, spec, now_ms)
            or self._check_permission(command, spec)
            or self._check_state(command.point, points)
            or self._check_rate(spec, now_s)
        )

    def note_sent(self, point_id: str, now_s: float) -> None:
        """Count a command that goes out now towards the point's rate limit."""
        self._recent(point_id, now_s).append(now_s)

    def _check_form(self, command: Command, spec: PointSpec, now_ms: int) -> Refusal | None:
        if not spec.kind.is_output or command.point not in self._rules:
            return Refusal(CommandStatus.NOT_SUPPORTED, f"{spec.id} takes no commands")
        if command.expires_ms and command.expires_ms <= now_ms:
            return Refusal(CommandStatus.TIMEOUT, "the command expired before it was sent")
        if not math.isfinite(command.value):
            return Refusal(CommandStatus.FORMAT_ERROR, "the value is not a finite number")
        if spec.kind is PointKind.BO and command.value not in (0.0, 1.0):
            return Refusal(CommandStatus.FORMAT_ERROR, "a binary output takes 0 or 1")
        if not spec.minimum <= command.value <= spec.maximum:
            allowed = f"{spec.minimum:g}..{spec.maximum:g} {spec.unit}"
            return Refusal(CommandStatus.OUT_OF_RANGE, f"{command.value:g} is outside {allowed}")
        return None

    def _check_permission(self, command: Command, spec: PointSpec) -> Refusal | None:
        if command.point in self._tags:
            return Refusal(CommandStatus.BLOCKED, f"tagged: {self._tags[command.point]}")
        by_application = command.priority in (Priority.DMS_VVO, Priority.PROTECTION_FLISR)
        if by_application and not spec.act:
            return Refusal(CommandStatus.AUTOMATION_INHIBIT, f"{spec.id} is set to advise")
        return None

    def _check_state(self, point_id: str, points: PointReader) -> Refusal | None:
        rule = self._rules[point_id]
        for needed in rule.requires:
            # a read-back out of its limits is what a command may have to put right
            own = needed == point_id
            if not (_is_live(needed, points) if own else _reading(needed, points) is not None):
                return Refusal(CommandStatus.BLOCKED, f"{needed} is not online")
        if rule.local_point is not None:
            local = _reading(rule.local_point, points)
            if local is None:
                return Refusal(CommandStatus.BLOCKED, f"{rule.local_point} is not online")
            if local != 0.0:
                return Refusal(CommandStatus.LOCAL, f"{rule.local_point}: device is in local")
        return None

    def _check_rate(self, spec: PointSpec, now_s: float) -> Refusal | None:
        if not spec.rate_per_min:
            return None
        count = len(self._recent(spec.id, now_s))
        if count >= spec.rate_per_min:
            detail = f"{count} commands in the last minute, {spec.rate_per_min} allowed"
            return Refusal(CommandStatus.PROCESSING_LIMITED, detail)
        return None

    def _recent(self, point_id: str, now_s: float) -> deque[float]:
        """When a point was commanded in the last minute; older entries go."""
        sent_s = self._sent_s.setdefault(point_id, deque())
        while sent_s and now_s - sent_s[0] >= _MINUTE_S:
            sent_s.popleft()
        return sent_s


def _is_live(point_id: str, points: PointReader) -> bool:
    """Whether the point's device answers now, whatever it says."""
    return point_id in points and points[point_id].quality.is_live


def _reading(point_id: str, points: PointReader) -> float | None:
    """The value where it may be relied on, else None."""
    if point_id not in points:
        return None
    measurement = points[point_id]
    return measurement.value if measurement.is_good else None
