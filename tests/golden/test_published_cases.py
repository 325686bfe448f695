"""Published power-flow anchors and VVO cases; they stand beside a developer's tree, not in it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.objective import Objective
from gateway.apps.vvo.plant import Movable
from gateway.apps.vvo.search import Control, coordinate_search
from gateway.grid.dss_engine import DssEngine

ROOT = Path(__file__).resolve().parents[2]
FEEDERS = ROOT.parent / "shared" / "data" / "feeders"
OURS = ROOT / "hil" / "feeders" / "ieee13_der.dss"

published = pytest.mark.skipif(not FEEDERS.is_dir(), reason="the published feeders are not here")

#: kW and kvar at the source, kW loss, taps with the feeder's own controls on.
ANCHOR_13 = (3567.050, 1736.436, 112.391, (9, 6, 9))


def assert_meets_anchor(engine: DssEngine, regulators: tuple[str, ...]) -> None:
    p_kw, q_kvar, loss_kw, taps = ANCHOR_13
    for regulator, tap in zip(regulators, taps, strict=True):
        engine.set_tap(regulator, tap)
    solution = engine.solve()
    assert solution.power_w / 1e3 == pytest.approx(p_kw, rel=1e-4)
    assert solution.head_q_var.sum() / 1e3 == pytest.approx(q_kvar, rel=1e-4)
    assert solution.losses_w / 1e3 == pytest.approx(loss_kw, rel=1e-4)


@published
def test_the_dms_engine_meets_the_published_13_bus_anchor():
    engine = DssEngine(FEEDERS / "13Bus" / "IEEE13Nodeckt.dss")
    assert_meets_anchor(engine, ("reg1", "reg2", "reg3"))


def test_our_own_13_node_feeder_meets_the_anchor():
    assert_meets_anchor(DssEngine(OURS), ("reg60a", "reg60b", "reg60c"))


@published
@pytest.mark.parametrize(
    ("objective", "local_kw", "best_known_kw"),
    [("losses", 88.94, 83.90), ("power", 3048.78, 3018.25)],
)
def test_coordinate_search_on_the_published_13_bus_case(
    tmp_path, objective, local_kw, best_known_kw
):
    master = tmp_path / "case13.dss"
    master.write_text(
        f'redirect "{FEEDERS / "13Bus" / "IEEE13Nodeckt.dss"}"\n'
        "new generator.der1 bus1=680.1.2.3 phases=3 kv=4.16 kw=500 kvar=0 model=1"
        " vminpu=0.5 vmaxpu=1.5\n"
    )
    engine = DssEngine(master)
    most_var = math.sqrt(600e3**2 - 500e3**2)
    controls = (
        *(Control(f"reg{n}", "tap", -16, 16) for n in (1, 2, 3)),
        *(Control(f"cap{n}", "switch", 0, 1) for n in (1, 2)),
        Control("der1", "var", -most_var, most_var),
    )
    config = VvoConfig(
        objective=objective,
        margin_pu=0,
        tap_cost_kw=0,
        capacitor_cost_kw=0,
        set_point_cost_kw=0,
    )
    movables = tuple(Movable(c, 0, 0, "") for c in controls)
    judged = np.array([not node.startswith("sourcebus") for node in engine.nodes])
    goal = Objective(config, engine, movables, {"der1": 500e3}, np.zeros(judged.size), judged)
    found = coordinate_search(controls, (9, 6, 9, 1, 1, 0), goal.cost, 5000)
    goal.apply(found.setting)
    assert goal.nodes_outside(engine.solve().voltages_pu) == 0
    assert found.cost < local_kw
    # coordinate descent is published as stalling; ours ends within 0.1 % of the best known
    assert found.cost <= best_known_kw * 1.001
