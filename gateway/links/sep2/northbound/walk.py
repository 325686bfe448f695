"""From /dcap to the last control: what the server has for each of our devices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from gateway.links.sep2.control_events import modes
from gateway.links.sep2.northbound.ground import Ground
from gateway.links.sep2.northbound.programs import Program
from gateway.links.sep2.northbound.reader import NotYetError, Reader
from gateway.links.sep2.northbound.registration import Registrar
from gateway.links.sep2.resources import (
    DER,
    DefaultDERControl,
    DERControlBase,
    DERControlList,
    DERCurve,
    DERList,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDevice,
    FunctionSetAssignmentsList,
    Link,
    Time,
)
from gateway.model.errors import LinkError

#: Curves read of one program; controls that need more are invalid.
_MOST_CURVES = 200
_SUBSCRIBABLE = 1


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """One of our devices on the server.

    Attributes:
        path: of its EndDevice.
        end_device: itself.
        der: its first DER; None where it has none.
        der_path: what hrefs in that are relative to.
    """

    path: str
    end_device: EndDevice
    der: DER | None = None
    der_path: str = "/"


@dataclass(slots=True)
class Site:
    """What a walk found.

    Attributes:
        devices: by LFDI.
        programs: by path.
        assigned: LFDI to the paths of its programs; absent where that could not be read.
        subscribable: path of what may be subscribed to, and of the SubscriptionList for that.
        mirror: path of the MirrorUsagePointList; empty where there is none.
    """

    devices: dict[str, DevicePlace] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    assigned: dict[str, frozenset[str]] = field(default_factory=dict)
    subscribable: dict[str, str] = field(default_factory=dict)
    mirror: str = ""


class Walker:
    """Walks; what was read and is not due again costs nothing.

    Args:
        ground: settings, time and states.
        root: path of DeviceCapability.
        reader: reads.
        registrar: finds and makes EndDevices.
    """

    def __init__(self, ground: Ground, root: str, reader: Reader, registrar: Registrar) -> None:
        self._config = ground.config
        self._time = ground.time
        self._states = ground.states
        self._root = root
        self._reader = reader
        self._registrar = registrar

    async def walk(self) -> Site:
        """Read what is due.

        Raises:
            LinkError: the server is lost, or has no DeviceCapability for us.
        """
        reader, site = self._reader, Site()
        reader.begin()
        try:
            capability = await reader.one(self._root, DeviceCapability)
        except NotYetError:
            raise LinkError(f"{self._root} cannot be read") from None
        if capability is None:
            raise LinkError(f"{self._root} is no DeviceCapability for us")
        await self._read_time(capability)
        site.mirror = reader.path(capability.mirror_usage_point_list_link, self._root)
        listed = reader.path(capability.end_device_list_link, self._root)
        found = await self._registrar.find(listed, self._time.now()) if listed else {}
        for lfdi, place in found.items():
            if place is None:
                site.assigned[lfdi] = frozenset()
            else:
                await self._device(site, lfdi, *place)
        if listed and self._registrar.subscribable:
            self._offer(site, listed, _SUBSCRIBABLE)
        reader.end()
        return site

    async def _read_time(self, capability: DeviceCapability) -> None:
        path = self._reader.path(capability.time_link, self._root)
        if not path:
            return
        try:
            await self._reader.one(path, Time, on_read=self._time.take)
        except NotYetError:
            return

    async def _device(self, site: Site, lfdi: str, path: str, end_device: EndDevice) -> None:
        place = site.devices[lfdi] = DevicePlace(path, end_device)
        reader, rate_s = self._reader, self._reader.rate_s(path)
        ders = reader.path(end_device.der_list_link, path)
        try:
            if ders:
                most = self._config.limits.list_entries
                listed = await reader.all(ders, DERList, most, rate_s)
                if listed is not None and listed.items:
                    site.devices[lfdi] = replace(place, der=listed.items[0], der_path=ders)
            site.assigned[lfdi] = frozenset([p async for p in self._assigned(site, place)])
        except NotYetError as error:
            self._states[lfdi].fault = f"{error} cannot be read yet"
        else:
            self._states[lfdi].fault = ""
            self._states[lfdi].last_contact_s = self._reader.last_contact_s

    async def _assigned(self, site: Site, place: DevicePlace) -> AsyncIterator[str]:
        """The programs of a device, each read once however many devices share it."""
        reader, most = self._reader, self._config.limits.list_entries
        path = reader.path(place.end_device.function_set_assignments_list_link, place.path)
        sets = await reader.all(path, FunctionSetAssignmentsList, most) if path else None
        self._offer(site, path, sets.subscribable if sets else None, place)
        for one in sets.items if sets is not None else ():
            listed = reader.path(one.der_program_list_link, path)
            if not listed:
                continue
            programs = await reader.all(listed, DERProgramList, most, reader.rate_s(path))
            self._offer(site, listed, programs.subscribable if programs else None, place)
            for program in programs.items if programs is not None else ():
                where = reader.path_of(program.href, listed) or f"{listed}#{program.mrid:X}"
                if where not in site.programs:
                    site.programs[where] = await self._program(site, where, program, listed, place)
                yield where

    async def _program(
        self, site: Site, where: str, program: DERProgram, listed: str, place: DevicePlace
    ) -> Program:
        reader, rate_s = self._reader, self._reader.rate_s(listed)
        default: DefaultDERControl | None = None
        if path := reader.path(program.default_der_control_link, listed):
            default = await reader.one(path, DefaultDERControl, rate_s)
            self._offer(site, path, default.subscribable if default else None, place)
        controls: DERControlList | None = None
        if path := reader.path(program.der_control_list_link, listed):
            most = self._config.limits.controls
            controls = await reader.all(path, DERControlList, most, rate_s)
            self._offer(site, path, controls.subscribable if controls else None, place)
        found = Program(
            where,
            program,
            default,
            {one.mrid: one for one in controls.items} if controls is not None else {},
        )
        return replace(found, curves=await self._curves(found, path or listed, rate_s))

    async def _curves(
        self, program: Program, within: str, rate_s: float
    ) -> dict[str, DERCurve | None]:
        bases = [control.der_control_base for control in program.controls.values()]
        if program.default is not None:
            bases.append(program.default.der_control_base)
        curves: dict[str, DERCurve | None] = {}
        for href in dict.fromkeys(href for base in bases for href in _curve_hrefs(base)):
            path = self._reader.path_of(href, within)
            if not path or len(curves) >= _MOST_CURVES:
                curves[href] = None
                continue
            try:
                curves[href] = await self._reader.one(path, DERCurve, rate_s)
            except NotYetError:
                continue
        return curves

    def _offer(
        self, site: Site, path: str, subscribable: int | None, place: DevicePlace | None = None
    ) -> None:
        if not path or not (subscribable or 0) & _SUBSCRIBABLE or path in site.subscribable:
            return
        places = [place] if place is not None else list(site.devices.values())
        for one in places:
            wanted = self._reader.path(one.end_device.subscription_list_link, one.path)
            if wanted:
                site.subscribable[path] = wanted
                return


def _curve_hrefs(base: DERControlBase) -> Iterator[str]:
    for mode in modes(base):
        value = getattr(base, mode)
        if isinstance(value, Link):
            yield value.href
