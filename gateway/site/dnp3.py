"""From a site's devices to the DNP3 master's terms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.links.dnp3.config import AssociationConfig, ChannelConfig
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.device import Dnp3Device, OutputPoint, OutputStyle, PolledPoint
from gateway.model.point import PointKind
from gateway.profiles.dnp3 import ANALOG_OUTPUT_VARIATION, DEFAULT_TYPES
from gateway.profiles.profile import ProfilePoint
from gateway.site.dnp3_config import tls_files
from gateway.site.site import Device, Site

_STYLES: Mapping[str, OutputStyle] = MappingProxyType(
    {"latch": "latch", "pulse": "pulse", "trip-close": "trip-close"}
)
#: Reconnect soon at a substation's own devices: an outage there is a cable or a restart.
_RECONNECT_MAX_S = 5.0


def dnp3_channels(site: Site) -> tuple[ChannelConfig, ...]:
    """Every DNP3 connection of a site; devices at one address share one."""
    channels: dict[str, ChannelConfig] = {}
    for device in _devices(site):
        channels.setdefault(_channel_name(device), _channel(site, device))
    return tuple(channels.values())


def dnp3_devices(site: Site, positions: Mapping[str, int]) -> tuple[Dnp3Device, ...]:
    """Every DNP3 outstation of a site with every point of its profile.

    Args:
        site: its devices.
        positions: point id to position in the store.
    """
    return tuple(_device(device, positions) for device in _devices(site))


def _devices(site: Site) -> tuple[Device, ...]:
    return tuple(d for d in site.devices.values() if d.profile.protocol == "dnp3")


def _channel_name(device: Device) -> str:
    return device.row.link if device.host is None else f"{device.host}:{device.port}"


def _channel(site: Site, device: Device) -> ChannelConfig:
    link = device.link
    common = {
        "name": _channel_name(device),
        "master_address": link.master_address,
        "reconnect_max_s": _RECONNECT_MAX_S,
    }
    if link.is_serial:
        return ChannelConfig.model_validate(
            {
                **common,
                "transport": "serial",
                "serial_port": link.serial_port,
                "baudrate": link.baud,
                "parity": link.parity,
                "stopbits": link.stop_bits,
            }
        )
    place = {**common, "host": device.host, "port": device.port}
    files = tls_files(site.folder, link)
    if files is None:
        return ChannelConfig.model_validate(place)
    return ChannelConfig.model_validate(
        {**place, "transport": "tls", "tls": {**files, "server_name": link.server_name or ""}}
    )


def _device(device: Device, positions: Mapping[str, int]) -> Dnp3Device:
    quirks = device.profile.dnp3
    scans = [(device.periods_s[n], group.classes) for n, group in device.profile.poll.items()]
    config = AssociationConfig.model_validate(
        {
            "name": device.name,
            "channel": _channel_name(device),
            "address": device.unit,
            "timeout_s": device.timeout_s,
            "time_sync": device.row.time_sync or quirks.time_sync,
            "unsolicited": quirks.unsolicited,
            "integrity_s": quirks.integrity_s,
            "scans": tuple(scans),
        }
    )
    points = device.profile.points
    return Dnp3Device(
        config,
        tuple(_polled(device, point, positions) for point in points),
        tuple(_output(device, point, positions) for point in points if point.kind.is_output),
    )


def _polled(device: Device, point: ProfilePoint, positions: Mapping[str, int]) -> PolledPoint:
    return PolledPoint(
        position=positions[f"{device.name}.{point.point}"],
        type=PointType(point.kind),
        index=point.index or 0,
        scale=point.scale,
        offset=point.offset,
    )


def _output(device: Device, point: ProfilePoint, positions: Mapping[str, int]) -> OutputPoint:
    quirks = device.profile.dnp3
    kind = point.type or DEFAULT_TYPES[point.kind]
    feedback = None if point.feedback is None else positions[f"{device.name}.{point.feedback}"]
    is_analog = point.kind is PointKind.AO
    return OutputPoint(
        point=f"{device.name}.{point.point}",
        type=PointType(point.kind),
        index=point.index or 0,
        variation=ANALOG_OUTPUT_VARIATION[kind] if is_analog else 1,
        style="latch" if is_analog else _STYLES[kind],
        mode=point.mode or quirks.mode,
        scale=point.scale,
        offset=point.offset,
        on_ms=quirks.pulse_ms,
        off_ms=quirks.pulse_ms,
        feedback=feedback,
        feedback_s=quirks.feedback_s,
        reads_back=kind != "pulse",
    )
