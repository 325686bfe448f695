"""The site's side of the utility's IEEE 2030.5 server: its groups, commanded and reported."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping

from gateway.groups.backend import PointGroup
from gateway.links.sep2.client import (
    ClientStatistics,
    Effective,
    EndDeviceState,
    Outcome,
    Sep2Client,
    Snapshot,
)
from gateway.links.sep2.client_config import (
    EndDeviceConfig,
    NotificationListenerConfig,
    Sep2ClientConfig,
)
from gateway.model.clock import Clock
from gateway.site.sep2_tables import Sep2ClientTable
from gateway.site.sep2_utility import AskGroup, UtilityDevice
from gateway.site.sep2_view import UtilityView
from gateway.site.site import Site

_LOOK_S = 1.0


class SiteUtility:
    """The utility's client with the groups behind its EndDevices.

    Args:
        site: its files.
        table: ``[sep2_client]``.
        groups: by id.
        ask: carries group functions out.
        clock: time.
        rng: random offsets of events.

    Attributes:
        groups_by_lfdi: which group each EndDevice is.

    Raises:
        ConfigError: a certificate or the state cannot be used.
    """

    def __init__(
        self,
        site: Site,
        table: Sep2ClientTable,
        groups: Mapping[str, PointGroup],
        ask: AskGroup,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._devices: dict[str, UtilityDevice] = {}
        self._views: dict[str, UtilityView] = {}
        self._effective: dict[str, Effective] = {}
        self.groups_by_lfdi: dict[str, str] = {}
        for entry in table.device:
            group = groups[entry.group]
            lfdi = entry.lfdi or derived_lfdi(site.file.name, entry.group)
            self._devices[lfdi] = UtilityDevice(group, ask, table.name, clock)
            self._views[lfdi] = UtilityView(group, clock)
            self.groups_by_lfdi[lfdi] = entry.group
        self._client = Sep2Client(
            client_config(site, table), self._apply, self._telemetry, clock, rng
        )

    @property
    def states(self) -> Mapping[str, EndDeviceState]:
        """What is known of each EndDevice, by group, live."""
        return {self.groups_by_lfdi[lfdi]: state for lfdi, state in self._client.states.items()}

    @property
    def statistics(self) -> ClientStatistics:
        """What is counted, live."""
        return self._client.statistics

    async def run(self) -> None:
        """Talk to the server until cancelled.

        Raises:
            LinkError: it is lost.
        """
        await self._client.run()

    async def follow(self) -> None:
        """Keep the schedule, through every loss of the server, until cancelled."""
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._client.follow())
                parts.create_task(self._watch())
        finally:
            self._client.close()

    async def _apply(self, lfdi: str, effective: Effective) -> Outcome:
        self._effective[lfdi] = effective
        return await self._devices[lfdi].apply(effective)

    def _telemetry(self, lfdi: str) -> Snapshot:
        return self._views[lfdi].snapshot()

    async def _watch(self) -> None:
        """An operator who takes over or lets go, or a member that comes back, tells nobody."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for lfdi, effective in tuple(self._effective.items()):
                outcome = await self._devices[lfdi].watch(effective)
                if outcome is not None:
                    self._client.report(lfdi, outcome)


def derived_lfdi(site: str, group: str) -> str:
    """An identity for a group that has no certificate of its own; the same at every start."""
    return hashlib.sha256(f"{site}/{group}".encode()).hexdigest()[:40].upper()


def client_config(site: Site, table: Sep2ClientTable) -> Sep2ClientConfig:
    """Settings of the client."""
    pki = site.folder / table.pki
    listener = None
    if table.notify_port is not None:
        listener = NotificationListenerConfig(
            host=table.notify_host,
            port=table.notify_port,
            advertised=f"https://{table.notify_host}:{table.notify_port}",
        )
    return Sep2ClientConfig(
        url=table.url,
        certificate=pki / "client.crt",
        key=pki / "client.key",
        ca=pki / "ca.crt",
        check_hostname=table.check_hostname,
        server_lfdi=table.server_lfdi or "",
        registration=table.registration,
        devices=tuple(
            EndDeviceConfig(
                lfdi=entry.lfdi or derived_lfdi(site.file.name, entry.group),
                category=entry.category,
                pin=entry.pin,
            )
            for entry in table.device
        ),
        state=site.data_folder / "sep2-client.sqlite",
        poll_min_s=table.poll_min_s,
        comm_loss_s=table.comm_loss_s,
        run_known_events=table.run_known_events,
        listener=listener,
        pen=table.pen,
    )
