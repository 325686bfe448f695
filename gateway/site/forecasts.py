"""The site's forecasts: every bound DER, every group and the feeder's load, sampled and scored."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gateway.apps.forecast.forecaster import Forecaster, Prediction, table
from gateway.apps.forecast.scores import ScoreBook
from gateway.apps.forecast.solar import Place
from gateway.groups.der_points import DerView
from gateway.groups.group import Group
from gateway.groups.messages import Address, ForecastRequest, GroupReply, GroupRequest, Quantity
from gateway.history.scores import ScoreFile
from gateway.model.clock import Clock
from gateway.model.der import Range
from gateway.model.reader import PointReader
from gateway.site.config import DmsTable, ForecastTable
from gateway.site.groups import der_points
from gateway.site.maps import SITE
from gateway.site.site import Site

#: The feeder's load among the sources; no point and no group has such a name.
LOAD = "feeder:load"
_HORIZONS_S = (300, 900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400)
_OWN_INTERVAL_S = 900.0
_MOST_INTERVALS = 288

Ask = Callable[[GroupRequest], Awaitable[GroupReply]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Present value and what bounds it, either None where it is not known; whether it is held."""

    value: float | None
    bounds: Range | None = None
    limited: bool = False


_Look = Callable[[], _Seen]


@dataclass(frozen=True, slots=True)
class _Source:
    """``irradiance`` is the point that measures its sun, None where none does."""

    forecaster: Forecaster
    look: _Look
    irradiance: str | None


class SiteForecasts:
    """Forecasts real power, W, generation positive; the load's consumption positive.

    Args:
        site: whose ``maps/network.csv`` binds DERs, groups and the feeder's head.
        dms: its table.
        store: present measurements.
        groups: the site's groups by id.
        ask: asks a group for its own forecast.
        clock: stamps samples and requests.

    Attributes:
        scores: the file they are kept in.

    Raises:
        sqlite3.Error: the data folder cannot be written.
    """

    def __init__(
        self,
        site: Site,
        dms: DmsTable,
        store: PointReader,
        groups: Mapping[str, Group],
        ask: Ask,
        clock: Clock,
    ) -> None:
        self._table, self._dms_id, self._store = dms.forecast, dms.id, store
        self._ask, self._clock, self._groups = ask, clock, groups
        self._book = ScoreBook()
        self.scores = ScoreFile(site.data_folder / "forecast.sqlite")
        self.scores.load(self._book)
        self._of_element = dict(_elements(site))
        lit = {row.element: row.source for row in site.network if row.role == "irradiance"}
        lit = {self._of_element.get(element, element): point for element, point in lit.items()}
        self._sources = {
            name: _Source(self._forecaster(name), look, lit.get(name, lit.get(SITE)))
            for name, look in _looks(site, store, groups, self._of_element)
        }
        self._messages = 0

    async def run(self) -> None:
        """Sample, score and ask until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._sample_on())
            if self._table.ask_groups_every_s:
                parts.create_task(self._ask_on())

    def sample(self) -> Iterator[str]:
        """Sample and score one source after the other, so that whoever calls may pause between."""
        now_ms = self._clock.utc_ms()
        for name, source in self._sources.items():
            seen = source.look()
            source.forecaster.observe(
                now_ms, seen.value, seen.bounds, self._sun(source), limited=seen.limited
            )
            yield name
        self.scores.save(self._book.take_new())

    async def ask_groups(self) -> None:
        """Ask every group for its own forecast; one that has none is asked again next time."""
        intervals = math.ceil(self._table.horizon_s / _OWN_INTERVAL_S) + 1
        for group in self._groups:
            self._messages += 1
            now_ms = self._clock.utc_ms()
            address = Address(
                message_id=f"{self._dms_id}-forecast-{now_ms:x}-{self._messages}",
                dms_id=self._dms_id,
                group_id=group,
                time_ms=now_ms,
            )
            reply = await self._ask(
                ForecastRequest(
                    address=address,
                    interval_s=_OWN_INTERVAL_S,
                    intervals=min(intervals, _MOST_INTERVALS),
                )
            )
            if reply.forecast is not None:
                self._sources[group].forecaster.own = reply.forecast

    def predict(self, source: str, now_ms: int, ahead_s: float) -> Prediction | None:
        """The forecast of a source, ``ahead_s`` from now; None where nothing is known of it."""
        found = self._sources.get(source)
        return None if found is None else found.forecaster.predict(now_ms, ahead_s)

    def present(self, source: str) -> float | None:
        """The newest sample of a source; None without one."""
        found = self._sources.get(source)
        return None if found is None else found.forecaster.present

    def unread_w(self, now_ms: int) -> dict[str, float]:
        """Real power, by element, of DERs and groups that cannot be read but can be forecast."""
        unread = {
            e: source for e, source in self._of_element.items() if self.present(source) is None
        }
        found = {e: self.predict(s, now_ms, self._table.spacing_s) for e, s in unread.items()}
        return {element: one.nominal for element, one in found.items() if one is not None}

    def knows_more(self, source: str, now_ms: int, ahead_s: float) -> bool:
        """Whether anything but the present's going on can be said of a source then."""
        found = self._sources.get(source)
        return found is not None and found.forecaster.knows_more(now_ms, ahead_s)

    @property
    def elements(self) -> Mapping[str, str]:
        """Source by element of the feeder model."""
        return self._of_element

    def least_w(self, element: str, seconds: float) -> float | None:
        """The least real power of an element's DER or group over the next seconds, W.

        The lower end of the interval: nine times in ten there is more. None where nothing is
        known of it, or of how far it may fall.
        """
        source = self._sources.get(self._of_element.get(element, ""))
        if source is None:
            return None
        return source.forecaster.least(self._clock.utc_ms(), seconds)

    async def report(self) -> dict[str, Any]:
        """Forecasts at every horizon by source, and every score; pauses for polling between."""
        now_ms = self._clock.utc_ms()
        found, scores = {}, []
        for name in self._sources:
            told = (self.predict(name, now_ms, ahead_s) for ahead_s in self._horizons())
            found[name] = [dataclasses.asdict(one) for one in told if one is not None]
            await asyncio.sleep(0)
        for row in table(self._book):
            scores.append(row)
            await asyncio.sleep(0)
        return {
            "time_ms": now_ms,
            "present": {name: self.present(name) for name in self._sources},
            "forecasts": found,
            "scores": scores,
            "fault": self.scores.fault,
        }

    async def _sample_on(self) -> None:
        due_s = self._clock.monotonic_s()
        while True:
            for _ in self.sample():
                await asyncio.sleep(0)  # polling goes first, however many sources there are
            due_s = max(due_s + self._table.spacing_s, self._clock.monotonic_s())
            await asyncio.sleep(due_s - self._clock.monotonic_s())

    async def _ask_on(self) -> None:
        while True:
            await asyncio.sleep(self._table.ask_groups_every_s)
            await self.ask_groups()

    def _sun(self, source: _Source) -> float | None:
        """Irradiance of a source now; None where it is not measured or not good."""
        if source.irradiance is None:
            return None
        measured = self._store[source.irradiance]
        return measured.value if measured.is_good else None

    def _horizons(self) -> list[int]:
        shortest_s, longest_s = self._table.spacing_s, self._table.horizon_s
        return [h for h in _HORIZONS_S if shortest_s <= h <= longest_s]

    def _forecaster(self, name: str) -> Forecaster:
        place = None if name == LOAD else _place(self._table)
        flat = self._table.irradiance == "horizontal"
        return Forecaster(
            name,
            Quantity.ACTIVE_POWER,
            self._table.spacing_s,
            self._horizons(),
            self._book,
            place,
            replace(place, tilt_deg=0.0) if place is not None and flat else None,
        )


