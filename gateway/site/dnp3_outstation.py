"""The site as an outstation: its map for the utility's masters, its groups as DERs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from gateway.groups.backend import PointGroup
from gateway.links.dnp3.northbound.point_map import MappedPoint
from gateway.links.dnp3.northbound.server import OutstationServer
from gateway.links.dnp3.northbound.station import Surroundings
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import OutstationConfig
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandMode, CommandStatus, Priority
from gateway.model.data import data_folder
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.profiles.load import load_profile
from gateway.profiles.profile import ProfilePoint
from gateway.site.dnp3_config import outstation_config
from gateway.site.dnp3_der import AskGroup, GroupDer
from gateway.site.dnp3_tables import Dnp3DerTable, Dnp3MapRow, Dnp3OutstationTable
from gateway.site.northbound import RANKS
from gateway.site.site import Site

#: Device profile that fixes a DER's points, by edition.
_DER_PROFILES = {"AN2018-001": "dnp3_der_an2018", "IEEE 1815.2-2025": "dnp3_der_1815_2"}
_REFRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class _Word:
    """What a master's word is worth, and how long it holds."""

    priority: Priority
    hold_s: float


class RouterControls:
    """Masters' controls on their way to the router.

    Args:
        router: the one path for commands.
        words: rank and hold time by master; a master without one may only look.
        clock: for expiry.
    """

    def __init__(self, router: Router, words: Mapping[str, _Word], clock: Clock) -> None:
        self._router = router
        self._words = dict(words)
        self._clock = clock

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        """What the router would say now: the answer to a select."""
        command = self._command(point, value, CommandMode.SELECT_BEFORE_OPERATE, master)
        return (
            CommandStatus.NOT_AUTHORIZED if command is None else self._router.judge(command).status
        )

    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        """Submit a control once."""
        command = self._command(point, value, mode, master)
        if command is None:
            return CommandStatus.NOT_AUTHORIZED
        return (await self._router.submit(command)).status

    def _command(self, point: str, value: float, mode: CommandMode, master: str) -> Command | None:
        word = self._words.get(master)
        if word is None:
            return None
        return Command(
            point=point,
            value=value,
            origin=f"dnp3:{master}",
            priority=word.priority,
            mode=mode,
            expires_ms=self._clock.utc_ms() + round(1000 * word.hold_s),
            reason="operated by a DNP3 master",
        )


class SiteOutstation:
    """A site's outstation with the DERs behind the same port.

    Attributes:
        outstation: the site's own map.
        ders: each group shown as a DER, with its outstation.
        server: the port.
    """

    def __init__(
        self,
        outstation: Dnp3Outstation,
        ders: Mapping[str, tuple[GroupDer, Dnp3Outstation]],
        config: OutstationConfig,
        clock: Clock,
    ) -> None:
        self.outstation = outstation
        self.ders = dict(ders)
        served = [outstation.served(), *(own.served() for _, own in self.ders.values())]
        self.server = OutstationServer(config, served, clock)

    async def run(self) -> None:
        """Listen, and keep the DERs' points as their groups are, until cancelled.

        Raises:
            LinkError: the port cannot be had.
            ConfigError: the TLS files cannot be used.
        """
        parts = {asyncio.ensure_future(self.server.run()), asyncio.ensure_future(self._refresh())}
        try:
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            for der, _ in self.ders.values():
                der.refresh()
            await asyncio.sleep(_REFRESH_S)


def site_outstation(
    site: Site,
    table: Dnp3OutstationTable,
    store: PointStore,
    router: Router,
    groups: Mapping[str, PointGroup],
    ask: AskGroup,
    clock: Clock,
) -> SiteOutstation:
    """The outstation of a site; its controls go through the router like everybody's."""
    words = {
        master.name: _Word(RANKS[master.rank], master.hold_s)
        for master in table.master
        if master.rank != "monitor"
    }
    surroundings = _surroundings(table, store)
    config = outstation_config(site.folder, table, site.dnp3_map)
    outstation = Dnp3Outstation(
        config,
        tuple(_mapped(site, store, site.dnp3_map)),
        store,
        RouterControls(router, words, clock),
        clock,
        _texts(site),
        surroundings,
    )
    store.subscribe(outstation.note_changed)
    ranks = {name: word.priority for name, word in words.items()}
    ders = {}
    for name, der_table in table.der.items():
        profile = load_profile(data_folder("devices"), _DER_PROFILES[der_table.edition])
        der = GroupDer(groups[name], profile, ask, ranks, clock)
        own = _der_outstation(config, der_table, der, clock, surroundings)
        der.store.subscribe(own.note_changed)
        ders[name] = der, own
    return SiteOutstation(outstation, ders, config, clock)


def _der_outstation(
    config: OutstationConfig,
    table: Dnp3DerTable,
    der: GroupDer,
    clock: Clock,
    surroundings: Surroundings,
) -> Dnp3Outstation:
    points = tuple(_der_point(der, point) for point in der.points)
    masters = [m.model_copy(update={"deadbands": {}}) for m in config.masters]
    own = config.model_copy(update={"address": table.address, "masters": tuple(masters)})
    return Dnp3Outstation(own, points, der.store, der, clock, surroundings=surroundings)


def _der_point(der: GroupDer, point: ProfilePoint) -> MappedPoint:
    identifier = der.point_id(point)
    return MappedPoint(
        position=der.store.index[identifier],
        point=identifier,
        type=PointType(point.kind),
        index=point.index or 0,
        event_class=0 if point.poll == "static" else 2,
        deadband=point.deadband,
        scale=point.scale,
        offset=point.offset,
        output=point.kind.is_output,
    )


def _mapped(site: Site, store: PointStore, rows: Iterable[Dnp3MapRow]) -> Iterable[MappedPoint]:
    for row in rows:
        kind = PointType(row.object_)
        if kind is PointType.OCTET_STRING:
            yield MappedPoint(-1, row.point, kind, row.index, row.class_)
            continue
        deadband = row.deadband.get("", site.by_id[row.point].spec.deadband)
        mapped = MappedPoint(
            position=store.index[row.point],
            point=row.point,
            type=kind,
            index=row.index,
            event_class=row.class_,
            static=row.static or 0,
            event=row.event or 0,
            deadband=deadband,
            scale=row.scale,
            offset=row.offset,
            output=kind in (PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT),
        )
        yield mapped
        if kind is PointType.COUNTER:  # whatever is counted may be frozen
            yield MappedPoint(-1, row.point, PointType.FROZEN_COUNTER, row.index, row.class_)


def _texts(site: Site) -> dict[int, str]:
    known = {
        "site.name": site.file.name,
        "site.title": site.file.title,
        "gateway.version": version("tieline"),
    }
    return {row.index: known[row.point] for row in site.dnp3_map if row.object_ == "OS"}


def _surroundings(table: Dnp3OutstationTable, store: PointStore) -> Surroundings:
    """Local and inhibit switches: one that cannot be read counts as thrown."""

    def thrown(point: str | None) -> bool:
        return point is not None and not (store[point].is_good and store[point].value == 0.0)

    return Surroundings(local=lambda: thrown(table.local), inhibited=lambda: thrown(table.inhibit))
