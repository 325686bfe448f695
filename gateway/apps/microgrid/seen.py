"""What the controller sees in one cycle: the image in its own terms. None is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway.apps.microgrid.config import Generator, Load, MicrogridConfig, Renewable, Storage
from gateway.apps.microgrid.state import GroupSeen
from gateway.points.image import ProcessImage

#: Below this a bus is dead, above that it is alive; in between it is neither.
DEAD_PU, LIVE_PU = 0.05, 0.5
#: What the grid must be like before anybody connects to it (IEEE 1547; edition not verified).
GOOD_PU, GOOD_SHARE_HZ = (0.917, 1.05), (-0.5, 0.1)
#: What an island has to be like.
BAND_PU, BAND_HZ = (0.9, 1.1), 1.5


@dataclass(frozen=True)
class Poi:
    """Both sides of the breaker: pu, Hz, degrees; P and Q with export positive."""

    closed: bool | None
    tripped: bool | None
    in_sync: bool | None
    power_w: float | None
    reactive_power_var: float | None
    grid_pu: float | None
    grid_hz: float | None
    bus_pu: float | None
    bus_hz: float | None
    angle_deg: float | None
    settings: float | None


@dataclass(frozen=True)
class StorageSeen:
    """A battery: injection positive, W and var; state of charge in %."""

    points: Storage
    power_w: float
    reactive_power_var: float
    soc_pct: float
    forming: bool
    power_min_w: float
    power_max_w: float
    reactive_power_max_var: float
    rating_va: float

    def discharge_w(self, floor_pct: float) -> float:
        """Most it may give while it keeps a reserve."""
        return self.power_max_w if self.soc_pct > floor_pct else 0.0

    def charge_w(self, full_pct: float) -> float:
        """Most it may take, as a positive power."""
        return -self.power_min_w if self.soc_pct < full_pct else 0.0


@dataclass(frozen=True)
class GeneratorSeen:
    """A generator set."""

    points: Generator
    power_w: float
    ready: bool
    running: bool
    power_min_w: float
    power_max_w: float


@dataclass(frozen=True)
class RenewableSeen:
    """A source with the limit that is in force on it, W; None without."""

    points: Renewable
    power_w: float
    rating_w: float
    limit_w: float | None

    @property
    def possible_w(self) -> float:
        """What it would give unlimited, as far as can be told: all a limit hides is its rating."""
        if self.limit_w is not None and self.power_w >= 0.97 * self.limit_w - 1.0:
            return self.rating_w
        return self.power_w


@dataclass(frozen=True)
class LoadSeen:
    """A load feeder; its power is what it draws."""

    points: Load
    closed: bool
    power_w: float


@dataclass(frozen=True)
class Seen:
    """One cycle's view. Whatever cannot be read is absent from the tables."""

    config: MicrogridConfig
    poi: Poi
    storages: Mapping[str, StorageSeen]
    generators: Mapping[str, GeneratorSeen]
    renewables: Mapping[str, RenewableSeen]
    loads: Mapping[str, LoadSeen]
    groups: Mapping[str, GroupSeen]
    now_ms: int

    @cached_property
    def load_w(self) -> float:
        """Load that is supplied: measured feeders, else what the balance at the bus leaves."""
        known = sum(load.power_w for load in self.loads.values() if load.closed)
        if len(self.loads) == len(self.config.loads) and self.config.loads:
            return known
        if self.poi.closed is False:
            return max(self.given_w, known)
        return max(self.given_w - (self.poi.power_w or 0.0), known)

    @cached_property
    def given_w(self) -> float:
        """What all sources behind the POI give."""
        parts = (self.storages, self.generators, self.renewables, self.groups)
        return math.fsum(source.power_w for part in parts for source in part.values())

    @property
    def unread(self) -> bool:
        """Whether some source cannot be read: what it gives is not known."""
        config = self.config
        return (
            len(self.storages) < len(config.storages)
            or len(self.generators) < len(config.generators)
            or len(self.renewables) < len(config.renewables)
            or len(self.groups) < len(config.groups)
        )

    @property
    def grid_good(self) -> bool:
        """Whether the grid is fit to be connected to."""
        volts, hertz = self.poi.grid_pu, self.poi.grid_hz
        if volts is None or hertz is None:
            return False
        low, high = (self.config.hz + share for share in GOOD_SHARE_HZ)
        return GOOD_PU[0] <= volts <= GOOD_PU[1] and low <= hertz <= high

    @property
    def grid_dead(self) -> bool:
        """Whether the grid is known to be gone."""
        return self.poi.grid_pu is not None and self.poi.grid_pu < LIVE_PU

    @property
    def bus_dead(self) -> bool:
        """Whether the microgrid's bus is known to be dead."""
        return self.poi.bus_pu is not None and self.poi.bus_pu < DEAD_PU

    @property
    def bus_live(self) -> bool:
        """Whether the microgrid's bus is known to be alive."""
        return self.poi.bus_pu is not None and self.poi.bus_pu > LIVE_PU

    @property
    def bus_in_band(self) -> bool:
        """Whether the bus has voltage and frequency as an island should."""
        volts, hertz = self.poi.bus_pu, self.poi.bus_hz
        if volts is None or hertz is None:
            return False
        return BAND_PU[0] <= volts <= BAND_PU[1] and abs(hertz - self.config.hz) <= BAND_HZ


