"""What an EndDevice tells of itself: ratings, settings, status, availability, make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from gateway.links.sep2.codec import decode, encode
from gateway.links.sep2.resources import (
    DERAvailability,
    DERCapability,
    DERSettings,
    DERStatus,
    DeviceInformation,
    DeviceStatus,
    Resource,
)
from gateway.links.sep2.resources.base import SubscribableResource
from gateway.links.sep2.serving.answers import NO_CONTENT, NOT_FOUND, Answer, Ask, Post, invalid
from gateway.links.sep2.serving.journal import Change, Drop, Record
from gateway.links.sep2.southbound.documents import SUBSCRIBABLE, document
from gateway.links.sep2.southbound.ground import Ground
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

#: Told of each document: LFDI of its EndDevice, its kind (``dercap``), and what it says.
OnResource = Callable[[str, str, Resource], None]
_RECORD = "document"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    path: str
    type: type[Any]


_KINDS: Final = (
    _Kind("dercap", "der/1/dercap", DERCapability),
    _Kind("derg", "der/1/derg", DERSettings),
    _Kind("derst", "der/1/derst", DERStatus),
    _Kind("dera", "der/1/dera", DERAvailability),
    _Kind("di", "di", DeviceInformation),
    _Kind("ds", "ds", DeviceStatus),
)
_NUMBERS: Final = {kind.name: index for index, kind in enumerate(_KINDS)}


class DeviceDocuments:
    """The documents of all EndDevices, as bytes: thousands of them are kept.

    Args:
        ground: journal.
        registrations: whose EndDevices are whose.
        on_resource: told of each document once it is on disk.
    """

    def __init__(
        self, ground: Ground, registrations: Registrations, on_resource: OnResource
    ) -> None:
        self._ground = ground
        self._registrations = registrations
        self._on_resource = on_resource

    def load(self) -> None:
        """Take what the journal holds."""
        for record in self._ground.journal.load(_RECORD):
            device = self._registrations.numbered(int(record.parent))
            if device is not None:
                device.documents[record.key] = record.body

    def serve(self, routes: Routes) -> None:
        """Take the paths of the documents."""
        for kind in _KINDS:
            write = partial(self._write, kind)
            writers = {"PUT": write, "POST": write}
            routes.add(f"/edev/*/{kind.path}", Endpoint(partial(self._read, kind), writers))

    def latest(self, lfdi: str, kind: str) -> Resource | None:
        """What an EndDevice told last, None where nothing; e.g. its DERStatus of ``derst``."""
        device = self._registrations.at(lfdi)
        body = None if device is None else device.documents.get(kind)
        return None if body is None else decode(body, _KINDS[_NUMBERS[kind]].type)

    def forget(self, device: Device) -> list[Change]:
        """What the journal is to drop with an EndDevice."""
        return [Drop(_RECORD, str(device.number), _NUMBERS[kind]) for kind in device.documents]

    def _read(self, kind: _Kind, ask: Ask) -> Answer:
        device = self._registrations.find(ask.client, ask.free[0])
        body = None if device is None else device.documents.get(kind.name)
        if body is None:
            return NOT_FOUND
        if ask.client.csip_aus:
            return Answer(body=body)
        return document(ask.client, decode(body, kind.type))

    async def _write(self, kind: _Kind, post: Post) -> Answer:
        device = self._registrations.find(post.client, post.free[0])
        if device is None:
            return NOT_FOUND
        resource = post.resource
        if not isinstance(resource, kind.type):
            raise invalid(f"not-a-{kind.type.__name__}")
        if isinstance(resource, DeviceInformation) and resource.lfdi != device.lfdi:
            raise invalid("lfdi-of-another")
        placed: Resource = replace(resource, href=post.path)
        if isinstance(placed, SubscribableResource):
            placed = replace(placed, subscribable=SUBSCRIBABLE)
        body = encode(placed, csip_aus=True)
        changed = device.documents.get(kind.name) != body
        device.documents[kind.name] = body
        written = self._ground.journal.write(
            Record(_RECORD, str(device.number), _NUMBERS[kind.name], kind.name, body=body)
        )
        if changed:
            self._ground.changed(post.path, device.readers)
        await written
        self._on_resource(device.lfdi, kind.name, placed)
        return NO_CONTENT
