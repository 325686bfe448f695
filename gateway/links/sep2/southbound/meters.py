"""What clients mirror to us: usage points, their meter readings, and the readings kept."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway.links.sep2.codec import decode, encode
from gateway.links.sep2.config import StorageLimits
from gateway.links.sep2.resources import (
    MirrorMeterReading,
    MirrorReadingSet,
    MirrorUsagePoint,
    Reading,
)
from gateway.links.sep2.serving.journal import Change, Drop, Journal, Record

POINT, METER, READING, READING_SET = "mup", "meter", "reading", "rset"


@dataclass(slots=True)
class Meter:
    """One meter reading of a usage point.

    Attributes:
        point: number of the usage point.
        number: in its path.
        kind: what it measures: identity, description and ReadingType, without readings.
        readings: the latest outside sets, oldest first, each with its number.
        sets: the latest sets, oldest first, each with its number.
        last: the last number given to a reading or set.
    """

    point: int
    number: int
    kind: MirrorMeterReading
    readings: deque[tuple[int, Reading]] = field(default_factory=deque)
    sets: deque[tuple[int, MirrorReadingSet]] = field(default_factory=deque)
    last: int = 0

    @property
    def parent(self) -> str:
        """What its readings belong to, in the journal."""
        return f"{self.point}/{self.number}"

    def journalled(self) -> Record:
        """It without its readings."""
        key = f"{self.kind.mrid:032X}"
        return Record(METER, str(self.point), self.number, key, body=encode(self.kind))

    def take(self, posted: MirrorMeterReading, limits: StorageLimits) -> list[Change]:
        """Keep what was posted; what is over the limits goes, oldest first."""
        changes: list[Change] = []
        if posted.reading is not None:
            self.last += 1
            self.readings.append((self.last, posted.reading))
            changes.append(Record(READING, self.parent, self.last, body=encode(posted.reading)))
            if len(self.readings) > limits.readings:
                changes.append(Drop(READING, self.parent, self.readings.popleft()[0]))
        for posted_set in posted.mirror_reading_set:
            known = next((n for n, kept in self.sets if kept.mrid == posted_set.mrid), 0)
            if known:  # sent again, perhaps with more in it
                self.sets = deque(entry for entry in self.sets if entry[0] != known)
            else:
                self.last += 1
            at = known or self.last
            short = replace(posted_set, reading=posted_set.reading[-limits.readings :])
            self.sets.append((at, short))
            changes.append(Record(READING_SET, self.parent, at, body=_standing(short)))
            if len(self.sets) > limits.reading_sets:
                changes.append(Drop(READING_SET, self.parent, self.sets.popleft()[0]))
        return changes


@dataclass(slots=True)
class MirroredPoint:
    """One usage point.

    Attributes:
        number: in its paths.
        point: its document, without readings.
        meters: its meter readings by mRID.
    """

    number: int
    point: MirrorUsagePoint
    meters: dict[int, Meter] = field(default_factory=dict)

    @property
    def lfdi(self) -> str:
        """The EndDevice it is at."""
        return self.point.device_lfdi

    def journalled(self) -> Record:
        """It without its meter readings."""
        key = f"{self.point.mrid:032X}"
        return Record(POINT, "", self.number, key, json.dumps(self.lfdi), encode(self.point))

    def meter(self, number: int) -> Meter | None:
        """The meter reading of a number."""
        return next((m for m in self.meters.values() if m.number == number), None)

    def drops(self) -> list[Change]:
        """Everything of it, to be dropped."""
        changes: list[Change] = [Drop(POINT, "", self.number)]
        for meter in self.meters.values():
            changes.append(Drop(METER, str(self.number), meter.number))
            changes += [Drop(READING, meter.parent, n) for n, _ in meter.readings]
            changes += [Drop(READING_SET, meter.parent, n) for n, _ in meter.sets]
        return changes


def _standing(kept: MirrorReadingSet) -> bytes:
    """A set as a document; alone it is none in the standard."""
    return encode(MirrorMeterReading(mrid=kept.mrid, mirror_reading_set=(kept,)))


def load(journal: Journal) -> Iterator[MirroredPoint]:
    """The usage points that the journal holds, by number."""
    points: dict[int, MirroredPoint] = {}
    for record in journal.load(POINT):
        points[record.number] = MirroredPoint(record.number, decode(record.body, MirrorUsagePoint))
    by_parent: dict[str, Meter] = {}
    for record in journal.load(METER):
        kind = decode(record.body, MirrorMeterReading)
        meter = Meter(int(record.parent), record.number, kind)
        by_parent[meter.parent] = meter
        points[meter.point].meters[kind.mrid] = meter
    for record in journal.load(READING):
        meter = by_parent[record.parent]
        meter.readings.append((record.number, decode(record.body, Reading)))
        meter.last = max(meter.last, record.number)
    for record in journal.load(READING_SET):
        meter = by_parent[record.parent]
        meter.sets.append(
            (record.number, decode(record.body, MirrorMeterReading).mirror_reading_set[0])
        )
        meter.last = max(meter.last, record.number)
    yield from points.values()
