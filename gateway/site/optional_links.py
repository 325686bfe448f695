"""Links that only some sites have: what they bring is loaded where it is used."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gateway.model.clock import Clock
from gateway.points.store import PointStore
from gateway.site.site import Site

if TYPE_CHECKING:
    from gateway.links.dnp3.master import Dnp3Master
    from gateway.links.sep2.ders import DerServer


def dnp3_master(
    site: Site, store: PointStore, clock: Clock, rng: random.Random
) -> Dnp3Master | None:
    """The master of a site's DNP3 devices; None without any."""
    if all(device.profile.protocol != "dnp3" for device in site.devices.values()):
        return None
    from gateway.links.dnp3.master import Dnp3Master  # noqa: PLC0415 - a box without has none
    from gateway.site.dnp3 import dnp3_channels, dnp3_devices  # noqa: PLC0415 - the same

    devices, channels = dnp3_devices(site, store.index), dnp3_channels(site)
    return Dnp3Master(channels, devices, store, clock, rng)


def der_server(site: Site, store: PointStore, clock: Clock) -> DerServer | None:
    """The site's own 2030.5 server; None without one."""
    if site.file.sep2_server is None:
        return None
    from gateway.site.sep2 import der_server as build  # noqa: PLC0415 - the same

    return build(site, store.index, store, clock)
