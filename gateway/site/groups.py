"""From a site's groups and devices to the group service's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from gateway.groups.backend import PointGroup, Submitter
from gateway.groups.der_points import DerPoints
from gateway.groups.remote import RemoteGroup
from gateway.links.cim.client import GroupClient
from gateway.links.cim.tls import client_context
from gateway.model.clock import Clock
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.site import Device, Site


def der_points(device: Device) -> DerPoints:
    """A device's points by DER role, with units and presets."""
    profile, name = device.profile, device.name
    units = {}
    for role, point in profile.der.items():
        found = profile.point(point)
        units[str(role)] = "1" if found is None else found.unit
    return DerPoints(
        name=name,
        points={str(role): f"{name}.{point}" for role, point in profile.der.items()},
        units=units,
        presets={
            str(role): tuple((f"{name}.{point}", value) for point, value in values.items())
            for role, values in profile.presets.items()
        },
    )


def point_groups(
    site: Site, store: PointStore, router: Router, others: Mapping[str, RemoteGroup] | None = None
) -> dict[str, PointGroup]:
    """Every group of a site; ``others`` are those of other boxes that may be members."""
    remote = others or {}
    submitter = Submitter(
        router.submit, router.release, router.set_default, router.withdraw, router.holder
    )
    return {
        name: PointGroup(
            name,
            [der_points(device) for device in site.members(name)],
            store,
            submitter,
            [remote[other] for other in site.remote_members(name) if other in remote],
        )
        for name, table in site.file.groups.items()
        if table.backend != "remote"
    }


def remote_groups(site: Site, clock: Clock) -> Iterator[tuple[RemoteGroup, GroupClient]]:
    """Every group of a site that another box has, with the client that reaches it.

    Raises:
        ConfigError: a certificate is missing or does not fit its key and CA.
    """
    for name, table in site.file.groups.items():
        if table.backend != "remote":
            continue
        certificate, key, ca = (
            site.folder / str(path) for path in (table.certificate, table.key, table.ca)
        )
        client = GroupClient(str(table.url), client_context(certificate, key, ca))
        asker = site.file.dms.id if site.file.dms is not None else site.file.name
        yield RemoteGroup(name, str(table.group), asker, client.send, clock, table.poll_s), client


async def follow_remote(group: RemoteGroup, client: GroupClient) -> None:
    """Ask a remote group for its status, again and again."""
    try:
        while True:
            await group.poll()
            await asyncio.sleep(group.poll_s)
    finally:
        await client.close()
