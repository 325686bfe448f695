"""What a group says unasked: its status changed, its forecast was updated, it was changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.groups.administration import GroupDefinition
from gateway.groups.reports import Forecast, Present, QuantityRange


class EventKind(StrEnum):
    """What happened."""

    STATUS = "STATUS"
    FORECAST = "FORECAST"
    GROUP = "GROUP"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEvent:
    """One event of one group.

    Attributes:
        message_id: of its message; the same however often it is sent.
        source: the box it comes from.
        group_id: the group, as that box calls it.
        time_ms: when it happened, UTC ms.
        kind: what happened.
        sequence: counts the events of this group since the box was started, from 1.
        reason: in words.
        present, ranges: of a STATUS event.
        forecast: of a FORECAST event.
        definition: of a GROUP event; None where the group is no more.
    """

    message_id: str
    source: str
    group_id: str
    time_ms: int
    kind: EventKind
    sequence: int
    reason: str = ""
    present: tuple[Present, ...] = ()
    ranges: tuple[QuantityRange, ...] = ()
    forecast: Forecast | None = None
    definition: GroupDefinition | None = None
