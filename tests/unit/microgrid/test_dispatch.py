from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.apps.microgrid.config import MicrogridConfig, Prices
from gateway.apps.microgrid.economic import Fleet, Market, plan
from gateway.apps.microgrid.planning import Outlook
from gateway.apps.microgrid.state import Result
from tests.unit.microgrid.virtual import Virtual

_RATING_VA = 400e3


@pytest.mark.parametrize("wanted_w", [-300e3, -100e3, 0.0, 50e3, 150e3])
@pytest.mark.parametrize("wanted_var", [-80e3, 0.0, 80e3])
def test_p_and_q_at_the_poi_are_held(
    microgrid: MicrogridConfig, wanted_w: float, wanted_var: float
) -> None:
    virtual = Virtual(microgrid)
    virtual.run(2)
    virtual.ask(p_set=wanted_w, p_enable=1.0, q_set=wanted_var, q_enable=1.0)
    virtual.run(20)
    assert abs(virtual.plant.poi_w - wanted_w) <= 0.05 * _RATING_VA
    assert abs(virtual.plant.poi_var - wanted_var) <= 0.05 * _RATING_VA
    assert virtual.state.held.power_w == wanted_w
    assert virtual.state.result is Result.OK


def test_what_is_beyond_the_agreement_is_held_as_far_as_agreed(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid)
    virtual.ask(p_set=390e3, p_enable=1.0)
    virtual.run(30)
    assert virtual.plant.poi_w == pytest.approx(200e3, rel=0.02)
    assert virtual.state.held.power_w == 200e3
    assert virtual.state.result is Result.CLIPPED


def test_a_power_factor_gives_the_q_that_goes_with_the_p(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    virtual.ask(p_set=150e3, p_enable=1.0, pf_set=0.95, pf_enable=1.0)
    virtual.run(20)
    expected_var = 150e3 * math.tan(math.acos(0.95))
    assert abs(virtual.plant.poi_var - expected_var) <= 0.05 * _RATING_VA


def test_a_limit_of_export_holds_back_the_sun_only_once_the_battery_is_full(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid, sun_w=lambda _: 100e3)
    assert virtual.plant.battery is not None
    for load in virtual.plant.loads.values():
        load.closed = load.name == "clinic"  # 40 kW
    virtual.ask(limit=10e3, limit_enable=1.0)
    virtual.run(20)
    assert virtual.plant.poi_w <= 10e3 + 0.01 * _RATING_VA
    assert virtual.pv_w == 100e3
    assert virtual.plant.battery.power_w < -45e3
    virtual.plant.battery.soc_pct = 99.0
    virtual.run(20)
    assert virtual.plant.poi_w <= 10e3 + 0.01 * _RATING_VA
    assert virtual.pv_w < 60e3
    virtual.ask(limit_enable=0.0)
    virtual.run(20)
    assert virtual.pv_w == 100e3


def test_ramp_of_the_agreement_is_kept(microgrid: MicrogridConfig) -> None:
    agreement = replace(microgrid.agreement, ramp_w_per_s=5e3)
    virtual = Virtual(replace(microgrid, agreement=agreement))
    virtual.run(2)
    before_w = virtual.plant.poi_w
    virtual.ask(p_set=before_w + 100e3, p_enable=1.0)
    seen = []
    for _ in range(100):
        virtual.cycle()
        seen.append(virtual.plant.poi_w)
    assert virtual.plant.poi_w == pytest.approx(before_w + 100e3, abs=3e3)
    for first, second in zip(seen[8:], seen[16:], strict=False):  # over two seconds
        assert second - first <= 2.0 * 5e3 * 1.3


@given(soc_pct=st.floats(35, 60), wanted_w=st.floats(-300e3, 200e3), sun_w=st.floats(0, 100e3))
@settings(max_examples=25, deadline=None)
def test_reserve_is_kept_while_connected(
    soc_pct: float, wanted_w: float, sun_w: float, base: MicrogridConfig
) -> None:
    """Whatever is asked: below its reserve a battery gives nothing."""
    virtual = Virtual(base, sun_w=lambda _: sun_w)
    battery = virtual.plant.battery
    assert battery is not None
    battery.soc_pct, battery.energy_wh = soc_pct, 3e3  # 3 kWh: minutes tell what hours would
    virtual.ask(p_set=wanted_w, p_enable=1.0)
    low_pct = soc_pct
    for _ in range(240):
        virtual.cycle()
        low_pct = min(low_pct, battery.soc_pct)
    # one cycle's worth of the rating may be gone before it is seen
    one_cycle_pct = 100.0 * 250e3 * 1.05 * 0.8 / 3600.0 / 3e3
    assert low_pct >= min(soc_pct, 40.0) - one_cycle_pct


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> MicrogridConfig:
    from tests.unit.microgrid.virtual import config

    return config(tmp_path_factory.mktemp("site"))


_FLEET = Fleet(
    stored_wh=50e3, least_wh=40e3, most_wh=100e3, charge_w=50e3, discharge_w=50e3,
    generator_w=0.0, generator_per_kwh=0.0, wear_per_kwh=0.01, import_w=500e3, export_w=500e3,
)  # fmt: skip


def test_a_battery_buys_cheap_and_saves_dear() -> None:
    cheap, dear = Market(60e3, 0.0, 0.05, 0.0), Market(60e3, 0.0, 0.50, 0.0)
    made = plan([cheap] * 4 + [dear] * 4, _FLEET, 900.0, 0)
    assert made is not None
    assert sum(made.storage_w[:4]) < -150e3
    assert sum(made.storage_w[4:]) > 150e3
    stored = 50e3
    for power_w in made.storage_w:
        stored -= 0.25 * (power_w / 0.95 if power_w > 0 else 0.95 * power_w)
        assert 40e3 - 1 <= stored <= 100e3 + 1


def test_a_small_spread_does_not_pay_for_wear_and_losses() -> None:
    market = [Market(60e3, 0.0, 0.200, 0.0)] * 4 + [Market(60e3, 0.0, 0.201, 0.0)] * 4
    made = plan(market, _FLEET, 900.0, 0)
    assert made is not None
    assert max(abs(power_w) for power_w in made.storage_w) < 1.0


def test_sets_run_only_where_they_are_cheaper_than_the_grid() -> None:
    fleet = replace(_FLEET, generator_w=30e3, generator_per_kwh=0.3, charge_w=0.0, discharge_w=0.0)
    market = [Market(60e3, 0.0, 0.2, 0.0), Market(60e3, 0.0, 0.4, 0.0)]
    made = plan(market, fleet, 900.0, 0)
    assert made is not None
    assert made.generator_w == pytest.approx((0.0, 30e3))


def test_a_load_nobody_can_carry_has_no_plan() -> None:
    fleet = replace(_FLEET, import_w=10e3, discharge_w=0.0)
    assert plan([Market(60e3, 0.0, 0.2, 0.0)], fleet, 900.0, 0) is None


@given(prices=st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), stored=st.floats(0.4, 1.0))
@settings(max_examples=40, deadline=None)
def test_no_plan_of_a_grid_search_is_cheaper(prices: list[float], stored: float) -> None:
    """Brute force over what a battery can do in three steps finds nothing better."""
    fleet = replace(_FLEET, stored_wh=stored * 100e3)
    market = [Market(60e3, 20e3, price, 0.0) for price in prices]
    made = plan(market, fleet, 3600.0, 0)
    assert made is not None
    choices = [-50e3, -25e3, 0.0, 25e3, 50e3]
    for first in choices:
        for second in choices:
            for third in choices:
                cost = _cost((first, second, third), prices, fleet)
                assert made.cost <= cost + 1e-6


