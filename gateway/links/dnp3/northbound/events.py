"""Events that one master has not confirmed yet: bounded by class, in order of occurrence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.northbound.database import TYPE_CODE
from gateway.links.dnp3.objects import PointType

#: One event. ``seq`` counts occurrences of one buffer, from 1, across classes and types.
EVENT_ROW = np.dtype(
    [
        ("seq", "<i8"), ("value", "<f8"), ("time_ms", "<i8"), ("index", "<u2"), ("type", "u1"),
        ("event_class", "u1"), ("variation", "u1"), ("flags", "u1"), ("synchronised", "?"),
    ]
)  # fmt: skip
Rows = NDArray[np.void]
Sequences = NDArray[np.int64]

CLASSES = (1, 2, 3)
NO_EVENTS: Rows = np.zeros(0, dtype=EVENT_ROW)
_FIRST_ALLOCATION = 64
_NOBODY = 0xFF


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a header of a read asks for: a class's or a type's.

    Attributes:
        event_class: 1..3, or 0 where ``type`` says it.
        type: of point, where the header names an event group.
        variation: to send; 0 is each event's own.
        limit: most events; None without limit.
    """

    event_class: int = 0
    type: PointType | None = None
    variation: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Events a read asks for, in order of occurrence, and which filter asked for each."""

    rows: Rows
    owners: NDArray[np.uint8]


class _Ring:
    """Events of one class: appended at the end, taken mostly from the front."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._rows: Rows = np.zeros(min(_FIRST_ALLOCATION, 2 * capacity), dtype=EVENT_ROW)
        self._start = self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    def view(self) -> Rows:
        """The events, oldest first; valid until the next change."""
        return self._rows[self._start : self._stop]

    def append(self, batch: Rows) -> Rows:
        """Add events; what gives way to them comes back."""
        over = max(0, len(self) + len(batch) - self.capacity)
        gone = self.view()[:over].copy() if over else NO_EVENTS
        if over > len(gone):
            gone = np.concatenate([gone, batch[: over - len(gone)]])
        self._start += min(over, len(self))
        batch = batch[-self.capacity :]
        if self._stop + len(batch) > len(self._rows):
            self._make_room(len(batch))
        self._rows[self._stop : self._stop + len(batch)] = batch
        self._stop += len(batch)
        return gone

    def remove(self, sequences: Sequences) -> None:
        """Drop these events; those already gone are passed over."""
        rows = self.view()
        if not len(rows) or not len(sequences):
            return
        last = int(np.searchsorted(sequences, rows["seq"][-1], side="right"))
        keep = ~np.isin(rows["seq"], sequences[:last])
        kept = int(keep.sum())
        if kept < len(rows) and keep[len(rows) - kept :].all():
            self._start = self._stop - kept
            return
        self._rows[self._start : self._start + kept] = rows[keep]
        self._stop = self._start + kept

    def _make_room(self, count: int) -> None:
        held = self.view().copy()
        size = min(2 * self.capacity, max(len(self._rows), 2 * (len(held) + count)))
        if size > len(self._rows):
            self._rows = np.zeros(size, dtype=EVENT_ROW)
        self._rows[: len(held)] = held
        self._start, self._stop = 0, len(held)


