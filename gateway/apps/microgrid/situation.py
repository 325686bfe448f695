"""One cycle as the transition and dispatch functions see it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.seen import Seen
from gateway.apps.microgrid.state import MicrogridState


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controller is asked for, as its own points stand."""

    island_planned: bool = False
    island_emergency: bool = False
    reconnect: bool = False
    black_start: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """All that guards, rules and actions may look at."""

    config: MicrogridConfig
    seen: Seen
    asked: Asked
    state: MicrogridState
    now_ms: int

    @property
    def elapsed_s(self) -> float:
        """Since the cycle before; 0 in the first."""
        return self.lasts_s(self.state.last_ms)

    @property
    def shed_all(self) -> frozenset[str]:
        """Every load, as what the controller opened."""
        return frozenset(load.name for load in self.config.loads)

    @property
    def in_phase_s(self) -> float:
        """How long this phase has lasted."""
        return (self.now_ms - self.state.since_ms) / 1000.0

    def lasts_s(self, since_ms: int) -> float:
        """How long something has lasted; 0 where it does not hold."""
        return (self.now_ms - since_ms) / 1000.0 if since_ms else 0.0


def black_starters(now: Situation) -> tuple[str, ...]:
    """Sources that may energise a dead bus, the best first: batteries by charge, then sets."""
    reserve = now.config.reserve.islanded_pct
    batteries = [s for s in now.seen.storages.values() if s.soc_pct > reserve]
    batteries.sort(key=lambda s: -s.soc_pct)
    sets = [g for g in now.seen.generators.values() if g.points.black_start and g.ready]
    return (*(s.points.name for s in batteries), *(g.points.name for g in sets))
