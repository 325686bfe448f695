"""What must outlive a restart: random offsets, responses, and where our things are.

Kept in the journal's file; what is live is here.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.links.sep2.northbound.obedience import FINAL
from gateway.links.sep2.northbound.schedule import Offsets
from gateway.links.sep2.resources import DERControl
from gateway.links.sep2.serving.journal import Change, Drop, Journal, Record
from gateway.model.errors import LinkError

_OFFSETS, _RESPONSE, _PLACE = "client-offsets", "client-response", "client-place"
_WIDEST_S = 3600
#: How long what is no longer listed is remembered, s.
_KEEP_S = 86_400


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that befell an event at a device.

    Attributes:
        number: of its record.
        lfdi: of the device.
        mrid: of the event.
        code: of the response.
        at: when, the server's time, UTC s.
        reply_to: where it is to be posted; empty where nobody asked.
        posted: whether it need not be posted any more.
    """

    number: int
    lfdi: str
    mrid: int
    code: int
    at: int
    reply_to: str
    posted: bool


class Memory:
    """The state of a client.

    Args:
        path: SQLite file.
        rng: draws offsets.
        most: records of events kept; beyond it the oldest are forgotten.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(self, path: Path, rng: random.Random, most: int = 200_000) -> None:
        self._journal = Journal(path)
        self._rng = rng
        self._most = most
        self._last = 0
        self._offsets: OrderedDict[int, tuple[int, Offsets]] = OrderedDict()
        self._noted: OrderedDict[int, Noted] = OrderedDict()
        self._told: dict[str, dict[int, list[Noted]]] = {}
        self._places: dict[str, tuple[int, str]] = {}
        self._written: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None
        try:
            self._load()
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._journal.close()

    async def flush(self) -> None:
        """Wait until everything noted so far is on disk.

        Raises:
            LinkError: it cannot be.
        """
        if self._written is not None:
            await asyncio.wait([self._written])
        if self._fault is not None:
            raise LinkError(str(self._fault))

    def draw(self, control: DERControl) -> Offsets:
        """Our offsets of an event: drawn once, within what it says now."""
        wide_start = _bound(control.randomize_start)
        wide_duration = _bound(control.randomize_duration)
        spread = max(abs(wide_start), abs(wide_duration))
        if not spread:
            return Offsets()
        known = self._offsets.get(control.mrid)
        if known is None:
            drawn = Offsets(self._one(wide_start), self._one(wide_duration), self._one(spread))
            number = self._next()
            self._offsets[control.mrid] = (number, drawn)
            note = json.dumps([drawn.start, drawn.duration, drawn.cancel])
            self._write(Record(_OFFSETS, "", number, f"{control.mrid:X}", note), *self._trim())
        else:
            drawn = known[1]
        return Offsets(
            _within(drawn.start, wide_start),
            _within(drawn.duration, wide_duration),
            _within(drawn.cancel, spread),
        )

    def told(self, lfdi: str, mrid: int) -> list[int]:
        """The codes noted of an event at a device, oldest first."""
        return [noted.code for noted in self._told.get(lfdi, {}).get(mrid, ())]

    def finished(self, lfdi: str) -> frozenset[int]:
        """The events that are over for a device."""
        mine = self._told.get(lfdi, {})
        return frozenset(m for m, all_ in mine.items() if any(n.code in FINAL for n in all_))

    def waiting(self) -> Iterable[Noted]:
        """What is still to be posted, oldest first."""
        return [noted for noted in self._noted.values() if not noted.posted]

    def note(self, lfdi: str, mrid: int, code: int, at: int, reply_to: str) -> Noted:
        """Note what befell an event; to be posted where ``reply_to`` says where."""
        noted = Noted(self._next(), lfdi, mrid, int(code), at, reply_to, not reply_to)
        self._add(noted)
        self._write(_record(noted), *self._trim())
        return noted

    def posted(self, noted: Noted) -> None:
        """A response that need not be posted any more."""
        if noted.number in self._noted:
            self._noted[noted.number] = replace(noted, posted=True)
            self._write(_record(self._noted[noted.number]))

    def place(self, name: str) -> str:
        """Where one of our things is on the server; empty where it is not known."""
        return self._places.get(name, (0, ""))[1]

    def put_place(self, name: str, path: str) -> None:
        """Remember where one of our things is; empty forgets it."""
        if self.place(name) == path:
            return
        number = self._places.get(name, (self._next(), ""))[0]
        self._places[name] = (number, path)
        self._write(Record(_PLACE, "", number, name, path))

    def forget(self, listed: Collection[int], now: int) -> None:
        """Forget events that are no longer listed and were noted long ago."""
        old = [
            noted
            for noted in self._noted.values()
            if noted.posted and noted.mrid not in listed and noted.at < now - _KEEP_S
        ]
        changes: list[Change] = [self._drop(noted) for noted in old]
        left = {noted.mrid for noted in self._noted.values()} if old else set()
        gone = ({noted.mrid for noted in old} - left) & self._offsets.keys()
        changes += [Drop(_OFFSETS, "", self._offsets.pop(mrid)[0]) for mrid in gone]
        if changes:
            self._write(*changes)

    def _load(self) -> None:
        for record in self._journal.load(_OFFSETS):
            start, duration, cancel = json.loads(record.note)
            self._offsets[int(record.key, 16)] = (record.number, Offsets(start, duration, cancel))
            self._last = max(self._last, record.number)
        for record in self._journal.load(_PLACE):
            self._places[record.key] = (record.number, record.note)
            self._last = max(self._last, record.number)
        for record in sorted(self._journal.load(_RESPONSE), key=lambda one: one.number):
            code, at, reply_to, posted = json.loads(record.note)
            mrid = int(record.key, 16)
            self._add(Noted(record.number, record.parent, mrid, code, at, reply_to, posted))
            self._last = max(self._last, record.number)

    def _add(self, noted: Noted) -> None:
        self._noted[noted.number] = noted
        self._told.setdefault(noted.lfdi, {}).setdefault(noted.mrid, []).append(noted)

    def _drop(self, noted: Noted) -> Drop:
        del self._noted[noted.number]
        mine = self._told[noted.lfdi]
        kept = [one for one in mine[noted.mrid] if one.number != noted.number]
        if kept:
            mine[noted.mrid] = kept
        else:
            del mine[noted.mrid]
        return Drop(_RESPONSE, noted.lfdi, noted.number)

    def _trim(self) -> list[Change]:
        """What must go so that nothing grows without end."""
        changes: list[Change] = []
        while len(self._noted) > self._most:
            changes.append(self._drop(next(iter(self._noted.values()))))
        while len(self._offsets) > self._most:
            changes.append(Drop(_OFFSETS, "", self._offsets.popitem(last=False)[1][0]))
        return changes

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _one(self, bound: int) -> int:
        return self._rng.randint(min(bound, 0), max(bound, 0))

    def _write(self, *changes: Change) -> None:
        self._written = self._journal.write(*changes)
        self._written.add_done_callback(self._note_fault)

    def _note_fault(self, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is not None:
            self._fault = written.exception()


def _record(noted: Noted) -> Record:
    note = json.dumps([noted.code, noted.at, noted.reply_to, noted.posted])
    return Record(_RESPONSE, noted.lfdi, noted.number, f"{noted.mrid:X}", note)


def _bound(seconds: int | None) -> int:
    return max(-_WIDEST_S, min(_WIDEST_S, seconds or 0))


def _within(offset: int, bound: int) -> int:
    return max(min(bound, 0), min(max(bound, 0), offset))
