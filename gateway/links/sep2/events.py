"""The life of events in time: scheduled, active, superseded, cancelled, over. Pure.

Rules as in IEEE 2030.5's event rules and guidelines (edition not verified): among events that
overlap and share a control mode the lower primacy number wins, at equal primacy the later
creationTime. What is superseded or cancelled never resumes. Both sides use the same rules: a server
marks what collides inside a program, a client what collides over all programs it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class EventStatusCode(IntEnum):
    """``EventStatus.currentStatus``."""

    SCHEDULED = 0
    ACTIVE = 1
    CANCELLED = 2
    CANCELLED_WITH_RANDOMIZATION = 3
    SUPERSEDED = 4


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event. Times are UTC seconds, durations seconds.

    Attributes:
        mrid: the event's mRID as a number.
        program: what groups events that were made to replace each other.
        primacy: the program's; the lower number wins.
        creation_time: when it was made; breaks ties, and nothing happens before it.
        start, duration: the specified interval.
        randomize_start, randomize_duration: widest random offsets, signed.
        modes: control modes it sets; events without a common mode do not collide.
        cancelled: when it was cancelled; None where it was not.
        cancel_randomized: whether clients spread the cancellation out.
    """

    mrid: int
    program: int
    primacy: int
    creation_time: int
    start: int
    duration: int
    randomize_start: int = 0
    randomize_duration: int = 0
    modes: frozenset[str] = frozenset()
    cancelled: int | None = None
    cancel_randomized: bool = False

    @property
    def begins(self) -> int:
        """The first instant at which any client may have started it."""
        return max(self.start + min(self.randomize_start, 0), self.creation_time)

    @property
    def ends(self) -> int:
        """The instant from which no client follows it any more."""
        late = max(self.randomize_start, 0) + max(self.randomize_duration, 0)
        return self.start + self.duration + late

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sorts the one that wins first."""
        return (self.primacy, -self.creation_time, -self.mrid)


@dataclass(frozen=True, slots=True)
class EventState:
    """What an ``EventStatus`` says.

    Attributes:
        current_status: see :class:`EventStatusCode`.
        date_time: since when.
        potentially_superseded: whether something that wins overlaps it.
        potentially_superseded_time: since when that is known.
    """

    current_status: EventStatusCode
    date_time: int
    potentially_superseded: bool = False
    potentially_superseded_time: int | None = None


@dataclass(frozen=True, slots=True)
class EventLife:
    """One event with what befalls it.

    Attributes:
        lost: mode to the instant at which an event that wins takes it.
        superseded: when the last of its modes was taken; None where it keeps one.
        threatened: since when an overlap with a winner is known; None where there is none.
    """

    event: EventRecord
    lost: Mapping[str, int]
    superseded: int | None
    threatened: int | None

    @property
    def over(self) -> int:
        """When it stops for good, whatever the reason."""
        return min(_known(self.event.ends, self.event.cancelled, self.superseded))

    @property
    def instants(self) -> tuple[int, ...]:
        """When its status changes, in no order."""
        event = self.event
        ends = (event.begins, event.ends)
        return ends + _known(event.cancelled, self.superseded, self.threatened)

    def state(self, now: int) -> EventState | None:
        """What a document says at ``now``; None once it ran to its end."""
        event = self.event
        stops = [
            (at, code)
            for at, code in (
                (event.cancelled, _cancel_code(event)),
                (self.superseded, EventStatusCode.SUPERSEDED),
            )
            if at is not None and at < event.ends and now >= at
        ]
        if stops:
            since, status = min(stops)
        elif now >= event.ends:
            return None
        elif now >= event.begins:
            since, status = event.begins, EventStatusCode.ACTIVE
        else:
            since, status = event.creation_time, EventStatusCode.SCHEDULED
        threat = self.threatened
        if threat is None or threat > now:
            return EventState(status, since)
        return EventState(
            status, since, potentially_superseded=True, potentially_superseded_time=threat
        )

    def holds(self, mode: str, now: int) -> bool:
        """Whether it sets a mode at ``now``."""
        event = self.event
        taken = self.lost.get(mode)
        running = event.begins <= now < self.over
        return mode in event.modes and running and (taken is None or now < taken)


Collides = Callable[[EventRecord, EventRecord], bool]


def in_one_program(event: EventRecord, other: EventRecord) -> bool:
    """A server's view: only what was made in the same program surely has the same clients."""
    return event.program == other.program


