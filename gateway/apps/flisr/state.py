"""What one cycle of restoration leaves to the next: data only, so any outage can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.apps.flisr.graph import Edges
from gateway.apps.flisr.plan import Step


class Phase(StrEnum):
    """Where an outage stands."""

    NORMAL = "normal"
    TRIPPED = "tripped"  # it may still clear by reclosing
    LOCKED_OUT = "locked out"  # indicators are awaited
    ADVISED = "advised"  # there is a plan, and somebody else is to carry it out
    SWITCHING = "switching"
    RESTORED = "restored"  # the repair is awaited
    RETURNING = "returning"
    STOPPED = "stopped"  # the field did not follow, or there is no safe way


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record.

    Attributes:
        at_ms: UTC ms.
        action, target: what, and to which switch or group; empty for what only happened.
        state: ``planned``, ``sent``, ``done``, ``failed`` or ``seen``.
    """

    at_ms: int
    action: str
    target: str
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Calm:
    """The feeder in a quiet moment: what was closed, flowed and was injected, POIs apart.

    Flags and sags of earlier faults are kept to tell new ones from.
    """

    at_ms: int
    closed: Edges
    flows_va: Mapping[int, complex]
    injected_w: Mapping[str, float]
    flagged: Edges
    pois: Edges = frozenset()
    sags_v: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group last said: connected at its POI, and its power there, W."""

    connected: bool | None
    power_w: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class FlisrState:
    """The state.

    Attributes:
        calm: quiet moments, oldest first; the oldest is what restoration rests on.
        since_ms: when the phase began.
        event: number of the outage.
        zone: where the fault is, in words.
        steps: the plan; ``position`` the next or present one, ``sent_ms`` when it was sent.
        dead, blocked: zones and switches kept out until the repair.
        tripped: what locked out.
        pois: POIs that the plan opens, keeps open until the repair, or closes after it.
        stuck: POIs that were to open and did not.
        groups: last status by group; ``asked_ms`` when it was asked for.
        record: newest last.
        sequence: number of the last message made.
        notes: figures of the plan.
    """

    phase: Phase = Phase.NORMAL
    calm: tuple[Calm, ...] = ()
    since_ms: int = 0
    event: int = 0
    zone: str = ""
    steps: tuple[Step, ...] = ()
    position: int = 0
    sent_ms: int = 0
    dead: frozenset[int] = frozenset()
    blocked: Edges = frozenset()
    tripped: Edges = frozenset()
    pois: Edges = frozenset()
    stuck: Edges = frozenset()
    groups: Mapping[str, GroupState] = field(default_factory=dict)
    asked_ms: int = 0
    record: tuple[Entry, ...] = ()
    sequence: int = 0
    notes: Mapping[str, float | str] = field(default_factory=dict)