class EventBuffer:
    """One master's events. They leave when it confirms them, or when newer ones need their room.

    Args:
        capacity: events held per class; when full, the oldest of that class gives way.

    Attributes:
        discarded: events that gave way, ever.
        newest: sequence of the last event, 0 before the first.
    """

    def __init__(self, capacity: int) -> None:
        self._rings = {number: _Ring(capacity) for number in CLASSES}
        self._strings: dict[int, bytes] = {}
        self._losses_shown = 0
        self.discarded = 0
        self.newest = 0

    def append(self, rows: Rows, strings: Sequence[bytes] = ()) -> None:
        """Add events, in order; their ``seq`` is given here.

        Args:
            rows: with everything but ``seq``; classes 1..3.
            strings: octets of each, where they are octet strings' events.
        """
        rows["seq"] = np.arange(self.newest + 1, self.newest + 1 + len(rows))
        self.newest += len(rows)
        for event, octets in zip(rows, strings, strict=False):
            self._strings[int(event["seq"])] = octets
        classes = rows["event_class"]
        first = int(classes[0])
        if len(rows) == 1 or bool((classes == first).all()):
            self._put(first, rows)
            return
        for number in CLASSES:
            of_class = rows[classes == number]
            if len(of_class):
                self._put(number, of_class)

    def counts(self, without: Rows = NO_EVENTS) -> tuple[int, int, int]:
        """Events held of classes 1, 2 and 3, apart from those of a response under way."""
        held = [len(self._rings[number]) for number in CLASSES]
        if len(without):
            taken = np.bincount(without["event_class"], minlength=4)
            held = [max(0, count - int(taken[n])) for n, count in zip(CLASSES, held, strict=True)]
        return held[0], held[1], held[2]

    def choose(self, filters: Sequence[EventFilter], newest: int, most: int) -> Chosen:
        """The oldest events that filters ask for, not newer than ``newest``, at most ``most``.

        An event that several filters ask for is the first one's.
        """
        rows: list[Rows] = []
        owners: list[NDArray[np.uint8]] = []
        for number, ring in self._rings.items():
            found, whose = _pick(ring.view(), number, filters, most)
            rows.append(found)
            owners.append(whose)
        merged, whose = np.concatenate(rows), np.concatenate(owners)
        order = np.argsort(merged["seq"])
        merged, whose = merged[order], whose[order]
        keep = merged["seq"] <= newest
        for number, wanted in enumerate(filters):
            if wanted.limit is not None:
                keep[np.flatnonzero(whose == number)[wanted.limit :]] = False
        return Chosen(merged[keep][:most], whose[keep][:most])

    def string(self, sequence: int) -> bytes:
        """Octets of an octet string's event."""
        return self._strings.get(sequence, b"\0")

    def confirm(self, rows: Rows) -> None:
        """Drop events that the master has taken."""
        if not len(rows):
            return
        sequences: Sequences = np.sort(rows["seq"])
        for ring in self._rings.values():
            ring.remove(sequences)
        self._forget_strings(rows)

    @property
    def overflowed(self) -> bool:
        """Whether events were lost that no confirmed response has told of, or there is no room."""
        return self.discarded != self._losses_shown

    def losses_shown(self, discarded: int) -> None:
        """Say that a confirmed response told of losses when ``discarded`` had been lost.

        Negative where it told of none. While a class is full the next event is lost again, so
        the indication stands until there is room.
        """
        if discarded >= 0 and not any(len(ring) >= ring.capacity for ring in self._rings.values()):
            self._losses_shown = discarded

    def _put(self, number: int, rows: Rows) -> None:
        gone = self._rings[number].append(rows)
        if len(gone):
            self.discarded += len(gone)
            self._forget_strings(gone)

    def _forget_strings(self, rows: Rows) -> None:
        if self._strings:
            for sequence in rows["seq"].tolist():
                self._strings.pop(sequence, None)


def _pick(
    rows: Rows, number: int, filters: Iterable[EventFilter], most: int
) -> tuple[Rows, NDArray[np.uint8]]:
    """Events of one class that filters ask for, and which filter does.

    Limited filters still pick ``most``: what one filter may not send, another behind it gets no
    second chance at, as a header's own events are its own.
    """
    asked = list(filters)
    whole = [n for n, f in enumerate(asked) if f.event_class == number]
    if whole and not any(f.type is not None for f in asked[: whole[0]]):
        head = rows[:most]
        return head, np.full(len(head), whole[0], dtype=np.uint8)
    owners = np.full(len(rows), _NOBODY, dtype=np.uint8)
    for n, wanted in reversed(list(enumerate(asked))):
        if wanted.event_class == number:
            owners[:] = n
        elif wanted.type is not None:
            owners[rows["type"] == TYPE_CODE[wanted.type]] = n
    at = np.flatnonzero(owners != _NOBODY)[:most]
    return rows[at], owners[at]
