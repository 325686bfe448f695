"""Commands, who gives them, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class CommandMode(StrEnum):
    """IEEE 1815 control modes."""

    SELECT_BEFORE_OPERATE = "select-before-operate"
    DIRECT_OPERATE = "direct-operate"


class Priority(IntEnum):
    """Rank of an origin at the arbiter; the higher number wins."""

    DEFAULT = 0
    DMS_VVO = 20
    GROUP_FUNCTION = 30
    UTILITY_2030_5 = 40
    PROTECTION_FLISR = 60
    OPERATOR = 80


class CommandStatus(IntEnum):
    """Outcome of a command: the IEEE 1815 control status codes."""

    SUCCESS = 0
    TIMEOUT = 1
    NO_SELECT = 2
    FORMAT_ERROR = 3
    NOT_SUPPORTED = 4
    ALREADY_ACTIVE = 5
    HARDWARE_ERROR = 6
    LOCAL = 7
    TOO_MANY_OBJS = 8
    NOT_AUTHORIZED = 9
    AUTOMATION_INHIBIT = 10
    PROCESSING_LIMITED = 11
    OUT_OF_RANGE = 12
    DOWNSTREAM_LOCAL = 13
    ALREADY_COMPLETE = 14
    BLOCKED = 15
    CANCELLED = 16
    BLOCKED_OTHER_MASTER = 17
    DOWNSTREAM_FAIL = 18
    UNDEFINED = 127


@dataclass(frozen=True, slots=True)
class Command:
    """A request to set one output point.

    Attributes:
        point: point id.
        value: engineering units; binaries 0.0 or 1.0.
        origin: who asks, e.g. ``operator:kim`` or ``dms:vvo``.
        priority: rank at the arbiter.
        mode: IEEE 1815 control mode.
        expires_ms: UTC ms after which the request no longer holds the point; 0 never.
        correlation: id that ties the command to the message that caused it.
        reason: one line for the audit trail.
    """

    point: str
    value: float
    origin: str
    priority: Priority
    mode: CommandMode = CommandMode.DIRECT_OPERATE
    expires_ms: int = 0
    correlation: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: a value, not an exception.

    Attributes:
        command: what was asked.
        status: IEEE 1815 control status code.
        detail: one line that says why, for the audit trail and whoever asked.
        value_sent: engineering value that went to the device; None where nothing was sent.
    """

    command: Command
    status: CommandStatus
    detail: str = ""
    value_sent: float | None = None

    @property
    def ok(self) -> bool:
        """True where the device took the value (or already held it)."""
        return self.status is CommandStatus.SUCCESS
