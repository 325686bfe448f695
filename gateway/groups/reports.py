"""What a group answers, as a typed message (paper, table 4)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.groups.administration import GroupDefinition
from gateway.groups.terms import ErrorLevel, Interpolation, Quantity, Result
from gateway.model.der import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyError:
    """One error of a reply. Known codes: ``0.0`` OK, ``6.1`` refused by a business rule."""

    code: str
    level: ErrorLevel
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Present value of one quantity.

    Attributes:
        value: SI; None where it is not known.
        good: False where control logic must not use it.
        time_ms: the source's time of it.
    """

    quantity: Quantity
    value: float | None
    good: bool
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityRange:
    """Capability of one quantity: what is possible now, and what is installed."""

    quantity: Quantity
    now: Range | None
    nameplate: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInterval:
    """One interval: nominal with the band its confidence speaks of."""

    start_ms: int
    quantity: Quantity
    nominal: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Payload of a forecast reply; ``confidence_pct`` that a value falls inside its band."""

    created_ms: int
    confidence_pct: float
    interpolation: Interpolation
    interval_s: float
    intervals: tuple[ForecastInterval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """To what extent a request succeeded: what was asked and what will be held.

    Attributes:
        requested, held: SI; None where the request ended a function.
        members_ok, members: how many of the group's members took it.
    """

    quantity: Quantity
    requested: float | None
    held: float | None
    members_ok: int = 1
    members: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReply:
    """Reply to any group function (paper, table 4).

    Attributes:
        message_id: id of this reply.
        correlation_id: message id of the request.
        dms_id, group_id: as in the request.
        time_ms: UTC ms.
        result: OK, PARTIAL (with ``held``) or FAILED (with ``errors``).
        groups: definitions asked for, or what a change made.
        parts: a reply each to the operations of a set, in order, as far as it went.
    """

    message_id: str
    correlation_id: str
    dms_id: str
    group_id: str
    time_ms: int
    result: Result
    errors: tuple[ReplyError, ...] = ()
    present: tuple[Present, ...] = ()
    ranges: tuple[QuantityRange, ...] = ()
    forecast: Forecast | None = None
    held: tuple[Held, ...] = ()
    groups: tuple[GroupDefinition, ...] = ()
    parts: tuple[GroupReply, ...] = ()
