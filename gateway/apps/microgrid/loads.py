"""Which loads are served: shedding by priority, no more than needed, and picking up again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gateway.apps.microgrid.config import Load
from gateway.apps.microgrid.seen import LoadSeen
from gateway.apps.microgrid.situation import Situation

#: Spare power wanted before a load comes back: of that load, for its inrush and for drift.
PICKUP_MARGIN = 1.25
#: So far below nominal an island is short of power, whatever its sources say they can give.
LOW_HZ = 1.0


def supply_w(now: Situation) -> float:
    """The most the island's sources can give now, W.

    A battery gives its rating down to the island's reserve; a set that does not run gives nothing
    yet; renewables give what they give. A source that cannot be read while the bus is well is
    taken to go on as it does: a lost link sheds nobody and picks nobody up.
    """
    seen, reserve = now.seen, now.config.reserve
    total_w = sum(s.discharge_w(reserve.islanded_pct) for s in seen.storages.values())
    total_w += sum(g.power_max_w for g in seen.generators.values() if g.running)
    total_w += sum(r.power_w for r in seen.renewables.values())
    total_w += sum(group.power_max_w for group in seen.groups.values())
    return max(total_w, seen.load_w) if seen.unread and seen.bus_in_band else total_w


def expected_w(load: Load, known_w: Mapping[str, float]) -> float:
    """What a load is taken to draw: as it last did, else as the site says."""
    return known_w.get(load.name) or load.expected_w


def to_shed(now: Situation) -> frozenset[str]:
    """Loads to open so that the sources carry the rest; empty while they do.

    From the lowest priority upwards; then whatever fits again is spared, the highest priority
    first. So no load is shed that could have been kept without shedding a better one.
    """
    served = [load for load in now.seen.loads.values() if load.closed]
    spare_w = min(supply_w(now) - sum(load.power_w for load in served), _former_spare_w(now))
    if spare_w >= 0 and not _sagging(now):
        return frozenset()
    served.sort(key=lambda load: (-load.points.priority, load.power_w))
    shed: list[LoadSeen] = []
    for load in served:
        if spare_w >= 0 and shed:
            break
        if load.power_w > 0:
            shed.append(load)
            spare_w += load.power_w
    kept = set()
    for load in sorted(shed, key=lambda load: (load.points.priority, -load.power_w)):
        if load.power_w <= spare_w and not _sagging(now):
            kept.add(load.points.name)
            spare_w -= load.power_w
    return frozenset(load.points.name for load in shed) - kept


def next_pickup(now: Situation, available_w: float) -> Load | None:
    """The load to close next, the best that fits into what is available; None where none does."""
    known_w = now.state.load_w
    waiting = [load for load in _open(now) if load.name in now.state.shed]
    spare_w = available_w - now.seen.load_w
    for load in sorted(waiting, key=lambda load: load.priority):
        if PICKUP_MARGIN * expected_w(load, known_w) <= spare_w:
            return load
    return None


def restored(now: Situation) -> bool:
    """Whether nothing waits that fits, some time after the last step."""
    settled = now.lasts_s(now.state.stepped_ms) >= 2 * now.config.pace.settle_s
    return settled and next_pickup(now, supply_w(now)) is None


def remembered_w(now: Situation) -> dict[str, float]:
    """What each load drew when it was last supplied, this cycle included."""
    known = dict(now.state.load_w)
    if now.seen.bus_in_band:
        known |= {n: load.power_w for n, load in now.seen.loads.items() if load.closed}
    return known


def _former_spare_w(now: Situation) -> float:
    """What whoever forms the island has left by its own meter: the loads' meters may be wrong."""
    reserve = now.config.reserve.islanded_pct
    formers = [s for s in now.seen.storages.values() if s.forming]
    if not formers:
        return math.inf
    return sum(s.discharge_w(reserve) - s.power_w for s in formers)


def _open(now: Situation) -> Iterable[Load]:
    return (load.points for load in now.seen.loads.values() if not load.closed)


def _sagging(now: Situation) -> bool:
    """Whether the frequency asks for less load, the last step having had time to tell."""
    hertz, stepped_ms = now.seen.poi.bus_hz, now.state.stepped_ms
    if stepped_ms and now.lasts_s(stepped_ms) < now.config.pace.settle_s:
        return False
    return now.seen.bus_live and hertz is not None and hertz < now.config.hz - LOW_HZ
