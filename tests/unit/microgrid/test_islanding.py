from __future__ import annotations

import itertools
import random

import pytest

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.state import Phase
from hil.microgrid.plant import Grid
from tests.unit.microgrid.virtual import Virtual

_RATING_VA = 400e3
_PRIORITY = {"clinic": 1, "water": 2, "school": 3, "shops": 4}


def _without_grid(virtual: Virtual) -> None:
    virtual.grid = lambda _: Grid(0.0, 0.0)


@pytest.mark.parametrize("wanted_w", [None, -250e3, 150e3])
def test_planned_islanding_opens_at_no_power_in_time_and_drops_nothing(
    microgrid: MicrogridConfig, wanted_w: float | None
) -> None:
    virtual = Virtual(microgrid)
    if wanted_w is not None:
        virtual.ask(p_set=wanted_w, p_enable=1.0)
    virtual.run(10)
    virtual.ask(disconnect=1.0)
    last_w = float("inf")
    start_s = virtual.plant.time_s
    while virtual.plant.relay.closed:
        last_w = virtual.plant.poi_w
        virtual.cycle()
        assert virtual.plant.time_s - start_s < 30.0
    assert abs(last_w) < 0.02 * _RATING_VA
    virtual.run(10)
    assert virtual.served == set(_PRIORITY)
    assert 0.9 <= virtual.plant.bus_pu <= 1.1


def test_loss_of_mains_leaves_a_stable_island(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    virtual.run(5)
    _without_grid(virtual)
    virtual.run_until(Phase.SS2, 5)
    virtual.run(30)
    assert virtual.served == set(_PRIORITY)
    assert abs(virtual.plant.bus_hz - 60.0) < 0.1
    assert 0.9 <= virtual.plant.bus_pu <= 1.1


@pytest.mark.parametrize("seed", range(30))
def test_unplanned_islanding_sheds_no_more_than_needed(
    microgrid: MicrogridConfig, seed: int
) -> None:
    """Against every subset of loads: none served that is better by priority would have fitted."""
    rng = random.Random(seed)
    virtual = Virtual(microgrid, sun_w=lambda _: 0.0)
    battery, diesel = virtual.plant.battery, virtual.plant.diesel
    assert battery is not None
    assert diesel is not None
    diesel.ready = False
    for load in virtual.plant.loads.values():
        load.p_w = rng.uniform(20e3, 95e3)  # all of them at most what it rides through
        load.q_var = 0.1 * load.p_w
    battery.s_max_va = 1.3 * battery.p_max_w
    virtual.run(5)
    _without_grid(virtual)
    virtual.run(20)
    served = virtual.served
    demand = {name: load.p_w for name, load in virtual.plant.loads.items()}
    assert virtual.plant.bus_pu > 0.9, "the island must not collapse"
    assert sum(demand[name] for name in served) <= 1.02 * battery.p_max_w
    best = max(
        (
            subset
            for size in range(5)
            for subset in itertools.combinations(_PRIORITY, size)
            if sum(demand[name] for name in subset) <= 0.98 * battery.p_max_w
        ),
        key=lambda subset: tuple(name in subset for name in _PRIORITY),
    )
    # lexicographic by priority: nothing better was given up for something worse
    assert tuple(n in served for n in _PRIORITY) >= tuple(n in best for n in _PRIORITY)


def test_a_set_that_starts_brings_back_what_was_shed(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid, sun_w=lambda _: 0.0)
    assert virtual.plant.battery is not None
    for load in virtual.plant.loads.values():
        load.p_w *= 1.6  # 352 kW on a battery of 250 kW
    virtual.run(5)
    _without_grid(virtual)
    virtual.run(3)
    assert virtual.served < set(_PRIORITY)
    assert "clinic" in virtual.served
    virtual.run(30)
    assert virtual.served == set(_PRIORITY)
    assert virtual.plant.battery.power_w < virtual.plant.battery.p_max_w


def test_an_island_lives_through_half_an_hour_of_sun_and_clouds(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid, sun_w=lambda t: 90e3 if int(t / 120) % 2 else 10e3)
    assert virtual.plant.battery is not None
    virtual.plant.battery.soc_pct = 35.0
    virtual.run(5)
    _without_grid(virtual)
    virtual.run_until(Phase.SS2, 5)
    for _ in range(30 * 60 * 4):
        virtual.cycle()
        assert virtual.plant.bus_pu >= 0.9
        assert abs(virtual.plant.bus_hz - 60.0) < 0.5
    assert virtual.served == set(_PRIORITY)
    assert virtual.plant.battery.soc_pct > 25.0  # the set came to its help


def test_a_full_battery_holds_back_the_sun_instead_of_tripping(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid, sun_w=lambda _: 100e3)
    battery = virtual.plant.battery
    assert battery is not None
    for load in virtual.plant.loads.values():
        load.closed = load.name == "clinic"
    battery.soc_pct, battery.energy_wh = 93.0, 20e3
    virtual.run(5)
    _without_grid(virtual)
    virtual.run(1200)
    assert battery.running
    assert virtual.plant.bus_pu > 0.9
    assert battery.soc_pct < 99.5


def test_a_lost_link_to_the_battery_sheds_nobody(microgrid: MicrogridConfig) -> None:
    """What is not heard is not gone: the bus is well, so the load stays; nothing more is taken."""
    virtual = Virtual(microgrid)
    virtual.run(5)
    _without_grid(virtual)
    virtual.run_until(Phase.SS2, 5)
    virtual.run(5)
    virtual.lost.add("bat")
    virtual.run(60)
    assert virtual.served == set(_PRIORITY)
    assert any(a.active and a.source.endswith("sources") for a in virtual.decisions[-1].alarms)


def test_a_battery_that_trips_is_followed_by_the_set_on_the_dead_bus(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid)
    virtual.run(5)
    _without_grid(virtual)
    virtual.run_until(Phase.SS2, 5)
    assert virtual.plant.battery is not None
    virtual.plant.battery.trip()
    virtual.run_until(Phase.T4, 5)
    virtual.run_until(Phase.SS2, 60)
    assert {"clinic", "water"} <= virtual.served
    assert sum(virtual.plant.loads[n].p_w for n in virtual.served) <= 150e3 + 100e3
