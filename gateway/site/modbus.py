"""From a site's devices to the Modbus poller's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import ModbusDevice, OutputPoint, PolledPoint, PollGroup
from gateway.links.sunspec.client import SunSpecDevice
from gateway.profiles.profile import ProfilePoint
from gateway.profiles.registers import RegisterField, RegisterType, WordOrder, parse_type
from gateway.site.devices import split_address
from gateway.site.site import Device, Site

#: Reconnect soon at a substation's own devices: an outage there is a cable or a restart.
_RECONNECT_MAX_S = 5.0


def poller_config(site: Site) -> PollerConfig:
    """Every connection of a site; one scheduler serves them all."""
    endpoints: dict[str, EndpointConfig] = {}
    for device in site.devices.values():
        if device.link.protocol == "modbus":
            endpoints.setdefault(endpoint_of(device), _endpoint(device))
    slots_ms = [link.slot_ms for link in site.file.links.values() if link.protocol == "modbus"]
    return PollerConfig(slot_ms=min(slots_ms, default=50), endpoints=tuple(endpoints.values()))


def endpoint_of(device: Device) -> str:
    """Name of the connection a device is on: its address, or its serial link."""
    return device.row.link if device.host is None else f"{device.host}:{device.port}"


def device_config(device: Device) -> DeviceConfig:
    """A device's unit and quirks."""
    quirks = device.profile.modbus
    return DeviceConfig(
        name=device.name,
        endpoint=endpoint_of(device),
        unit=device.unit,
        max_registers=quirks.max_registers,
        max_gap=quirks.max_gap,
        # SunSpec requires function 16 only; every PLC has 6
        single_register_function=16 if device.profile.protocol == "sunspec" else 6,
    )


def modbus_device(device: Device, positions: Mapping[str, int]) -> ModbusDevice:
    """A plain Modbus device with every point of its profile.

    Args:
        device: its profile's protocol is ``modbus``.
        positions: point id to position in the store.
    """
    points = device.profile.points
    groups = tuple(
        PollGroup(
            period_s,
            tuple(_polled(device, p, positions) for p in points if p.poll == name),
        )
        for name, period_s in device.periods_s.items()
    )
    outputs = tuple(_output(device, point) for point in points if point.kind.is_output)
    return ModbusDevice(device_config(device), tuple(g for g in groups if g.points), outputs)


def modbus_devices(site: Site, positions: Mapping[str, int]) -> Iterable[ModbusDevice]:
    """Every plain Modbus device of a site."""
    for device in site.devices.values():
        if device.profile.protocol == "modbus":
            yield modbus_device(device, positions)


def sunspec_devices(site: Site) -> Iterable[SunSpecDevice]:
    """Every SunSpec device of a site, to be found."""
    for device in site.devices.values():
        if device.profile.protocol == "sunspec":
            yield SunSpecDevice(device_config(device), device.profile, device.periods_s)


def _endpoint(device: Device) -> EndpointConfig:
    link = device.link
    name = endpoint_of(device)
    common = {"name": name, "timeout_s": device.timeout_s, "reconnect_max_s": _RECONNECT_MAX_S}
    if link.type == "modbus-tcp":
        host, port = device.host or "", device.port or 502
        return EndpointConfig.model_validate(
            {**common, "driver": link.driver, "host": host, "port": port}
        )
    if link.type == "modbus-rtu-tcp":
        host, port = split_address(link.address or "")
        return EndpointConfig.model_validate(
            {**common, "transport": "rtu-over-tcp", "host": host, "port": port}
        )
    return EndpointConfig.model_validate(
        {
            **common,
            "transport": "rtu",
            "serial_port": link.serial_port,
            "baudrate": link.baud,
            "parity": link.parity,
            "stopbits": link.stop_bits,
        }
    )


def _field(device: Device, point: ProfilePoint) -> RegisterField:
    kind, bit = (RegisterType.BIT, 0) if point.type is None else parse_type(point.type)
    return RegisterField(
        at=point.register_ or 0,
        type=kind,
        bit=bit,
        word_order=WordOrder(device.profile.modbus.word_order),
        scale=point.scale,
        offset=point.offset,
    )


def _polled(device: Device, point: ProfilePoint, positions: Mapping[str, int]) -> PolledPoint:
    position = positions[f"{device.name}.{point.point}"]
    return PolledPoint(position, Table(point.table or ""), _field(device, point))


def _output(device: Device, point: ProfilePoint) -> OutputPoint:
    field = _field(device, point)
    return OutputPoint(
        point=f"{device.name}.{point.point}",
        table=Table(point.table or ""),
        address=field.at,
        type=field.type,
        word_order=field.word_order,
        scale=field.scale,
        offset=field.offset,
    )