def _cost(powers: tuple[float, ...], prices: list[float], fleet: Fleet) -> float:
    stored, cost = fleet.stored_wh, 0.0
    for power_w, price in zip(powers, prices, strict=True):
        stored -= power_w / 0.95 if power_w > 0 else 0.95 * power_w
        if not fleet.least_wh - 1e-6 <= stored <= fleet.most_wh + 1e-6:
            return math.inf
        bought_w = 60e3 - 20e3 - power_w
        if bought_w < 0:  # what is sold earns nothing here
            bought_w = 0.0
        cost += bought_w / 1e3 * price + abs(power_w) / 1e3 * fleet.wear_per_kwh
    return cost - stored / 1e3 * min(prices) * 0.95


def test_the_plan_is_carried_out_while_nobody_asks(microgrid: MicrogridConfig) -> None:
    prices = Prices(import_per_kwh=0.05, schedule=((0.0, 0.05), (8.25, 0.9)))
    outlook = Outlook((220e3,) * 16, (60e3,) * 16, 900.0)
    virtual = Virtual(replace(microgrid, prices=prices), outlook=outlook)
    assert virtual.plant.battery is not None
    virtual.plant.battery.soc_pct = 50.0
    virtual.run(10)
    assert virtual.state.plan is not None
    now_w = virtual.state.plan.storage_w[0]
    assert now_w < -10e3  # cheap before 08:15 UTC, dear after
    assert virtual.plant.battery.power_w == pytest.approx(now_w, abs=2e3)
    virtual.ask(p_set=0.0, p_enable=1.0)
    virtual.run(10)
    assert abs(virtual.plant.poi_w) < 0.01 * _RATING_VA
