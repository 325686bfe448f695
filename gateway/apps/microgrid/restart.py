"""Black start (T4): clear the bus, energise it only while it is dead, serve by priority."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.apps.microgrid.islanded import islanded
from gateway.apps.microgrid.situation import Situation, black_starters
from gateway.apps.microgrid.state import MicrogridState, Stage
from gateway.apps.microgrid.sync import Steering
from gateway.apps.microgrid.targets import (
    ISLANDED_GROUP,
    GeneratorTarget,
    StorageTarget,
    Targets,
)

#: How long a source may take from its order to a bus in its band.
_START_S = 20.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The order of a cycle and the state it leaves."""

    targets: Targets
    state: MicrogridState


def restart(now: Situation, steering: Steering) -> Progress:
    """One cycle of a black start."""
    match now.state.stage:
        case Stage.CLEAR:
            return _clear(now)
        case Stage.ENERGISE:
            return _energise(now)
        case _:
            return Progress(islanded(now, steering), now.state)


def _clear(now: Situation) -> Progress:
    """Every load off, the POI open; only what is seen to be so counts."""
    if now.seen.bus_in_band:  # somebody else was first
        return Progress(Targets(settings=ISLANDED_GROUP), replace(now.state, stage=Stage.RESTORE))
    if not now.seen.bus_dead or now.seen.poi.closed is not False:
        return Progress(Targets(settings=ISLANDED_GROUP), now.state)
    loads = now.seen.loads
    closed = {name: False for name, load in loads.items() if load.closed}
    targets = Targets(settings=ISLANDED_GROUP, loads=closed, limits_w=_no_renewables(now))
    cleared = len(loads) == len(now.config.loads) and not closed
    if not cleared:
        return Progress(targets, now.state)
    source = next((n for n in black_starters(now) if n not in now.state.exhausted), "")
    state = replace(
        now.state, stage=Stage.ENERGISE, source=source, stepped_ms=now.now_ms, shed=now.shed_all
    )
    return Progress(targets, state)


def _energise(now: Situation) -> Progress:
    """The chosen source onto the dead bus. A bus that is not dead is nobody's to energise."""
    state, source = now.state, now.state.source
    if now.seen.bus_in_band:
        return Progress(
            Targets(settings=ISLANDED_GROUP),
            replace(state, stage=Stage.RESTORE, stepped_ms=now.now_ms),
        )
    if now.lasts_s(state.stepped_ms) >= _START_S:
        tried = replace(state, stage=Stage.CLEAR, source="", exhausted=state.exhausted | {source})
        return Progress(_withdrawn(now, source), tried)
    if not now.seen.bus_dead:
        return Progress(Targets(settings=ISLANDED_GROUP), state)
    if source in now.seen.storages:
        steering = Steering(now.config.hz, 1.0)
        storage = StorageTarget(form=True, steering=steering)
        return Progress(Targets(settings=ISLANDED_GROUP, storages={source: storage}), state)
    unit = GeneratorTarget(run=True, hz=now.config.hz)
    return Progress(Targets(settings=ISLANDED_GROUP, generators={source: unit}), state)


def _no_renewables(now: Situation) -> dict[str, float | None]:
    """Renewables wait until there is load: one that comes back on an empty bus drives it up."""
    return dict.fromkeys(now.seen.renewables, 0.0)


def _withdrawn(now: Situation, source: str) -> Targets:
    """A source that did not come is told to stay away before another one is tried."""
    if source in now.seen.storages:
        return Targets(settings=ISLANDED_GROUP, storages={source: StorageTarget(form=False)})
    return Targets(settings=ISLANDED_GROUP, generators={source: GeneratorTarget(run=False)})
