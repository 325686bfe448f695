"""Guards of the transition function: each a name and one question about one cycle.

A guard that rests on something unread says no: what is not known moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.apps.microgrid.loads import restored
from gateway.apps.microgrid.situation import Situation, black_starters
from gateway.apps.microgrid.state import Stage


def _sources_carry(now: Situation) -> bool:
    """Whether some source can form the island and all of them carry its load."""
    reserve = now.config.reserve.islanded_pct
    formers = [s for s in now.seen.storages.values() if s.soc_pct > reserve]
    starters = [g for g in now.seen.generators.values() if g.ready and g.points.black_start]
    if not formers and not starters:
        return False
    firm_w = sum(s.discharge_w(reserve) for s in formers)
    firm_w += sum(g.power_max_w for g in now.seen.generators.values() if g.ready)
    given_w = sum(r.power_w for r in now.seen.renewables.values())
    return firm_w + given_w >= now.seen.load_w


def _can_start(now: Situation) -> bool:
    return any(name not in now.state.exhausted for name in black_starters(now))


#: Every guard by the name the transition table uses.
GUARDS: Mapping[str, Callable[[Situation], bool]] = {
    "poi closed": lambda now: now.seen.poi.closed is True,
    "poi open": lambda now: now.seen.poi.closed is False,
    "grid good": lambda now: now.seen.grid_good,
    "grid not good": lambda now: not now.seen.grid_good,
    "grid good for long": lambda now: (
        now.lasts_s(now.state.good_since_ms) >= now.config.pace.good_grid_s
    ),
    "grid dead": lambda now: now.seen.grid_dead,
    "bus live": lambda now: now.seen.bus_live,
    "bus dead": lambda now: now.seen.bus_dead,
    "bus in band": lambda now: now.seen.bus_in_band,
    "planned islanding asked": lambda now: now.asked.island_planned,
    "emergency islanding asked": lambda now: now.asked.island_emergency,
    "islanding asked": lambda now: now.asked.island_planned or now.asked.island_emergency,
    "reconnection asked": lambda now: now.asked.reconnect,
    "black start permitted": lambda now: now.config.auto_black_start or now.asked.black_start,
    "sources carry the load": _sources_carry,
    "a source can start": _can_start,
    "no source can start": lambda now: not _can_start(now),
    "planned time is over": lambda now: now.in_phase_s >= now.config.pace.planned_s,
    "waiting is over": lambda now: now.lasts_s(now.state.asked_ms) >= now.config.pace.wait_s,
    "sync time is over": lambda now: now.in_phase_s >= now.config.pace.sync_s,
    "opening failed": lambda now: now.in_phase_s >= now.config.pace.planned_s,
    "loads are restored": lambda now: now.state.stage is Stage.RESTORE and restored(now),
}
