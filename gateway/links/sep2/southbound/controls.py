"""The controls of one program, and what their EventStatus says at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

from gateway.links.sep2 import events
from gateway.links.sep2.codec import decode, encode, encode_fragment
from gateway.links.sep2.control_events import event_of
from gateway.links.sep2.events import EventRecord, EventState, EventStatusCode
from gateway.links.sep2.resources import DERControl, EventStatus
from gateway.links.sep2.serving.journal import Change, Drop, Record

KIND = "control"
_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Control:
    """One control as the server keeps it.

    Attributes:
        number: in its path.
        control: its document; the status in it is that of ``state``.
        record: it, for the event engine.
        state: what its EventStatus says now; None before the first look and after its end.
        superseded: when it was; kept, because what superseded it may be gone before it.
        plain, extended: its element, without and with CSIP-AUS, once made.
    """

    number: int
    control: DERControl
    record: EventRecord
    state: EventState | None = None
    superseded: int | None = None
    plain: bytes = b""
    extended: bytes = b""

    @property
    def settled(self) -> bool:
        """Whether it was superseded or cancelled, which nothing undoes."""
        return self.superseded is not None or self.record.cancelled is not None

    @property
    def over(self) -> int:
        """When clients have nothing more to do with it, UTC s."""
        stops = (self.record.ends, self.record.cancelled, self.superseded)
        return min(at for at in stops if at is not None)

    def fragment(self, *, csip_aus: bool) -> bytes:
        """Its element, made once a status."""
        if csip_aus:
            self.extended = self.extended or encode_fragment(self.control, csip_aus=True)
            return self.extended
        self.plain = self.plain or encode_fragment(self.control)
        return self.plain

    def take(self, state: EventState | None) -> bool:
        """Say another status from now on; False where it is the same."""
        if state == self.state:
            return False
        self.state, self.plain, self.extended = state, b"", b""
        if state is not None:
            status = EventStatus(
                current_status=int(state.current_status),
                date_time=state.date_time,
                potentially_superseded=state.potentially_superseded,
                potentially_superseded_time=state.potentially_superseded_time,
            )
            self.control = replace(self.control, event_status=status)
        return True

    def active_at(self, now: int) -> bool:
        """Whether it is followed at ``now``."""
        return _code(self.state) is EventStatusCode.ACTIVE and now < self.record.ends

    def journalled(self, program: int) -> Record:
        """It, for the journal."""
        note = [self.record.cancelled, self.record.cancel_randomized, self.superseded]
        body = encode(self.control, csip_aus=True)
        key = f"{self.control.mrid:032X}"
        return Record(KIND, str(program), self.number, key, json.dumps(note), body)


class Controls:
    """The controls of one program.

    Args:
        program: its number.
        primacy: its primacy.
        linger_s: how long clients are shown controls that ended.
        retain_s: how long ended controls are kept.

    Attributes:
        listed: those that clients are shown, by start, then the newest, then mRID.
        active: those that are active, in the same order.
        by_number, by_mrid: all that are kept.
    """

    def __init__(self, program: int, primacy: int, linger_s: int, retain_s: float) -> None:
        self.listed: list[Control] = []
        self.active: list[Control] = []
        self.by_number: dict[int, Control] = {}
        self.by_mrid: dict[int, Control] = {}
        self._program = program
        self._primacy = primacy
        self._linger_s = linger_s
        self._retain_s = max(retain_s, linger_s)
        self._elements: dict[tuple[str, bool], list[bytes]] = {}
        self._lives: dict[int, events.EventLife] = {}
        self._next: int | None = 0
        self._last = 0

    @property
    def next_change(self) -> int | None:
        """When a status changes next, UTC s; None where none will."""
        return self._next

    @property
    def next_number(self) -> int:
        """The number of the next control."""
        return self._last + 1

    def elements(self, name: str, *, csip_aus: bool) -> list[bytes]:
        """The elements of a list (``derc`` or ``actderc``), made once a change of it."""
        found = self._elements.get((name, csip_aus))
        if found is None:
            shown = self.listed if name == "derc" else self.active
            found = [control.fragment(csip_aus=csip_aus) for control in shown]
            self._elements[name, csip_aus] = found
        return found

    def restore(self, record: Record) -> None:
        """Take one from the journal."""
        cancelled, randomized, superseded = json.loads(record.note)
        control = decode(record.body, DERControl)
        event = replace(
            event_of(control, self._program, self._primacy),
            cancelled=cancelled,
            cancel_randomized=randomized,
        )
        self._keep(Control(record.number, control, event, superseded=superseded))

    def add(self, control: DERControl) -> Control:
        """Take a new one."""
        made = Control(self.next_number, control, event_of(control, self._program, self._primacy))
        self._keep(made)
        return made

    def cancel(self, control: Control, now: int, *, randomized: bool) -> None:
        """Cancel one."""
        control.record = replace(control.record, cancelled=now, cancel_randomized=randomized)
        self._lives.clear()
        self._next = 0

    def make_room(self, now: int) -> Drop | None:
        """Forget the control that clients have been done with longest; None where none is."""
        done = [c for c in self.by_number.values() if c.over + self._linger_s <= now]
        if not done:
            return None
        oldest = min(done, key=lambda control: (control.over, control.number))
        self._remove(oldest)
        return Drop(KIND, str(self._program), oldest.number)

    def refresh(self, now: int) -> tuple[frozenset[str], list[Change]]:
        """Bring every status to ``now``.

        Returns:
            Which lists changed (``derc``, ``actderc``), and what the journal is to hear.
        """
        if self._next is None or now < self._next:
            return _NOTHING, []
        changes: list[Change] = []
        changes += self._forget(now)
        if not self._lives:
            self._lives = dict(_lives(self._living(now)))
        changed = False
        for control in self.by_number.values():
            state = self._state(control, now)
            if control.superseded is None and _code(state) is EventStatusCode.SUPERSEDED:
                control.superseded = None if state is None else state.date_time
                changes.append(control.journalled(self._program))
            changed |= control.take(state)
        lists = {"derc"} if changed else set()
        if changed:
            shown = (c for c in self.by_number.values() if c.state is not None)
            self.listed = sorted(shown, key=_order)
        active = [c for c in self.listed if c.active_at(now)]
        if active != self.active:
            self.active = active
            lists.add("actderc")
        if lists:
            self._elements.clear()
        self._next = self._after(now)
        return frozenset(lists), changes

    def _keep(self, control: Control) -> None:
        self._last = max(self._last, control.number)
        self.by_number[control.number] = control
        self.by_mrid[control.control.mrid] = control
        self._lives.clear()
        self._next = 0

    def _living(self, now: int) -> list[EventRecord]:
        """Events that can still change, and those that overlap them."""
        open_ = [c.record for c in self.by_number.values() if not c.settled and c.record.ends > now]
        earliest = min((event.begins for event in open_), default=now)
        return [c.record for c in self.by_number.values() if c.record.ends > min(earliest, now)]

    def _state(self, control: Control, now: int) -> EventState | None:
        if control.settled and now >= control.over + self._linger_s:
            return None  # a control renewed often would leave a list of its predecessors
        if now >= control.record.ends:
            return self._last_state(control, now)
        if control.superseded is not None:
            state = control.state
            if _code(state) is EventStatusCode.SUPERSEDED:
                return state
            return EventState(EventStatusCode.SUPERSEDED, control.superseded)
        life = self._lives.get(control.record.mrid)
        return None if life is None else life.state(now)

    def _last_state(self, control: Control, now: int) -> EventState | None:
        """What a control that ended still says.

        The standard has no status for that. Were it gone at once, a client whose clock is a
        little behind would take it for cancelled.
        """
        event, last = control.record, control.state
        if now >= event.ends + self._linger_s or event.begins >= event.ends:
            return None  # long over, or over before it was made
        if last is not None and _code(last) is not EventStatusCode.SCHEDULED:
            return last
        return events.EventLife(event, {}, control.superseded, None).state(event.ends - 1)

    def _forget(self, now: int) -> list[Change]:
        gone = [c for c in self.by_number.values() if c.over + self._retain_s <= now]
        for control in gone:
            self._remove(control)
        return [Drop(KIND, str(self._program), control.number) for control in gone]

    def _remove(self, control: Control) -> None:
        del self.by_number[control.number], self.by_mrid[control.control.mrid]
        self._lives.clear()
        self._next = 0

    def _after(self, now: int) -> int | None:
        lives = self._lives.values()
        instants = [at for life in lives for at in life.instants if at > now]
        for control in self.by_number.values():
            over = control.over
            later = (over, over + self._linger_s, int(over + self._retain_s) + 1)
            instants.append(next((at for at in later if at > now), now + 1))
        return min(instants, default=None)


def _lives(found: Iterable[EventRecord]) -> Iterable[tuple[int, events.EventLife]]:
    """What befalls each event; what does not overlap is looked at apart, which is much faster."""
    group: list[EventRecord] = []
    until = 0
    for event in sorted(found, key=attrgetter("begins")):
        if group and event.begins >= until:
            yield from events.lives(group).items()
            group = []
        until = max(until, event.ends) if group else event.ends
        group.append(event)
    yield from events.lives(group).items()


def _code(state: EventState | None) -> EventStatusCode | None:
    return None if state is None else state.current_status


def _order(control: Control) -> tuple[int, int, int]:
    return control.record.start, -control.record.creation_time, control.record.mrid
