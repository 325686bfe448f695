"""Readings as a client posts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import LFDI, TimeType, UInt8, UInt32
from gateway.links.sep2.resources.base import Link, List
from gateway.links.sep2.resources.metering import (
    MeterReadingBase,
    Reading,
    ReadingSetBase,
    ReadingType,
    UsagePointBase,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReadingSet(ReadingSetBase):
    """A set of readings taken by a client."""

    reading: Annotated[tuple[Reading, ...], element("Reading")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorMeterReading(MeterReadingBase):
    """Readings of one type taken by a client; update times UTC s."""

    last_update_time: Annotated[TimeType | None, element("lastUpdateTime")] = None
    mirror_reading_set: Annotated[tuple[MirrorReadingSet, ...], element("MirrorReadingSet")] = ()
    next_update_time: Annotated[TimeType | None, element("nextUpdateTime")] = None
    reading: Annotated[Reading | None, element("Reading")] = None
    reading_type: Annotated[ReadingType | None, element("ReadingType")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorMeterReadingList(List):
    """Meter readings of a client."""

    items: Annotated[tuple[MirrorMeterReading, ...], element("MirrorMeterReading")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorUsagePoint(UsagePointBase):
    """Where a client measures; ``post_rate`` in s."""

    subscribable: Annotated[UInt8 | None, attribute("subscribable", edition=2023)] = None
    device_lfdi: Annotated[LFDI, element("deviceLFDI")]
    mirror_meter_reading: Annotated[
        tuple[MirrorMeterReading, ...], element("MirrorMeterReading")
    ] = ()
    post_rate: Annotated[UInt32 | None, element("postRate")] = None
    usage_point_link: Annotated[Link | None, element("UsagePointLink", edition=2023)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorUsagePointList(List):
    """The usage points clients post to."""

    subscribable: Annotated[UInt8 | None, attribute("subscribable", edition=2023)] = None
    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[MirrorUsagePoint, ...], element("MirrorUsagePoint")] = ()
