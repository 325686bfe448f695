"""Dispatch of an island (SS2) and what its transitions have in common: who forms, who is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.apps.microgrid.loads import next_pickup, supply_w, to_shed
from gateway.apps.microgrid.seen import StorageSeen
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.sync import (
    Steering,
    may_close,
    steer_to_grid,
    steer_to_nominal,
)
from gateway.apps.microgrid.targets import (
    ISLANDED_GROUP,
    GeneratorTarget,
    StorageTarget,
    Targets,
)

#: Share of a battery's rating with which sets charge it in an island.
_CHARGE = 0.3
#: Sets stop only where the rest carries this much more than the load.
_SPARE_TO_STOP = 1.2
#: Between these charges a battery takes ever less from the sun, at first this share of its rating.
_NEARLY_FULL_PCT, _FULL_PCT, _NEARLY_MOST = 90.0, 98.0, 0.8


def islanded(now: Situation, steering: Steering) -> Targets:
    """The order of a steady island: nominal voltage and frequency, loads by priority."""
    targets = _held_up(now, steer_to_nominal(now, steering))
    shed = to_shed(now)
    if shed:
        return replace(targets, loads=dict.fromkeys(shed, False))
    settled = now.lasts_s(now.state.stepped_ms) >= now.config.pace.settle_s
    pickup = next_pickup(now, supply_w(now)) if settled and now.seen.bus_in_band else None
    return replace(targets, loads={} if pickup is None else {pickup.name: True})


def separating(now: Situation, steering: Steering) -> Targets:
    """The order of an unplanned islanding: open, and shed what the sources do not carry."""
    opened = now.seen.poi.closed is False
    targets = _held_up(now, steering) if opened else Targets()
    return replace(
        targets,
        close_poi=None if opened else False,
        settings=ISLANDED_GROUP,
        loads=dict.fromkeys(to_shed(now), False) if opened else {},
    )


def reconnecting(now: Situation, steering: Steering) -> Targets:
    """The order of a reconnection: in step with the grid, then close; loads stay as they are."""
    close = True if may_close(now) else None
    if now.seen.bus_dead:  # a live line onto a dead bus, with nothing on it
        return Targets(
            close_poi=close,
            settings=ISLANDED_GROUP,
            storages=dict.fromkeys(now.seen.storages, StorageTarget(form=False)),
            generators=dict.fromkeys(now.seen.generators, GeneratorTarget(run=False)),
            loads={name: False for name, load in now.seen.loads.items() if load.closed},
        )
    targets = _held_up(now, steer_to_grid(now, steering))
    return replace(targets, close_poi=close, loads=dict.fromkeys(to_shed(now), False))


def _held_up(now: Situation, steering: Steering) -> Targets:
    """Sources of an island: one forms it, the others give their part."""
    seen = now.seen
    formers = [name for name, storage in seen.storages.items() if storage.forming]
    storages = {
        name: StorageTarget(form=True, steering=steering)
        if storage.forming
        else StorageTarget(power_w=_beside_w(now, storage), form=False)
        for name, storage in seen.storages.items()
        if formers  # without one a set forms the island, and batteries stay out of its way
    }
    alone_hz = None if formers else steering.hz
    return Targets(
        settings=ISLANDED_GROUP,
        storages=storages,
        generators=_sets(now, alone_hz),
        limits_w=_limits(now),
        groups=dict.fromkeys(seen.groups, (None, None)),
    )


def _beside_w(now: Situation, storage: StorageSeen) -> float:
    """Power of a battery that does not form: its part of what all batteries give, by rating."""
    all_w = sum(s.power_w for s in now.seen.storages.values())
    rating_w = sum(s.power_max_w for s in now.seen.storages.values())
    part_w = all_w * storage.power_max_w / rating_w if rating_w else 0.0
    reserve = now.config.reserve
    return min(
        max(part_w, -storage.charge_w(reserve.full_pct)),
        storage.discharge_w(reserve.islanded_pct),
    )


def _sets(now: Situation, alone_hz: float | None) -> Mapping[str, GeneratorTarget]:
    """Sets run from a low battery to a full one, and while load waits or margin is thin."""
    seen, reserve, state = now.seen, now.config.reserve, now.state
    if alone_hz is not None:
        return {
            name: GeneratorTarget(unit.running, hz=alone_hz)
            for name, unit in seen.generators.items()
        }
    soc_pct = min((s.soc_pct for s in seen.storages.values()), default=0.0)
    others_w = supply_w(now) - sum(
        unit.power_max_w for unit in seen.generators.values() if unit.running
    )
    thin = others_w < _SPARE_TO_STOP * seen.load_w or bool(state.shed)
    targets = {}
    charge_w = sum(_CHARGE * s.charge_w(reserve.stop_pct) for s in seen.storages.values())
    due_w = seen.load_w - sum(r.power_w for r in seen.renewables.values()) + charge_w
    for name, unit in sorted(seen.generators.items(), key=lambda i: i[1].points.cost_per_kwh):
        low = soc_pct < (reserve.stop_pct if unit.running else reserve.start_pct)
        run = (unit.ready or unit.running) and (low or thin)
        power_w = min(max(due_w, unit.power_min_w), unit.power_max_w)
        targets[name] = GeneratorTarget(run, power_w if run else None)
        due_w -= power_w if run else 0.0
    return targets


def _limits(now: Situation) -> Mapping[str, float | None]:
    """Renewables are held back while whoever forms the island has no room for more."""
    seen = now.seen
    formers = [storage for storage in seen.storages.values() if storage.forming]
    # a set that holds the bus alone must keep its least load, or it is driven backwards
    room_w = (
        0.0
        if formers
        else sum(
            unit.power_w - unit.power_min_w for unit in seen.generators.values() if unit.running
        )
    )
    for storage in formers:
        emptiness = (_FULL_PCT - storage.soc_pct) / (_FULL_PCT - _NEARLY_FULL_PCT)
        most_w = -_NEARLY_MOST * storage.power_min_w * min(max(emptiness, 0.0), 1.0)
        room_w += most_w + storage.power_w  # what it charges now counts against it
    limits: dict[str, float | None] = {}
    total_w = sum(r.rating_w for r in seen.renewables.values())
    for name, unit in seen.renewables.items():
        limit_w = max(unit.power_w + room_w * unit.rating_w / total_w, 0.0) if total_w else 0.0
        limits[name] = limit_w if limit_w < unit.rating_w else None
    return limits
