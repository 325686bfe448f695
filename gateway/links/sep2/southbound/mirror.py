"""/mup: clients make usage points and post their readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.links.sep2.codec import encode_fragment
from gateway.links.sep2.resources import (
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    MirrorUsagePointList,
    Reading,
    ReadingType,
)
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.answers import (
    NO_CONTENT,
    NOT_FOUND,
    Answer,
    Ask,
    Post,
    forbidden,
    full,
    invalid,
)
from gateway.links.sep2.serving.journal import Change
from gateway.links.sep2.southbound import meters
from gateway.links.sep2.southbound.documents import document, listing
from gateway.links.sep2.southbound.ground import Ground, number
from gateway.links.sep2.southbound.meters import Meter, MirroredPoint
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

#: Told of each reading: LFDI of its EndDevice, usage point, what it is, its value.
OnReading = Callable[[str, MirrorUsagePoint, ReadingType | None, Reading], None]
_NO_POINTS: tuple[MirroredPoint, ...] = ()


class Mirror:
    """All mirrored usage points.

    Args:
        ground: journal and limits.
        registrations: whose EndDevices are whose.
        on_reading: told of each reading once it is on disk.
    """

    def __init__(self, ground: Ground, registrations: Registrations, on_reading: OnReading) -> None:
        self._ground = ground
        self._registrations = registrations
        self._on_reading = on_reading
        self._points: dict[int, MirroredPoint] = {}
        self._visible: dict[str, list[MirroredPoint]] = {}
        self._last = 0

    def load(self) -> None:
        """Take what the journal holds."""
        for point in meters.load(self._ground.journal):
            self._add(point)

    def serve(self, routes: Routes) -> None:
        """Take the paths of mirrored usage points."""
        routes.add("/mup", Endpoint(self._all, {"POST": self._make}))
        writers = {"POST": self._post, "DELETE": self._delete}
        routes.add("/mup/*", Endpoint(self._one, writers))

    def visible(self, client: Client) -> Sequence[MirroredPoint]:
        """The usage points of a client's EndDevices, in the order they were made."""
        return self._visible.get(client.lfdi, _NO_POINTS)

    def find(self, client: Client, segment: str) -> MirroredPoint | None:
        """A usage point, where it is at one of the client's EndDevices."""
        point = self._points.get(number(segment))
        if point is None or self._registrations.of(client, point.lfdi) is None:
            return None
        return point

    def forget(self, device: Device) -> list[Change]:
        """Forget the usage points of an EndDevice; gives what the journal is to drop."""
        gone = [p for p in self._visible.get(device.lfdi, ()) if p.lfdi == device.lfdi]
        return [change for point in gone for change in self._remove(point)]

    def _all(self, ask: Ask) -> Answer:
        return listing(
            ask,
            MirrorUsagePointList,
            self.visible(ask.client),
            lambda entry: encode_fragment(entry.point),
            poll_rate=self._ground.config.poll_rates.mirror_usage_point_list,
        )

    def _one(self, ask: Ask) -> Answer:
        found = self.find(ask.client, ask.free[0])
        return NOT_FOUND if found is None else document(ask.client, found.point)

    async def _make(self, post: Post) -> Answer:
        posted = post.resource
        if not isinstance(posted, MirrorUsagePoint):
            raise invalid("not-a-mirror-usage-point")
        if self._registrations.of(post.client, posted.device_lfdi) is None:
            raise forbidden("not-its-device")
        mine = [p for p in self.visible(post.client) if p.lfdi == posted.device_lfdi]
        known = next((p for p in mine if p.point.mrid == posted.mrid), None)
        if known is None and len(mine) >= self._ground.config.storage.mirror_usage_points:
            self._ground.statistics.dropped["MirrorUsagePoint"] += 1
            raise full("mirror-usage-points")
        at = known.number if known is not None else self._last + 1
        placed = replace(
            posted,
            href=f"/mup/{at}",
            mirror_meter_reading=(),
            post_rate=self._ground.config.poll_rates.post_rate,
        )
        point = known or MirroredPoint(at, placed)
        self._check(point, posted.mirror_meter_reading)
        point.point = placed
        if known is None:
            self._add(point)
        await self._keep(point, posted.mirror_meter_reading, [point.journalled()])
        return Answer(201 if known is None else 204, location=f"/mup/{at}")

    async def _post(self, post: Post) -> Answer:
        point = self.find(post.client, post.free[0])
        if point is None:
            return NOT_FOUND
        posted = post.resource
        if isinstance(posted, MirrorMeterReading):
            readings: tuple[MirrorMeterReading, ...] = (posted,)
        elif isinstance(posted, MirrorMeterReadingList):
            readings = posted.items
        else:
            raise invalid("not-a-mirror-meter-reading")
        if not readings:
            raise invalid("no-meter-reading")
        self._check(point, readings)
        known = all(reading.mrid in point.meters for reading in readings)
        await self._keep(point, readings, [])
        where = f"/upt/{point.number}/mr"
        if len(readings) == 1:
            where = f"{where}/{point.meters[readings[0].mrid].number}"
        return Answer(204 if known else 201, location=where)

    async def _delete(self, post: Post) -> Answer:
        point = self.find(post.client, post.free[0])
        if point is None:
            return NOT_FOUND
        await self._ground.journal.write(*self._remove(point))
        return NO_CONTENT

    def _check(self, point: MirroredPoint, posted: Sequence[MirrorMeterReading]) -> None:
        """Judge all before any is kept."""
        new = {reading.mrid for reading in posted} - point.meters.keys()
        told = {reading.mrid for reading in posted if reading.reading_type is not None}
        if new - told:
            raise invalid("no-reading-type")
        if len(point.meters) + len(new) > self._ground.config.storage.meter_readings:
            self._ground.statistics.dropped["MirrorMeterReading"] += len(new)
            raise full("meter-readings")

    async def _keep(
        self,
        point: MirroredPoint,
        posted: Sequence[MirrorMeterReading],
        changes: list[Change],
    ) -> None:
        told: list[tuple[ReadingType | None, Reading]] = []
        for reading in posted:
            meter = point.meters.get(reading.mrid)
            if meter is None or (
                reading.reading_type is not None and reading.reading_type != meter.kind.reading_type
            ):
                meter = self._meter(point, reading, meter)
                changes.append(meter.journalled())
            changes += meter.take(reading, self._ground.config.storage)
            values = [r for one in reading.mirror_reading_set for r in one.reading]
            values += [reading.reading] if reading.reading is not None else []
            told += [(meter.kind.reading_type, value) for value in values]
        await self._ground.journal.write(*changes)
        for reading_type, value in told:
            self._on_reading(point.lfdi, point.point, reading_type, value)

    @staticmethod
    def _meter(point: MirroredPoint, posted: MirrorMeterReading, known: Meter | None) -> Meter:
        kind = replace(posted, href=None, reading=None, mirror_reading_set=())
        if known is not None:
            known.kind = kind
            return known
        at = max((meter.number for meter in point.meters.values()), default=0) + 1
        return point.meters.setdefault(posted.mrid, Meter(point.number, at, kind))

    def _add(self, point: MirroredPoint) -> None:
        self._last = max(self._last, point.number)
        self._points[point.number] = point
        for reader in self._readers(point):
            self._visible.setdefault(reader, []).append(point)

    def _remove(self, point: MirroredPoint) -> list[Change]:
        del self._points[point.number]
        for reader in self._readers(point):
            self._visible[reader].remove(point)
        return point.drops()

    def _readers(self, point: MirroredPoint) -> tuple[str, ...]:
        device = self._registrations.at(point.lfdi)
        return () if device is None else device.readers