def _place(given: ForecastTable) -> Place | None:
    if given.latitude_deg is None or given.longitude_deg is None:
        return None
    return Place(given.latitude_deg, given.longitude_deg, given.tilt_deg, given.azimuth_deg)


def _elements(site: Site) -> Iterator[tuple[str, str]]:
    """Source by element: a DER's power point, or a group."""
    for row in site.network:
        if row.role == "der":
            yield row.element, der_points(site.devices[row.source]).points["p"]
        elif row.role == "group":
            yield row.element, row.source


def _looks(
    site: Site,
    store: PointReader,
    groups: Mapping[str, Group],
    elements: Mapping[str, str],
) -> Iterator[tuple[str, _Look]]:
    found: dict[str, _Look] = {}
    for name, group in groups.items():
        views = [DerView(der_points(device), store) for device in site.members(name)]
        found[name] = partial(_group_power, group, views)
    for row in site.network:
        if row.role == "der":
            view = DerView(der_points(site.devices[row.source]), store)
            found[elements[row.element]] = partial(_der_power, view)
    yield from found.items()
    head = [row.source for row in site.network if row.role == "head_p"]
    if head:
        injections = [found[source] for source in elements.values()]
        yield LOAD, partial(_load, store, head, injections)


def _group_power(group: Group, views: Iterable[DerView]) -> _Seen:
    present = group.present(Quantity.ACTIVE_POWER)
    known = group.ranges(Quantity.ACTIVE_POWER)
    bounds = None if known is None else known.nameplate
    limited = any(view.is_limited for view in views)
    return _Seen(present.value if present.good else None, bounds, limited)


def _der_power(view: DerView) -> _Seen:
    plate = view.nameplate()
    return _Seen(view.value("p"), None if plate is None else plate.power_w, view.is_limited)


def _load(store: PointReader, head: Iterable[str], injections: Iterable[_Look]) -> _Seen:
    """What the feeder's consumers draw and its losses: the head's flow and every injection."""
    measured = [store[point] for point in head]
    flows = [one.value if one.is_good else None for one in measured]
    values = [*flows, *(look().value for look in injections)]
    known = [value for value in values if value is not None]
    return _Seen(math.fsum(known) if len(known) == len(values) else None)
