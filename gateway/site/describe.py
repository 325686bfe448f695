"""Saying in words where a point comes from and where it goes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gateway.links.modbus.codec import Table
from gateway.links.modbus.plan import Need, ReadLimits, coalesce
from gateway.model.point import PointKind
from gateway.profiles.dnp3 import DEFAULT_TYPES
from gateway.profiles.registers import TYPE_FACTS, parse_type
from gateway.site.site import Device, Site, SitePoint

#: Kinds that have states rather than values.
_STATES = (PointKind.BI, PointKind.DBI, PointKind.BO)


def where(point: SitePoint) -> str:
    """Short address of a point in its device's protocol."""
    source = point.source
    if point.device.profile.protocol == "sunspec":
        return f"model {source.model} {source.name}"
    if point.device.profile.protocol == "dnp3":
        return f"{source.kind} {source.index}"
    if point.device.profile.protocol == "sep2":
        detail = source.phase or ("" if source.bit is None else f"bit {source.bit}")
        return f"{source.resource} {source.name} {detail}".rstrip()
    if point.device.profile.protocol == "own":
        return "held by the gateway"
    return f"{source.table} {source.register_} {source.type or 'bit'}"


def place(device: Device) -> str:
    """Where a device is: host and port, serial line, or what it is known by."""
    if device.lfdi is not None:
        return f"LFDI {device.lfdi}"
    if device.link.protocol == "own":
        return "this gateway"
    return f"{device.host}:{device.port}" if device.host else str(device.link.serial_port)


def reads_of(device: Device) -> str:
    """Reads a full cycle of a device takes.

    Where a SunSpec device has its models is known after discovery only; until then it is one
    read a model and poll group, since a model's points fit one request.
    """
    if device.profile.protocol == "dnp3":
        return "by class"
    if device.profile.protocol == "sep2":
        return "it posts"
    if device.profile.protocol == "own":
        return "none"
    if device.profile.protocol == "sunspec":
        pairs = {(point.poll, point.model) for point in device.profile.points}
        return f"about {len(pairs)}"
    return str(sum(len(_blocks(device, group)) for group in device.profile.poll))


def describe_point(site: Site, point: SitePoint) -> Iterator[tuple[str, str]]:
    """Name and text of everything worth knowing about a point, in the order a value travels."""
    spec, source, device = point.spec, point.source, point.device
    yield "device", f"{device.name} ({device.profile.title})"
    unit = "address" if device.profile.protocol == "dnp3" else "unit"
    behind = "" if device.lfdi else f", {unit} {device.unit}"
    yield "link", f"{device.row.link}: {device.link.type}, {place(device)}{behind}"
    yield "address", where(point)
    counted = source.index is not None and spec.kind not in _STATES
    if counted or (source.table is not None and source.type is not None):
        yield "scale", f"{spec.unit} = raw x {source.scale:g} + {source.offset:g}"
    yield "kind", f"{spec.kind} in {spec.unit}: {source.description}"
    period_s = device.periods_s[source.poll]
    asked = "" if device.profile.protocol != "dnp3" else ", classes "
    asked += "/".join(str(number) for number in device.profile.poll[source.poll].classes)
    often = f"every {period_s:g} s ({source.poll}{asked}); COMM_LOST after {spec.max_age_s:g} s"
    yield "posted" if device.lfdi else "polled", often
    if not (math.isinf(spec.minimum) and math.isinf(spec.maximum)):
        yield "limits", f"{spec.minimum:g} .. {spec.maximum:g} {spec.unit}"
    yield "deadband", f"{spec.deadband:g} {spec.unit}, event class {spec.event_class}"
    if point.rule is not None:
        yield "commands", "applications act" if spec.act else "applications only advise"
        if source.index is not None:
            yield "control", _control(point)
        yield "interlock", f"needs online: {', '.join(point.rule.requires)}"
        if point.rule.local_point:
            yield "local mode", f"refused while {point.rule.local_point} is 1"
    roles = [role for role, name in device.profile.der.items() if name == source.point]
    if roles:
        groups = ", ".join(site.groups_of(device.name)) or "no group"
        yield "group", f"{', '.join(roles)} of {groups}"
    yield from _northbound(site, spec.id)


def _northbound(site: Site, point_id: str) -> Iterator[tuple[str, str]]:
    for entry in site.modbus_map:
        if entry.point == point_id:
            yield "northbound", f"Modbus {entry.table} {entry.register_} {entry.type or 'bit'}"
    for mapped in site.dnp3_map:
        if mapped.point == point_id:
            yield "northbound", f"DNP3 {mapped.object_} {mapped.index} class {mapped.class_}"
    for binding in site.network:
        if point_id in (binding.source, binding.command):
            yield "feeder", f"{binding.role} {binding.element}"
    if site.file.mqtt:
        device, _, name = point_id.partition(".")
        yield "northbound", f"MQTT {site.file.mqtt.topic}/{site.file.name}/{device}: {name}"


def _control(point: SitePoint) -> str:
    """How an output of a DNP3 device is commanded."""
    source, quirks = point.source, point.device.profile.dnp3
    style = source.type or DEFAULT_TYPES[source.kind]
    follows = f"; {source.feedback} must follow in {quirks.feedback_s:g} s"
    return f"{source.mode or quirks.mode}, {style}{follows if source.feedback else ''}"


def _blocks(device: Device, group: str) -> tuple[object, ...]:
    quirks = device.profile.modbus
    needs = [
        Need(Table(point.table or ""), point.register_ or 0, _words(point.type))
        for point in device.profile.points
        if point.poll == group
    ]
    limits = ReadLimits(max_registers=quirks.max_registers, max_gap=quirks.max_gap)
    return coalesce(needs, limits)


def _words(type_name: str | None) -> int:
    return 1 if type_name is None else TYPE_FACTS[parse_type(type_name)[0]].words
