"""/upt: mirrored usage points as everyone else's are read."""

from __future__ import annotations

from dataclasses import replace

from gateway.links.sep2.codec import encode_fragment
from gateway.links.sep2.resources import (
    Link,
    ListLink,
    MeterReading,
    MeterReadingList,
    MirrorReadingSet,
    Reading,
    ReadingList,
    ReadingSet,
    ReadingSetList,
    UsagePoint,
    UsagePointList,
)
from gateway.links.sep2.serving.answers import NOT_FOUND, Answer, Ask
from gateway.links.sep2.southbound.documents import document, listing
from gateway.links.sep2.southbound.ground import Ground, number
from gateway.links.sep2.southbound.meters import Meter, MirroredPoint
from gateway.links.sep2.southbound.mirror import Mirror
from gateway.links.sep2.southbound.routing import Endpoint, Routes


class MeteringViews:
    """What clients read of usage points.

    Args:
        ground: settings.
        mirror: all usage points.
    """

    def __init__(self, ground: Ground, mirror: Mirror) -> None:
        self._ground = ground
        self._mirror = mirror

    def serve(self, routes: Routes) -> None:
        """Take the paths of usage points."""
        routes.add("/upt", Endpoint(self._points))
        routes.add("/upt/*", Endpoint(self._point))
        routes.add("/upt/*/mr", Endpoint(self._meters))
        routes.add("/upt/*/mr/*", Endpoint(self._meter))
        routes.add("/upt/*/mr/*/rt", Endpoint(self._type))
        routes.add("/upt/*/mr/*/r", Endpoint(self._latest))
        routes.add("/upt/*/mr/*/rs", Endpoint(self._sets))
        routes.add("/upt/*/mr/*/rs/*", Endpoint(self._set))
        routes.add("/upt/*/mr/*/rs/*/r", Endpoint(self._readings))

    def _points(self, ask: Ask) -> Answer:
        return listing(
            ask,
            UsagePointList,
            self._mirror.visible(ask.client),
            lambda entry: encode_fragment(_usage_point(entry)),
            poll_rate=self._ground.config.poll_rates.usage_point_list,
        )

    def _point(self, ask: Ask) -> Answer:
        found = self._mirror.find(ask.client, ask.free[0])
        return NOT_FOUND if found is None else document(ask.client, _usage_point(found))

    def _meters(self, ask: Ask) -> Answer:
        found = self._mirror.find(ask.client, ask.free[0])
        if found is None:
            return NOT_FOUND
        entries = list(found.meters.values())
        return listing(
            ask, MeterReadingList, entries, lambda meter: encode_fragment(_meter_reading(meter))
        )

    def _find(self, ask: Ask) -> Meter | None:
        found = self._mirror.find(ask.client, ask.free[0])
        return None if found is None else found.meter(number(ask.free[1]))

    def _meter(self, ask: Ask) -> Answer:
        meter = self._find(ask)
        return NOT_FOUND if meter is None else document(ask.client, _meter_reading(meter))

    def _type(self, ask: Ask) -> Answer:
        meter = self._find(ask)
        if meter is None or meter.kind.reading_type is None:
            return NOT_FOUND
        return document(ask.client, replace(meter.kind.reading_type, href=ask.path))

    def _latest(self, ask: Ask) -> Answer:
        meter = self._find(ask)
        if meter is None or not meter.readings:
            return NOT_FOUND
        return document(ask.client, replace(meter.readings[-1][1], href=ask.path))

    def _sets(self, ask: Ask) -> Answer:
        meter = self._find(ask)
        if meter is None:
            return NOT_FOUND
        newest_first = sorted(meter.sets, key=lambda e: e[1].time_period.start, reverse=True)
        return listing(
            ask,
            ReadingSetList,
            newest_first,
            lambda entry: encode_fragment(_reading_set(meter, *entry)),
            time=lambda entry: entry[1].time_period.start,
        )

    def _find_set(self, ask: Ask) -> tuple[Meter, int, MirrorReadingSet] | None:
        meter, wanted = self._find(ask), number(ask.free[2])
        if meter is None:
            return None
        kept = next((kept for n, kept in meter.sets if n == wanted), None)
        return None if kept is None else (meter, wanted, kept)

    def _set(self, ask: Ask) -> Answer:
        found = self._find_set(ask)
        return NOT_FOUND if found is None else document(ask.client, _reading_set(*found))

    def _readings(self, ask: Ask) -> Answer:
        found = self._find_set(ask)
        if found is None:
            return NOT_FOUND
        return listing(ask, ReadingList, found[2].reading, encode_fragment, time=_start)


def _usage_point(found: MirroredPoint) -> UsagePoint:
    path, point = f"/upt/{found.number}", found.point
    return UsagePoint(
        href=path,
        mrid=point.mrid,
        description=point.description,
        version=point.version,
        role_flags=point.role_flags,
        service_category_kind=point.service_category_kind,
        status=point.status,
        device_lfdi=point.device_lfdi,
        meter_reading_list_link=ListLink(f"{path}/mr", len(found.meters)),
    )


def _meter_reading(meter: Meter) -> MeterReading:
    path = f"/upt/{meter.point}/mr/{meter.number}"
    return MeterReading(
        href=path,
        mrid=meter.kind.mrid,
        description=meter.kind.description,
        version=meter.kind.version,
        reading_link=Link(f"{path}/r") if meter.readings else None,
        reading_set_list_link=ListLink(f"{path}/rs", len(meter.sets)),
        reading_type_link=Link(f"{path}/rt"),
    )


def _reading_set(meter: Meter, at: int, kept: MirrorReadingSet) -> ReadingSet:
    path = f"/upt/{meter.point}/mr/{meter.number}/rs/{at}"
    return ReadingSet(
        href=path,
        mrid=kept.mrid,
        description=kept.description,
        version=kept.version,
        time_period=kept.time_period,
        reading_list_link=ListLink(f"{path}/r", len(kept.reading)),
    )


def _start(reading: Reading) -> int:
    return 0 if reading.time_period is None else reading.time_period.start
