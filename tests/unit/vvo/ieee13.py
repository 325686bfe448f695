"""Our 13-node feeder with every control of the demo free, for tests of search and plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.objective import Objective
from gateway.apps.vvo.problem import Control
from gateway.grid.dss_engine import DssEngine

MASTER = Path(__file__).resolve().parents[3] / "hil" / "feeders" / "ieee13_der.dss"
REGULATORS, CAPACITORS = ("reg60a", "reg60b", "reg60c"), ("cap675", "cap611")
#: Reactive power that DERs can give, var.
DERS = {"der_pv675": 220e3, "der_mg680": 300e3}
#: What an operator would call free: no wear, no margin.
FREE = VvoConfig(margin_pu=0.0, tap_cost_kw=0.0, capacitor_cost_kw=0.0, set_point_cost_kw=0.0)


def objective(
    taps: tuple[int, ...] = (0, 0, 0),
    closed: tuple[bool, ...] = (True, True),
    var: tuple[float, ...] = (0.0, 0.0),
    load: float = 1.0,
    config: VvoConfig = FREE,
    reach: int = 16,
) -> Objective:
    """The feeder at a load, its controls standing as told, taps free to move by ``reach``."""
    engine = DssEngine(MASTER)
    engine.scale_loads(np.full((3, 2), load))
    controls = (
        *(
            Control(name, "tap", max(-16, at - reach), min(16, at + reach), at, config.tap_cost_kw)
            for name, at in zip(REGULATORS, taps, strict=True)
        ),
        *(
            Control(name, "switch", 0, 1, float(at), config.capacitor_cost_kw)
            for name, at in zip(CAPACITORS, closed, strict=True)
        ),
        *(
            Control(name, "var", -most, most, at, config.set_point_cost_kw)
            for (name, most), at in zip(DERS.items(), var, strict=True)
        ),
    )
    judged = np.array([node.split(".")[0] not in ("sourcebus", "650") for node in engine.nodes])
    powers_w = {"der_pv675": 300e3, "der_mg680": 100e3}
    return Objective(config, engine, controls, powers_w, np.zeros(judged.size), judged)
