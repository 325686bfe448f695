"""Real power is taken from a DER where nothing else mends a voltage, and given back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.apps.vvo.config import Curtailment, VvoConfig
from gateway.apps.vvo.curtail import LIFT_AFTER_MS, potentials
from gateway.apps.vvo.objective import Objective
from gateway.apps.vvo.plan import plan
from gateway.apps.vvo.plant import Seen, movables
from gateway.apps.vvo.problem import Control
from gateway.apps.vvo.step import Vvo, VvoState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.estimate import Measured
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.unit.vvo.ieee13 import MASTER
from tests.unit.vvo.test_step import CONFIG, HEAD, Plant, carry_out, plant

__all__ = ["plant"]
LIMITED = replace(CONFIG.ders[0], curtailment=Curtailment("pv.lim", "pv.lim_ena", (), "pv.p_rtg"))


def problem(power_w: float, reach: int):
    """One DER at the far end of a feeder that is lightly loaded, taps free by ``reach``."""
    engine = DssEngine(MASTER)
    engine.scale_loads(np.full((3, 2), 0.1))
    controls = (
        *(Control(f"reg60{p}", "tap", 2 - reach, 2 + reach, 2.0, 1.0) for p in "abc"),
        Control("der_pv675", "var", -1e3, 1e3, 0.0, 0.2),
        Control("der_pv675", "watt", 0.0, power_w, power_w),
    )
    judged = np.array([node.split(".")[0] not in ("sourcebus", "650") for node in engine.nodes])
    powers_w = {"der_pv675": power_w}
    config = VvoConfig(margin_pu=0.0)
    return Objective(config, engine, controls, powers_w, np.zeros(judged.size), judged).problem


def test_where_taps_can_mend_it_no_power_is_taken():
    planned = plan(problem(2e6, reach=8), 4000)
    assert planned is not None
    assert planned.best.setting[4] == 2e6


def test_where_nothing_else_can_no_more_is_taken_than_the_band_needs():
    goal = problem(3e6, reach=0)
    present = tuple(control.present for control in goal.controls)
    assert goal.limits.outside(goal.judge(present).volts_pu)
    planned = plan(goal, 4000)
    assert planned is not None
    left_w = planned.best.setting[4]
    assert 0.0 < left_w < 3e6
    assert goal.limits.excess_pu(planned.best.volts_pu) == 0.0
    more = (*planned.best.setting[:4], left_w + 0.1e6)
    assert goal.limits.outside(goal.judge(more).volts_pu)


@pytest.fixture
def limited(clock, plant) -> Plant:
    names = [*plant.store.index, "pv.lim", "pv.lim_ena", "pv.p_rtg"]
    specs = [PointSpec(name, PointKind.AO, max_age_s=1e9) for name in names]
    plant.store = PointStore(specs, clock)
    return plant


def show(plant: Plant, power_w: float, limit_pct: float, enabled: float) -> None:
    plant.pv_w = power_w
    plant.measure()
    for point, value in (("lim", limit_pct), ("lim_ena", enabled), ("p_rtg", 4e6)):
        plant.store.update(f"pv.{point}", Measurement(value, Quality.ONLINE, 1))


def test_the_limit_goes_before_its_enable_and_comes_off_when_the_sun_is_gone(limited):
    fixed = tuple(replace(own, act=False) for own in CONFIG.regulators)
    config = replace(CONFIG, regulators=fixed, capacitors=(), groups=(), ders=(LIMITED,))
    limited.load, limited.taps = 0.1, dict.fromkeys(limited.taps, 2)
    show(limited, 3e6, 100.0, 0.0)
    vvo = Vvo(config, DssEngine(MASTER, HEAD))
    first = vvo.step(limited.store.freeze(), (), VvoState(), 1000)
    sent = [(c.point, c.value) for c in first.commands if c.point.startswith("pv.lim")]
    assert [point for point, _ in sent] == ["pv.lim", "pv.lim_ena"]
    limit_pct = sent[0][1]
    assert 0.0 < limit_pct < 75.0
    held = first
    for cycle in range(1, 4):  # the model is off: what is left is mended in the next cycles
        carry_out(limited, held)
        for command in held.commands:
            limit_pct = command.value if command.point == "pv.lim" else limit_pct
        show(limited, 4e4 * limit_pct, limit_pct, 1.0)
        held = vvo.step(limited.store.freeze(), (), held.state, cycle * 60_000)
    assert held.notes["nodes_out"] == 0.0
    assert held.state.free["der_pv675"].peak_w == 3e6  # what it would give is remembered
    show(limited, 0.1e6, limit_pct, 1.0)
    over = vvo.step(limited.store.freeze(), (), held.state, 3_600_000)
    assert over.state.free["der_pv675"].now_w == 0.1e6
    assert not any(c.point.startswith("pv.lim") for c in over.commands)  # a cloud is no reason
    later_ms = 3_600_000 + LIFT_AFTER_MS
    lifted = vvo.step(limited.store.freeze(), (), over.state, later_ms)
    assert [(c.point, c.value) for c in lifted.commands if c.point.startswith("pv.lim")] == [
        ("pv.lim_ena", 0.0)
    ]


def test_a_cloud_does_not_make_the_limit_forget_what_the_sun_can_give(limited):
    config, states = replace(CONFIG, ders=(LIMITED,)), []
    before = {}
    for minute, power_w in enumerate((3e6, 1.6e6, 0.1e6, 1.6e6)):
        show(limited, power_w, 40.0, float(minute > 0))
        before = potentials(config, limited.store.freeze(), Measured(), {}, before, 60_000 * minute)
        states.append(before["der_pv675"])
    assert [own.now_w for own in states] == [3e6, 3e6, 0.1e6, 3e6]
    assert [own.idle_ms for own in states] == [None, None, 120_000, None]


def test_a_der_whose_row_does_not_allow_it_keeps_its_power(limited):
    show(limited, 3e6, 100.0, 0.0)
    image = limited.store.freeze()
    assert potentials(CONFIG, image, Measured(), {}, {}, 1000) == {}
    assert not any(own.kind == "watt" for own in movables(CONFIG, Seen(image, {})))
