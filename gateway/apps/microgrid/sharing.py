"""One set point at the POI, shared among the sources behind it.

Batteries and groups come first, for they can go both ways; then renewables are let go or held
back; sets run for what is left. Everything starts from what is measured, so that load and losses
need not be known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.apps.microgrid.seen import GeneratorSeen, StorageSeen
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.targets import GeneratorTarget, StorageTarget, Targets
from gateway.groups.allocation import allocate
from gateway.model.der import Range

#: Spare power batteries must have before a set that runs is stopped for them.
_SPARE_TO_STOP = 1.1


@dataclass(frozen=True, slots=True)
class Shares:
    """What each source gives, W and var; a quantity that is None is nobody's to hold.

    Attributes:
        power_w, reactive_power_var: by battery and group.
        generators_w: by set that is to run.
        limits_w: by renewable that is to be held back.
    """

    power_w: Mapping[str, float] | None
    reactive_power_var: Mapping[str, float] | None
    generators_w: Mapping[str, float] = field(default_factory=dict)
    limits_w: Mapping[str, float] = field(default_factory=dict)

    def targets(self, now: Situation) -> Targets:
        """As targets of every source that is seen."""
        power, reactive = self.power_w, self.reactive_power_var
        seen = now.seen
        return Targets(
            storages={
                name: StorageTarget(_of(power, name), _of(reactive, name), form=False)
                for name in seen.storages
            },
            groups={name: (_of(power, name), _of(reactive, name)) for name in seen.groups},
            generators={
                name: GeneratorTarget(name in self.generators_w, self.generators_w.get(name))
                for name in seen.generators
            },
            limits_w={name: self.limits_w.get(name) for name in seen.renewables},
        )


def share(
    now: Situation, target_w: float | None, target_var: float | None, idle_w: float = 0.0
) -> Shares:
    """Shares that bring the POI to a set point.

    Args:
        now: the cycle.
        target_w: real power at the POI; None leaves it to itself.
        target_var: reactive power at the POI; the same.
        idle_w: what batteries give together where real power is left to itself.
    """
    reactive = None if target_var is None else _reactive(now, target_var)
    poi_w = now.seen.poi.power_w
    if target_w is None or poi_w is None:
        batteries = {n: _range_w(now, s) for n, s in now.seen.storages.items()}
        return Shares(allocate(idle_w, batteries), reactive)
    return _power(now, target_w - poi_w, reactive)


def _power(now: Situation, change_w: float, reactive: Mapping[str, float] | None) -> Shares:
    seen = now.seen
    ranges = {n: _range_w(now, s) for n, s in seen.storages.items()}
    ranges |= {n: Range(g.power_min_w, g.power_max_w) for n, g in seen.groups.items()}
    sets = {n: g for n, g in seen.generators.items() if g.running or g.ready}
    running_w = sum(g.power_w for g in sets.values() if g.running)
    both_ways_w = sum(s.power_w for s in seen.storages.values())
    both_ways_w += sum(g.power_w for g in seen.groups.values())
    wanted_w = both_ways_w + running_w + change_w
    hidden_w = sum(r.possible_w - r.power_w for r in seen.renewables.values())
    can = Range(sum(r.minimum for r in ranges.values()), sum(r.maximum for r in ranges.values()))
    generators_w = _generators(sets, wanted_w - hidden_w, can.maximum)
    left_w = wanted_w - sum(generators_w.values())
    parts = allocate(left_w, ranges)
    return Shares(parts, reactive, generators_w, _limits(now, left_w - math.fsum(parts.values())))


def _generators(
    sets: Mapping[str, GeneratorSeen], wanted_w: float, without_w: float
) -> dict[str, float]:
    """Sets that have to run beside what everything else can give, the cheapest first."""
    parts: dict[str, float] = {}
    missing_w = wanted_w - without_w
    for name, unit in sorted(sets.items(), key=lambda item: item[1].points.cost_per_kwh):
        spare = _SPARE_TO_STOP * wanted_w < without_w
        if missing_w > 0 or (unit.running and not spare and wanted_w > 0):
            parts[name] = min(max(missing_w, unit.power_min_w), unit.power_max_w)
            missing_w -= parts[name]
    return parts


def _limits(now: Situation, missing_w: float) -> dict[str, float]:
    """Renewables held back by what is too much, or let go by what is missing."""
    limits = {}
    limited = {n: r for n, r in now.seen.renewables.items() if r.limit_w is not None}
    held = limited if missing_w >= 0 else now.seen.renewables
    total_w = sum(r.power_w for r in held.values())
    for name, unit in held.items():
        part = unit.power_w / total_w if total_w > 0 else 1.0 / len(held)
        limit_w = unit.power_w + part * missing_w
        if missing_w > 0:  # let go: more than it gives, or it would never rise
            limit_w = max(limit_w, unit.limit_w or 0.0)
        if limit_w < unit.rating_w:
            limits[name] = max(limit_w, 0.0)
    return limits


def _reactive(now: Situation, target_var: float) -> dict[str, float]:
    seen = now.seen
    ranges = {n: _range_var(s) for n, s in seen.storages.items()}
    ranges |= {
        n: Range(-g.reactive_power_max_var, g.reactive_power_max_var)
        for n, g in seen.groups.items()
    }
    present_var = sum(s.reactive_power_var for s in seen.storages.values())
    present_var += sum(g.reactive_power_var for g in seen.groups.values())
    error_var = target_var - (seen.poi.reactive_power_var or 0.0)
    return allocate(present_var + error_var, ranges)


def _range_w(now: Situation, storage: StorageSeen) -> Range:
    reserve = now.config.reserve
    return Range(-storage.charge_w(reserve.full_pct), storage.discharge_w(reserve.connected_pct))


def _range_var(storage: StorageSeen) -> Range:
    spare = math.sqrt(max(storage.rating_va**2 - storage.power_w**2, 0.0))
    most = min(storage.reactive_power_max_var, spare)
    return Range(-most, most)


def _of(parts: Mapping[str, float] | None, name: str) -> float | None:
    return None if parts is None else parts.get(name)
