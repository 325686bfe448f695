"""Readings of a device, as a MirrorUsagePoint takes them. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gateway.links.sep2.northbound.snapshot import Snapshot, known
from gateway.links.sep2.resources import (
    DateTimeInterval,
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)

#: roleFlags: a mirror, of a DER, that is no premises aggregation point.
_ROLE = 0x49
_ELECTRICITY, _ON = 0, 1
#: ReadingType: instantaneous, electricity, power; net flow, positive where the DER delivers, as
#: its own meter counts (a reading's type cannot change when the flow turns round).
_INSTANTANEOUS, _COMMODITY, _POWER, _NET = 12, 1, 37, 4
#: qualityFlags: valid.
_VALID = 0x01
_INT48 = 2**47 - 1


@dataclass(frozen=True, slots=True)
class _Kind:
    """A reading: field of :class:`Snapshot`, name, unit (uom), its power of ten."""

    field: str
    name: str
    uom: int
    power: int
    kind: int | None = None
    direction: int | None = None


_KINDS = (
    _Kind("power_w", "Real power", 38, 0, _POWER, _NET),
    _Kind("reactive_power_var", "Reactive power", 63, 0, _POWER, _NET),
    _Kind("voltage_v", "Voltage", 29, -1),
    _Kind("frequency_hz", "Frequency", 33, -3),
)


def mrid_of(lfdi: str, name: str, pen: int) -> int:
    """An mRID that stays the same over restarts: 96 bits of a hash, then the enterprise number."""
    return int.from_bytes(hashlib.sha256(f"{lfdi} {name}".encode()).digest()[:12]) << 32 | pen


def usage_point(lfdi: str, pen: int) -> MirrorUsagePoint:
    """What is posted once to make a device's usage point."""
    return MirrorUsagePoint(
        mrid=mrid_of(lfdi, "usage point", pen),
        role_flags=_ROLE,
        service_category_kind=_ELECTRICITY,
        status=_ON,
        device_lfdi=lfdi,
    )


def readings(
    lfdi: str, pen: int, snapshot: Snapshot, now: int, period_s: int
) -> tuple[MirrorMeterReading, ...]:
    """The readings that are known at ``now`` (UTC s), valid until the next is due."""
    if not snapshot.reachable:
        return ()
    found = []
    for kind in _KINDS:
        value = known(getattr(snapshot, kind.field))
        if value is None:
            continue
        scaled = round(value * 10**-kind.power)
        if abs(scaled) > _INT48:
            continue
        found.append(_reading(kind, mrid_of(lfdi, kind.field, pen), scaled, now, period_s))
    return tuple(found)


def _reading(kind: _Kind, mrid: int, value: int, now: int, period_s: int) -> MirrorMeterReading:
    return MirrorMeterReading(
        mrid=mrid,
        description=kind.name,
        last_update_time=now,
        next_update_time=now + period_s,
        reading=Reading(
            quality_flags=_VALID,
            time_period=DateTimeInterval(duration=0, start=now),
            value=value,
        ),
        reading_type=ReadingType(
            accumulation_behaviour=_INSTANTANEOUS,
            commodity=_COMMODITY,
            flow_direction=kind.direction,
            kind=kind.kind,
            power_of_ten_multiplier=kind.power,
            uom=kind.uom,
        ),
    )