def look(
    config: MicrogridConfig,
    image: ProcessImage,
    groups: Mapping[str, GroupSeen],
    now_ms: int,
) -> Seen:
    """The image in the controller's terms."""
    read = image.good_value
    return Seen(
        config=config,
        poi=_poi(config, image),
        storages={s.name: found for s in config.storages if (found := _storage(s, image))},
        generators={g.name: unit for g in config.generators if (unit := _generator(g, image))},
        renewables={r.name: solar for r in config.renewables if (solar := _renewable(r, image))},
        loads={
            load.name: LoadSeen(load, closed == 1.0, read(load.power) or 0.0)
            for load in config.loads
            if (closed := read(load.closed)) is not None
        },
        groups=groups,
        now_ms=now_ms,
    )


def _poi(config: MicrogridConfig, image: ProcessImage) -> Poi:
    points, read = config.poi, image.good_value

    def contact(point: str) -> bool | None:
        value = read(point)
        return None if value is None else value == 1.0

    return Poi(
        closed=contact(points.closed),
        tripped=contact(points.tripped),
        in_sync=contact(points.in_sync),
        power_w=read(points.power),
        reactive_power_var=read(points.reactive_power),
        grid_pu=read(points.voltage_grid),
        grid_hz=read(points.hz_grid),
        bus_pu=read(points.voltage_bus),
        bus_hz=read(points.hz_bus),
        angle_deg=read(points.angle),
        settings=read(points.settings),
    )


def _all(image: ProcessImage, *points: str) -> list[float] | None:
    values = [image.good_value(point) for point in points]
    known = [value for value in values if value is not None]
    return known if len(known) == len(points) else None


def _storage(storage: Storage, image: ProcessImage) -> StorageSeen | None:
    if image.good_value(storage.running) != 1.0:
        return None
    found = _all(
        image, storage.power, storage.reactive_power, storage.soc, storage.forming,
        storage.power_min, storage.power_max, storage.reactive_power_max, storage.rating,
    )  # fmt: skip
    if found is None:
        return None
    power, reactive, soc, forming, low, high, q_max, rating = found
    return StorageSeen(storage, power, reactive, soc, forming == 1.0, low, high, q_max, rating)


def _generator(generator: Generator, image: ProcessImage) -> GeneratorSeen | None:
    found = _all(
        image, generator.power, generator.ready, generator.running,
        generator.power_min, generator.power_max,
    )  # fmt: skip
    if found is None:
        return None
    power, ready, running, low, high = found
    return GeneratorSeen(generator, power, ready == 1.0, running == 1.0, low, high)


def _renewable(renewable: Renewable, image: ProcessImage) -> RenewableSeen | None:
    found = _all(image, renewable.power, renewable.rating)
    if found is None:
        return None
    power, rating = found
    limit_pct = image.good_value(renewable.limit_set)
    limited = image.good_value(renewable.limit_enable) == 1.0 and limit_pct is not None
    limit_w = rating * (limit_pct or 0.0) / 100.0 if limited else None
    return RenewableSeen(renewable, power, rating, limit_w)
