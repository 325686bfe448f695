"""The same on 123 nodes: seven tap changers, four capacitors, ten DERs, fifteen meters."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from dss import DSS

from gateway.apps.vvo.config import Capacitor, Der, Regulator, VvoConfig
from gateway.apps.vvo.step import Vvo, VvoState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.observe import Bindings, Injection
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.site.vvo_case import changes, load_case
from tests.unit.grid.settings import FEEDERS

CASE = load_case(FEEDERS.parent / "cases" / "ieee123.toml")
REGULATORS = ("reg150", "reg9a", "reg25a", "reg25c", "reg160a", "reg160b", "reg160c")
CAPACITORS = ("cap83", "cap88", "cap90", "cap92")
METERS = ("150r.1", "150r.2", "150r.3", "25r.1", "25r.3", "160r.1", "160r.2", "160r.3", "83.1",
          "83.2", "83.3", "66.3", "114.1", "104.3", "96.2")  # fmt: skip
DERS = {der.name: (1e3 * der.kw, 1e3 * der.kva) for der in CASE.file.der}
CYCLE_MS, CYCLES = 60_000, 6
#: Share of nominal load, and of the DERs' power, in turn; it jumps, as no feeder does.
DAY = ((0.45, 0.0), (0.7, 0.4), (0.5, 1.0), (0.95, 0.1), (0.6, 0.0))


def config() -> VvoConfig:
    return VvoConfig(
        regulators=tuple(Regulator(r, f"{r}.tap", f"{r}.cmd", act=True) for r in REGULATORS),
        capacitors=tuple(Capacitor(c, f"{c}.st", f"{c}.cmd", act=True) for c in CAPACITORS),
        ders=tuple(
            Der(d, f"{d}.p", f"{d}.q", f"{d}.set", f"{d}.ena", (), f"{d}.s", f"{d}.qm", act=True)
            for d in DERS
        ),
        bindings=Bindings(
            taps=tuple((r, f"{r}.tap") for r in REGULATORS),
            capacitors=tuple((c, f"{c}.st") for c in CAPACITORS),
            injections=tuple(Injection(d, (f"{d}.p",), (f"{d}.q",)) for d in DERS),
            voltages=tuple((node, f"v{node}") for node in METERS),
            head_p=("p1", "p2", "p3"),
            head_q=("q1", "q2", "q3"),
        ),
        mode="act",
        objective="power",
    )


def wrong(seed: int, line: float, load: float, phase: bool) -> tuple[str, ...]:
    """Edits that make a plant of the model: every length and load off by its own factor."""
    rng, dss, edits = random.Random(seed), DSS.NewContext(), []
    dss.Text.Command = f'compile "{CASE.master}"'
    circuit = dss.ActiveCircuit
    for name in circuit.Lines.AllNames:
        circuit.Lines.Name = name
        edits.append(
            f"edit line.{name} length={circuit.Lines.Length * (1 + rng.choice((-line, line)))}"
        )
    for name in circuit.Loads.AllNames:
        circuit.Loads.Name = name
        factor = 1.0 + rng.choice((-load, load))
        kw, kvar = circuit.Loads.kW * factor, circuit.Loads.kvar * factor
        edits.append(f"edit load.{name} kw={kw} kvar={kvar}")
    if phase:
        edits.append("edit load.ld30c bus1=30.1")
    return tuple(edits)


@dataclass
class Plant:
    """The feeder that is not the model."""

    store: PointStore
    engine: DssEngine
    taps: dict[str, int]
    closed: dict[str, bool]
    load: float = 0.5
    pv: float = 0.0
    var: dict[str, float] = field(default_factory=lambda: dict.fromkeys(DERS, 0.0))

    def nodes_out(self) -> int:
        engine = self.engine
        for name, tap in self.taps.items():
            engine.set_tap(name, tap)
        for name, closed in self.closed.items():
            engine.set_capacitor(name, closed=closed)
        for name, (power_w, _) in DERS.items():
            engine.set_injection(name, self.pv * power_w, self.var[name])
        engine.scale_loads(np.full((3, 2), self.load))
        self.solution = engine.solve()
        volts = self.solution.voltages_pu
        self.volts = dict(zip(engine.nodes, volts.tolist(), strict=True))
        return int(((volts < 0.95) | (volts > 1.05)).sum())

    def measure(self) -> None:
        self.nodes_out()
        values = {f"v{node}": self.volts[node] for node in METERS}
        for number in range(3):
            values[f"p{number + 1}"] = float(self.solution.head_p_w[number])
            values[f"q{number + 1}"] = float(self.solution.head_q_var[number])
        for name, tap in self.taps.items():
            values |= {f"{name}.tap": tap, f"{name}.cmd": tap}
        for name, closed in self.closed.items():
            values |= {f"{name}.st": closed, f"{name}.cmd": closed}
        for name, (power_w, rating_va) in DERS.items():
            values |= {f"{name}.p": self.pv * power_w, f"{name}.q": self.var[name]}
            values |= {f"{name}.set": self.var[name], f"{name}.ena": 1.0}
            values |= {f"{name}.s": rating_va, f"{name}.qm": 0.6 * rating_va}
        for point, value in values.items():
            self.store.update(point, Measurement(float(value), Quality.ONLINE, 1))

    def carry_out(self, decision) -> None:
        for command in decision.commands:
            name, _, what = command.point.rpartition(".")
            if name in self.taps:
                self.taps[name] = round(command.value)
            elif name in self.closed:
                self.closed[name] = command.value >= 0.5
            elif what == "set":
                self.var[name] = command.value


def day(clock, edits: tuple[str, ...]) -> list[list[int]]:
    """Nodes out of band at each jump, then after each cycle."""
    bare = config()
    bound = bare.bindings
    points = {p for _, p in (*bound.taps, *bound.capacitors, *bound.voltages)}
    points |= {*bound.head_p, *bound.head_q, *(f"{r}.cmd" for r in (*REGULATORS, *CAPACITORS))}
    points |= {f"{d}.{what}" for d in DERS for what in ("p", "q", "set", "ena", "s", "qm")}
    store = PointStore([PointSpec(p, PointKind.AO, max_age_s=1e9) for p in sorted(points)], clock)
    file = changes(CASE, "published")
    model = DssEngine(CASE.master, changes=file)
    plant = Plant(
        store,
        DssEngine(CASE.master, changes=(*edits, *file)),
        {name: model.taps[name] for name in REGULATORS},
        dict(model.capacitors),
    )
    vvo, state, found = Vvo(bare, model), VvoState(), []
    for number, (plant.load, plant.pv) in enumerate(DAY):
        out = [plant.nodes_out()]
        for cycle in range(CYCLES):
            plant.measure()
            now_ms = (number * CYCLES + cycle) * CYCLE_MS
            decision = vvo.step(store.freeze(), (), state, now_ms)
            state = decision.state
            plant.carry_out(decision)
            out.append(plant.nodes_out())
        found.append(out)
    return found


ERRORS = {
    "none": (0, 0.0, 0.0, False),
    "a load on the wrong phase": (4, 0.0, 0.0, True),
    "all of it": (5, 0.02, 0.10, True),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ERRORS)
def test_whatever_the_model_of_123_nodes_gets_wrong_violations_are_mended_within_three_cycles(
    clock, name
):
    found = day(clock, wrong(*ERRORS[name]))
    print(f"{name}: nodes out at each jump and after each cycle {found}")
    assert sum(out[0] for out in found) > 0
    for out in found:
        assert out[3:] == [0] * (CYCLES - 2)
