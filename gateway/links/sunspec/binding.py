"""From a device profile and what was discovered to what the Modbus poller reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig
from gateway.links.modbus.device import ModbusDevice, OutputPoint, PolledPoint, PollGroup
from gateway.links.sunspec.codec import PlacedPoint
from gateway.links.sunspec.discovery import Discovered
from gateway.profiles.profile import DeviceProfile, ProfilePoint


@dataclass(frozen=True, slots=True)
class Binding:
    """A device ready to be polled.

    Attributes:
        device: for the poller.
        absent: profile points the device does not have; they are never read and never good.
        unscaled: outputs whose scale factor the device does not state; they take no commands.
    """

    device: ModbusDevice
    absent: tuple[str, ...]
    unscaled: tuple[str, ...]


def bind(
    config: DeviceConfig,
    profile: DeviceProfile,
    periods_s: Mapping[str, float],
    positions: Mapping[str, int],
    found: Discovered,
) -> Binding:
    """Join a profile's points to the registers a device has them in.

    Args:
        config: the device's unit and quirks.
        profile: names points by model and SunSpec name.
        periods_s: poll group to period.
        positions: point id to position in the store.
        found: the device's models.
    """
    polled: dict[str, list[PolledPoint]] = {name: [] for name in periods_s}
    outputs: list[OutputPoint] = []
    absent: list[str] = []
    unscaled: list[str] = []
    for point in profile.points:
        point_id = f"{config.name}.{point.point}"
        placed = found.points.get((point.model or 0, point.name or ""))
        field = None if placed is None else placed.field()
        if placed is None or field is None:
            absent.append(point_id)
            continue
        polled[point.poll].append(PolledPoint(positions[point_id], Table.HOLDING, field))
        if point.kind.is_output:
            output = _output(point_id, point, placed)
            if output is None:
                unscaled.append(point_id)
            else:
                outputs.append(output)
    groups = tuple(PollGroup(periods_s[n], tuple(points)) for n, points in polled.items() if points)
    device = ModbusDevice(config, groups, tuple(outputs))
    return Binding(device, tuple(absent), tuple(unscaled))


def _output(point_id: str, point: ProfilePoint, placed: PlacedPoint) -> OutputPoint | None:
    scale, kind = placed.scale, placed.definition.type
    if scale is None or kind is None or not placed.definition.writable:
        return None
    return OutputPoint(
        point=point_id,
        table=Table.HOLDING,
        address=placed.address,
        type=kind,
        scale=scale * point.scale,
        offset=point.offset,
        sunspec=True,
    )
