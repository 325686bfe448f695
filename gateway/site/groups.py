"""From a site's groups and devices to the group service's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from gateway.groups.administration import GroupDefinition
from gateway.groups.administrator import Administrator
from gateway.groups.backend import PointGroup, Submitter
from gateway.groups.der_points import DerPoints
from gateway.groups.registry import GroupRegistry
from gateway.groups.remote import RemoteGroup
from gateway.groups.service import GroupService
from gateway.links.cim.client import GroupClient
from gateway.links.cim.tls import client_context
from gateway.model.clock import Clock
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.forecasting import GroupForecaster
from gateway.site.group_file import GROUP_FILE, keep_groups, load_groups
from gateway.site.load import MEMBER_ROLES
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
    submitter = _submitter(router)
    return {
        name: PointGroup(
            name,
            [der_points(device) for device in site.members(name)],
            store,
            submitter,
            others=[remote[other] for other in site.remote_members(name) if other in remote],
        )
        for name, table in site.file.groups.items()
        if table.backend != "remote"
    }


def group_builder(
    site: Site, store: PointStore, router: Router
) -> Callable[[GroupDefinition], PointGroup]:
    """What makes a group of its definition; its members are devices of the site."""
    submitter = _submitter(router)

    def build(definition: GroupDefinition) -> PointGroup:
        members = [der_points(site.devices[name]) for name in definition.members]
        stated = definition.capability
        return PointGroup(definition.group_id, members, store, submitter, stated)

    return build


def group_registry(site: Site) -> GroupRegistry:
    """The groups of a site: its own, and those made by message before this start.

    Raises:
        ConfigError: the file that keeps those is damaged, or does not fit the site any more.
    """
    configured = [
        GroupDefinition(
            group_id=name,
            version=1,
            members=tuple(device.name for device in site.members(name)),
            description=table.title,
            configured=True,
        )
        for name, table in site.file.groups.items()
    ]
    candidates = {name: _unfit(device) for name, device in site.devices.items()}
    path = site.data_folder / GROUP_FILE
    made = load_groups(path, candidates, set(site.file.groups))
    return GroupRegistry(configured, candidates, made, partial(keep_groups, path))


def administer(
    site: Site,
    service: GroupService,
    forecaster: GroupForecaster,
    store: PointStore,
    router: Router,
) -> Administrator:
    """Let groups made by message live beside the configured ones, with forecasts of their own.

    Raises:
        ConfigError: as :func:`group_registry`.
    """

    def follow(group_id: str, definition: GroupDefinition | None) -> None:
        made = None if definition is None else service.groups.get(group_id)
        forecaster.follow(group_id, made)

    registry = group_registry(site)
    administrator = service.administer(registry, group_builder(site, store, router))
    administrator.listeners.append(follow)
    for group_id, definition in registry.made.groups.items():
        follow(group_id, definition)
    return administrator


def _unfit(device: Device) -> str:
    missing = [role for role in MEMBER_ROLES if device.point_of(role) is None]
    return f"its profile has no {', '.join(missing)}" if missing else ""


def _submitter(router: Router) -> Submitter:
    return Submitter(
        router.submit, router.release, router.set_default, router.withdraw, router.holder
    )


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
    """Ask a remote group for its status, again and again, and at once when its box tells of it."""
    try:
        while True:
            await group.poll()
            await group.due()
    finally:
        await client.close()
