"""T3 and T4 over many approaches, judged by the plant's own record of what a closing met."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.state import Phase
from hil.microgrid.plant import Grid
from hil.microgrid.relay import SYNC_DEG, SYNC_HZ, SYNC_PU
from tests.unit.microgrid.virtual import Virtual

_BATCHES, _APPROACHES = 20, 50


@pytest.mark.parametrize("batch", range(_BATCHES))
def test_the_poi_closes_only_inside_the_sync_window(microgrid: MicrogridConfig, batch: int) -> None:
    """1,000 approaches: any angle, a grid that wanders, meters that err, a relay that lets all by.

    The relay's own check is out of force: what closes, closed by the controller's word alone.
    """
    rng = random.Random(batch)
    closed = 0
    for _ in range(_APPROACHES):
        virtual = _approach(microgrid, rng)
        virtual.ask(reconnect=1.0)
        for _ in range(4 * 20):
            virtual.cycle()
            if virtual.plant.relay.closed:
                break
        for closing in virtual.plant.relay.closings:
            closed += 1
            assert abs(closing.hz) <= SYNC_HZ
            assert abs(closing.voltage_pu) <= SYNC_PU
            assert abs(closing.angle_deg) <= SYNC_DEG
    assert closed >= 0.5 * _APPROACHES  # a controller that never closes would be safe and useless


def _approach(microgrid: MicrogridConfig, rng: random.Random) -> Virtual:
    """An island whose grid has come back, somewhere."""
    virtual = Virtual(microgrid, seed=rng.randrange(1 << 30), noise=(0.002, 0.002, 0.5))
    plant = virtual.plant
    assert plant.battery is not None
    plant.relay.closed = plant.relay.check = False
    plant.relay.settings = 2
    plant.battery.forming = True
    plant.battery.hz_set = rng.uniform(59.7, 60.3)
    plant.angle_deg = rng.uniform(-180.0, 180.0)
    base_hz, base_pu = rng.uniform(59.6, 60.05), rng.uniform(0.93, 1.04)
    swing_hz, period_s = rng.choice([0.0, 0.02, 0.05]), rng.uniform(3.0, 20.0)
    sag_s = rng.uniform(3.0, 60.0)

    def grid(time_s: float) -> Grid:
        hz = base_hz + swing_hz * math.sin(2 * math.pi * time_s / period_s)
        # as fast as nobody can foresee a sag is the relay's to judge, whose check is out here
        sag_pu = min(max(0.1 * (time_s - sag_s), 0.0), max(0.1 * (sag_s + 4.0 - time_s), 0.0), 0.2)
        return Grid(base_pu - sag_pu, hz)

    virtual.grid = grid
    virtual.run(1)
    return virtual


def test_a_grid_out_of_band_is_never_closed_onto(microgrid: MicrogridConfig) -> None:
    for grid in (Grid(1.08, 60.0), Grid(0.9, 60.0), Grid(1.0, 60.4), Grid(1.0, 59.3), Grid(0, 0)):
        virtual = Virtual(microgrid)
        virtual.run(2)
        virtual.ask(disconnect=1.0, island_mode=1.0)
        virtual.run_until(Phase.SS2, 10)
        virtual.grid = lambda _, grid=grid: grid
        virtual.ask(reconnect=1.0)
        virtual.run(120)
        assert not virtual.plant.relay.closed, grid


def test_a_live_line_closes_onto_a_dead_bus_without_load(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    plant = virtual.plant
    assert plant.battery is not None
    assert plant.diesel is not None
    plant.battery.running = plant.diesel.ready = False
    virtual.run(2)
    virtual.grid = lambda _: Grid(0.0, 0.0)
    virtual.run(20)
    assert plant.bus_pu == 0.0
    virtual.grid = lambda _: Grid()
    virtual.ask(reconnect=1.0)
    virtual.run_until(Phase.SS1, 60)
    assert plant.relay.closings[-1].dead_bus
    virtual.run(30)
    assert virtual.served == {"clinic", "water", "school", "shops"}


@pytest.mark.parametrize("seed", range(40))
def test_a_black_start_never_energises_a_live_bus(microgrid: MicrogridConfig, seed: int) -> None:
    """Sources fail, the grid comes and goes, links are lost: nobody is put onto a live bus."""
    rng = random.Random(1000 + seed)
    virtual = Virtual(microgrid, seed=seed)
    plant = virtual.plant
    assert plant.battery is not None
    assert plant.diesel is not None
    virtual.run(3)
    for _ in range(12):
        match rng.randrange(6):
            case 0:
                plant.battery.trip()
            case 1:
                plant.battery.running = True
            case 2:
                plant.diesel.ready = not plant.diesel.ready
            case 3:
                live = rng.random() < 0.5
                virtual.grid = lambda _, live=live: Grid() if live else Grid(0.0, 0.0)
            case 4:
                virtual.lost ^= {rng.choice(["bat", "diesel", "panel", "poi", "pv"])}
            case _:
                virtual.ask(reconnect=1.0)
        virtual.run(rng.uniform(1.0, 20.0))
        assert plant.live_energised == 0
        for closing in plant.relay.closings:
            assert closing.dead_bus or abs(closing.angle_deg) <= SYNC_DEG


def test_loads_come_back_by_priority(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    plant = virtual.plant
    assert plant.battery is not None
    virtual.run(3)
    virtual.grid = lambda _: Grid(0.0, 0.0)
    plant.battery.trip()
    virtual.run_until(Phase.T4, 5)
    plant.battery.running = True
    order: list[str] = []
    for _ in range(4 * 60):
        virtual.cycle()
        order += [name for name in sorted(virtual.served) if name not in order]
    assert order == ["clinic", "water", "school", "shops"]


def test_a_dead_bus_waits_for_a_permit_where_the_site_says_so(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(replace(microgrid, auto_black_start=False))
    plant = virtual.plant
    assert plant.battery is not None
    virtual.run(3)
    virtual.grid = lambda _: Grid(0.0, 0.0)
    plant.battery.trip()
    virtual.run(5)
    plant.battery.running = True
    virtual.run(60)
    assert plant.bus_pu == 0.0
    assert plant.energised == 0
    virtual.ask(black_start=1.0)
    virtual.run(60)
    assert virtual.served == {"clinic", "water", "school", "shops"}
