"""What the controller remembers from one cycle to the next: frozen, so any day can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.apps.microgrid.plan import EconomicPlan


class Phase(IntEnum):
    """Steady states and transitions of IEEE 2030.7 (edition not verified)."""

    SS1 = 1  # connected
    SS2 = 2  # islanded
    T1 = 3  # planned islanding
    T2 = 4  # unplanned islanding
    T3 = 5  # reconnection
    T4 = 6  # black start

    @property
    def is_steady(self) -> bool:
        """Whether the dispatch function has the word, not the transition function."""
        return self in (Phase.SS1, Phase.SS2)


class Result(IntEnum):
    """What became of the last request."""

    OK = 0
    CLIPPED = 1
    ISLANDED = 2
    INVALID = 3
    NOT_PERMITTED = 4
    NO_SYNC = 5


class Stage(StrEnum):
    """Where a black start stands."""

    CLEAR = "clear"  # every load breaker open, the POI open
    ENERGISE = "energise"  # one source onto the dead bus
    RESTORE = "restore"  # loads by priority


@dataclass(frozen=True, slots=True)
class Held:
    """What is held at the POI; None where nothing is.

    Attributes:
        power_w, reactive_power_var: set points.
        limit_w: most export where 0 or more, most import where negative.
    """

    power_w: float | None = None
    reactive_power_var: float | None = None
    limit_w: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of phase, for the record: when, UTC ms; from where to where; by which rule."""

    at_ms: int
    before: Phase
    after: Phase
    rule: str


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """What a group behind the POI last said: its P and Q, and the P and Q it could give now."""

    at_ms: int
    power_w: float
    reactive_power_var: float
    power_min_w: float
    power_max_w: float
    reactive_power_max_var: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What a group was asked last: when, UTC ms, and the value; None where that was its end."""

    at_ms: int
    value: float | None


@dataclass(frozen=True, slots=True)
class MicrogridState:
    """The controller's memory.

    Attributes:
        phase: None until the field has been seen.
        since_ms: when the phase began, UTC ms.
        last_ms: when the cycle before was.
        small_since_ms, good_since_ms, band_since_ms: since when the POI power is small, the grid
            good, the bus in its band; 0 while it is not.
        asked_ms: since when a reconnection is asked for; 0 while it is not.
        stepped_ms: when load or sources were last changed on purpose.
        held: at the POI.
        result: of the last request.
        shed: loads that are open by the controller's order.
        load_w: what each load drew when it was last supplied.
        target_w: POI power the ramp has reached.
        stage, source: of a black start: where it stands and with which source.
        exhausted: sources a black start tried in vain.
        sequence: numbers messages to groups.
        groups: what each group behind the POI last said.
        group_asks: what each was asked last, by group and quantity.
        plan, price_per_kwh: the economic plan in force and the price it was made at.
        record: latest changes, oldest first.
    """

    phase: Phase | None = None
    since_ms: int = 0
    last_ms: int = 0
    small_since_ms: int = 0
    good_since_ms: int = 0
    band_since_ms: int = 0
    asked_ms: int = 0
    stepped_ms: int = 0
    held: Held = field(default_factory=Held)
    result: Result = Result.OK
    shed: frozenset[str] = frozenset()
    load_w: Mapping[str, float] = field(default_factory=dict)
    target_w: float | None = None
    stage: Stage = Stage.CLEAR
    source: str = ""
    exhausted: frozenset[str] = frozenset()
    sequence: int = 0
    groups: Mapping[str, GroupSeen] = field(default_factory=dict)
    group_asks: Mapping[str, Asked] = field(default_factory=dict)
    plan: EconomicPlan | None = None
    price_per_kwh: float = 0.0
    record: tuple[Entry, ...] = ()