def everywhere(event: EventRecord, other: EventRecord) -> bool:  # noqa: ARG001 - as the other
    """A client's view: it follows every program it was given."""
    return True


def lives(
    events: Iterable[EventRecord], collides: Collides = in_one_program
) -> dict[int, EventLife]:
    """What befalls each event, by mRID.

    Args:
        events: all that may meet; several programs' together.
        collides: which pairs can supersede each other. Other pairs that overlap are only
            *potentially* superseded.
    """
    settled: dict[int, EventLife] = {}
    for event in sorted(events, key=lambda e: e.rank):  # whoever wins is settled first
        stronger = [life for life in settled.values() if _overlap(life.event, event)]
        lost: dict[str, int] = {}
        for life in stronger:
            if not collides(life.event, event):
                continue
            meets = max(life.event.begins, event.begins)
            for mode in _shared(life.event, event):
                if life.holds(mode, meets):
                    lost[mode] = min(meets, lost.get(mode, meets))
        known = [max(life.event.creation_time, event.creation_time) for life in stronger]
        superseded = max(lost.values()) if lost and lost.keys() >= event.modes else None
        settled[event.mrid] = EventLife(event, lost, superseded, min(known, default=None))
    return settled


def statuses(
    events: Iterable[EventRecord], now: int, collides: Collides = in_one_program
) -> dict[int, EventState]:
    """What each event's ``EventStatus`` says at ``now``; those that ran out are absent."""
    states = ((mrid, life.state(now)) for mrid, life in lives(events, collides).items())
    return {mrid: state for mrid, state in states if state is not None}


def in_force(lived: Mapping[int, EventLife], now: int) -> dict[str, EventRecord]:
    """Which event sets each mode at ``now``; a mode that no event sets is absent."""
    found: dict[str, EventRecord] = {}
    for life in sorted(lived.values(), key=lambda life: life.event.rank):
        for mode in life.event.modes:
            if mode not in found and life.holds(mode, now):
                found[mode] = life.event
    return found


def randomized(
    events: Sequence[EventRecord], offsets: Mapping[int, tuple[int, int]], bridge_s: int = 1
) -> tuple[EventRecord, ...]:
    """Events at the times one client follows them.

    A limit must not dip between two events that follow each other: where the later starts within
    ``bridge_s`` of the earlier's specified end, it starts when the earlier really ends.

    Args:
        events: as specified.
        offsets: mRID to this client's random offsets of start and duration, seconds.
        bridge_s: the longest gap between consecutive events that is closed.
    """
    moved: dict[int, EventRecord] = {}
    for event in sorted(events, key=lambda e: (e.start, e.rank)):
        start_offset, longer = offsets.get(event.mrid, (0, 0))
        start = event.start + start_offset
        end = start + max(event.duration + longer, 0)
        before = _predecessor(event, events, bridge_s)
        if before is not None and before.mrid in moved:
            start = moved[before.mrid].start + moved[before.mrid].duration
        moved[event.mrid] = replace(
            event,
            start=start,
            duration=max(end - start, 0),
            randomize_start=0,
            randomize_duration=0,
        )
    return tuple(moved[event.mrid] for event in events)


def _predecessor(
    event: EventRecord, events: Sequence[EventRecord], bridge_s: int
) -> EventRecord | None:
    """The event this one follows without a gap worth the name; the strongest of several."""
    candidates = [
        other
        for other in events
        if other.mrid != event.mrid
        and other.start < event.start
        and 0 <= event.start - (other.start + other.duration) <= bridge_s
        and other.cancelled is None
        and _shared(other, event)
    ]
    return min(candidates, key=lambda other: other.rank, default=None)


def _overlap(event: EventRecord, other: EventRecord) -> bool:
    meets = event.begins < other.ends and other.begins < event.ends
    return meets and bool(_shared(event, other))


def _shared(event: EventRecord, other: EventRecord) -> frozenset[str]:
    return event.modes & other.modes


def _cancel_code(event: EventRecord) -> EventStatusCode:
    if event.cancel_randomized:
        return EventStatusCode.CANCELLED_WITH_RANDOMIZATION
    return EventStatusCode.CANCELLED


def _known(*instants: int | None) -> tuple[int, ...]:
    return tuple(instant for instant in instants if instant is not None)
