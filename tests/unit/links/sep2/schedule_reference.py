"""What a client is to do, second by second, written as plainly as the rules are said.

No intervals, no sorting out beforehand: a clock that ticks, and what is so at each tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MODES = ("op_mod_max_lim_w", "op_mod_fixed_w", "op_mod_connect")
#: What the site says of each mode: it takes the first, refuses the second, lacks the third.
TAKES, REFUSES, LACKS = MODES


@dataclass
class Event:
    """An event at a server, and what this client makes of it."""

    mrid: int
    program: int
    primacy: int
    created: int
    start: int
    duration: int
    modes: frozenset[str]
    for_us: bool = True
    shift: int = 0  # of its start, by this client's dice
    stretch: int = 0  # of its duration
    spread: int = 0  # of a randomised cancellation
    cancelled: int | None = None
    randomly: bool = False
    lost: set[str] = field(default_factory=set)
    superseded: bool = False
    told: list[int] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.primacy, -self.created, -self.mrid)


@dataclass
class Reference:
    """One device. ``defaults``: (primacy, modes) of each program, best first."""

    defaults: list[tuple[int, frozenset[str]]]
    events: list[Event] = field(default_factory=list)
    responses: list[tuple[int, int, int]] = field(default_factory=list)

    def tick(self, now: int) -> dict[str, int | str]:
        """Mode to the mRID that sets it, or to ``default n``."""
        mine = [event for event in self.events if event.for_us]
        running = [event for event in mine if self.runs(event, now)]
        force: dict[str, int | str] = {}
        for mode in MODES:
            wanting = [e for e in running if mode in e.modes - e.lost]
            if wanting:
                best = min(wanting, key=lambda e: e.rank)
                force[mode] = best.mrid
                for loser in wanting:
                    if loser is not best:
                        loser.lost.add(mode)
        for event in running:
            event.superseded = event.superseded or event.lost == event.modes
        for event in mine:
            self.respond(event, now, {m for m, by in force.items() if by == event.mrid})
        for number, (_, modes) in enumerate(self.defaults):
            for mode in modes:
                force.setdefault(mode, f"default {number}")
        return force

    def start(self, event: Event) -> int:
        """When this client starts it: no gap after one that it follows directly."""
        before = [
            other
            for other in self.events
            if other.for_us
            and other.modes & event.modes
            and other.cancelled is None
            and other.start < event.start
            and event.start - other.start - other.duration in (0, 1)
        ]
        if before:
            return self.end(min(before, key=lambda e: e.rank))
        return event.start + event.shift

    def end(self, event: Event) -> int:
        own = event.start + event.shift + max(event.duration + event.stretch, 0)
        return max(own, self.start(event))

    def stops(self, event: Event) -> int | None:
        """When a cancellation ends it."""
        if event.cancelled is None:
            return None
        begun = max(self.start(event), event.created) <= event.cancelled
        return event.cancelled + (event.spread if event.randomly and begun else 0)

    def runs(self, event: Event, now: int) -> bool:
        stops = self.stops(event)
        begun = max(self.start(event), event.created) <= now < self.end(event)
        return begun and not event.superseded and (stops is None or now < stops)

    def respond(self, event: Event, now: int, held: set[str]) -> None:
        if set(event.told) & {3, 6, 7, 252, 254}:
            return
        if not event.told:
            if now >= self.end(event):
                self.say(event, 254, now)
                return
            self.say(event, 1, now)
        stops = self.stops(event)
        if event.superseded:
            self.say(event, 7, now)
        elif stops is not None and stops <= now and stops < self.end(event):
            self.say(event, 6, now)
        elif now >= self.end(event):
            if 2 in event.told and self.choice(event) != 4:
                self.say(event, 3, now)
        elif now >= max(self.start(event), event.created):
            self.respond_running(event, now, held)

    def respond_running(self, event: Event, now: int, held: set[str]) -> None:
        if TAKES in held:
            if self.choice(event) == 4:
                self.say(event, 5, now)
            if 2 not in event.told:
                self.say(event, 2, now)
        elif REFUSES in held:
            if self.choice(event) != 4:
                self.say(event, 4, now)
        elif not {2, 4} & set(event.told):
            self.say(event, 252, now)

    @staticmethod
    def choice(event: Event) -> int | None:
        return next((code for code in reversed(event.told) if code in (4, 5)), None)

    def say(self, event: Event, code: int, now: int) -> None:
        event.told.append(code)
        self.responses.append((event.mrid, code, now))
