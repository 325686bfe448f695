"""The 13-node feeder as awareness sees it: a plant of its own behind a store of points."""

from __future__ import annotations

import numpy as np

from gateway.apps.awareness.config import AwarenessConfig
from gateway.apps.awareness.step import Awareness, AwarenessState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.observe import Bindings, Injection
from gateway.grid.probes import probes
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.unit.grid.settings import FEEDERS

MASTER = FEEDERS / "ieee13_der.dss"
HEAD = ("Transformer.reg60a", "Transformer.reg60b", "Transformer.reg60c")
#: The feeder has no ratings but its transformers'; two lines get one.
RATED = ("line.rg60_632.normamps=900", "line.692_675.normamps=500")
METERS = ("rg60.1", "rg60.2", "rg60.3", "675.1", "675.2", "675.3", "634.1", "634.2", "634.3",
          "680.1", "680.2", "680.3")  # fmt: skip
SWITCH = "line.sw671_692"
PROBED = ("675", "634", "652", "680")
BINDINGS = Bindings(
    taps=tuple((f"reg60{p}", f"tap_{p}") for p in "abc"),
    capacitors=(("cap675", "cap"),),
    switches=((SWITCH, "switch"),),
    injections=(Injection("der_pv675", ("pv1.p", "pv2.p"), ("pv.q",)),),
    voltages=tuple((node, f"v.{node}") for node in METERS),
    head_p=tuple(f"p_{p}" for p in "abc"),
    head_q=tuple(f"q_{p}" for p in "abc"),
)
CONFIG = AwarenessConfig(
    bindings=BINDINGS,
    excluded_buses=("sourcebus", "650"),
    headroom_per_cycle=2,
)


class Plant:
    """A feeder whose loads are not the model's, measured into points."""

    def __init__(self, clock) -> None:
        points = [p for _, p in (*BINDINGS.taps, *BINDINGS.capacitors, *BINDINGS.switches)]
        points += [*(p for _, p in BINDINGS.voltages), *BINDINGS.head_p, *BINDINGS.head_q]
        points += ["pv1.p", "pv2.p", "pv.q"]
        self.store = PointStore([PointSpec(p, PointKind.AO, max_age_s=1e9) for p in points], clock)
        self.engine = DssEngine(MASTER, HEAD, changes=RATED)
        self.taps = {"reg60a": 9, "reg60b": 6, "reg60c": 9}
        self.load, self.pv_w, self.closed = 0.6, 100e3, True
        self.off: dict[str, float] = {}
        self.lost: tuple[str, ...] = ()

    def measure(self) -> None:
        for regulator, tap in self.taps.items():
            self.engine.set_tap(regulator, tap)
        self.engine.set_switch(SWITCH, closed=self.closed)
        self.engine.scale_loads(np.array([[1.05, 1.0], [0.95, 1.0], [1.02, 0.97]]) * self.load)
        self.engine.set_injection("der_pv675", self.pv_w, 10e3)
        self.solution = self.engine.solve()
        self.volts = dict(zip(self.engine.nodes, self.solution.voltages_pu.tolist(), strict=True))
        values = {f"v.{node}": self.volts[node] + self.off.get(node, 0.0) for node in METERS}
        for number, phase in enumerate("abc"):
            values[f"p_{phase}"] = float(self.solution.head_p_w[number])
            values[f"q_{phase}"] = float(self.solution.head_q_var[number])
            values[f"tap_{phase}"] = self.taps[f"reg60{phase}"]
        values |= {"cap": 1.0, "switch": float(self.closed), "pv.q": 10e3}
        values |= {"pv1.p": 0.4 * self.pv_w, "pv2.p": 0.6 * self.pv_w}
        for point, value in values.items():
            quality = Quality.COMM_LOST if point in self.lost else Quality.ONLINE
            self.store.update(point, Measurement(value, quality, 1))


def app(config: AwarenessConfig = CONFIG) -> tuple[Awareness, DssEngine]:
    """The application and its model."""
    bare = DssEngine(MASTER, HEAD, changes=RATED)
    names, commands = probes(bare.nodes, bare.network.base_kv, PROBED)
    model = DssEngine(MASTER, HEAD, changes=(*RATED, *commands))
    return Awareness(config, model, bare.network, names), model


def look(plant: Plant, looks: int = 1, config: AwarenessConfig = CONFIG, state=None, at_ms=1000):
    """Measure and look so many times; the last decision."""
    awareness, _ = app(config)
    state = state or AwarenessState()
    for number in range(looks):
        plant.measure()
        decision = awareness.step(plant.store.freeze(), (), state, at_ms + 1000 * number)
        state = decision.state
    return decision
