"""From a site's groups and devices to the group service's terms."""

from __future__ import annotations

from gateway.groups.backend import PointGroup, Submitter
from gateway.groups.der_points import DerPoints
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


def point_groups(site: Site, store: PointStore, router: Router) -> dict[str, PointGroup]:
    """Every group of a site."""
    submitter = Submitter(
        router.submit, router.release, router.set_default, router.withdraw, router.holder
    )
    return {
        name: PointGroup(name, [der_points(d) for d in site.members(name)], store, submitter)
        for name in site.file.groups
    }
