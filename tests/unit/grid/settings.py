"""Settings of a feeder as plain data, and what an engine finds of them.

Run as a program it solves on EPRI's engine, which wants a process of its own: the question is a
JSON file, named first; the answer is written to the file named second.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gateway.grid.powerflow import PowerFlow

FEEDERS = Path(__file__).resolve().parents[3] / "hil" / "feeders"


def draw(engine: PowerFlow, count: int, seed: int) -> list[dict[str, Any]]:
    """Random settings of everything that can be set, switches and faults among them."""
    chance = random.Random(seed)
    lines = sorted(name for name in engine.network.branches if name.startswith("line."))
    sources = sorted(engine.network.sources)
    regulators = sorted(name for name in engine.taps if name.startswith("reg"))
    found = []
    for number in range(count):
        node, phase = chance.choice(engine.nodes).split(".")
        found.append(
            {
                "taps": {name: chance.randint(-16, 16) for name in regulators},
                "capacitors": {name: chance.random() < 0.5 for name in sorted(engine.capacitors)},
                "injections": {
                    name: [chance.uniform(0.0, 3e5), chance.uniform(-1e5, 1e5)]
                    for name in sorted(engine.network.ders)
                },
                "switches": {
                    name: chance.random() < 0.6
                    for name in chance.sample(lines, chance.choice([0, 1, 1, 3]))
                },
                "sources": {name: chance.random() < 0.9 for name in sources[1:]},
                "loads": [[chance.uniform(0.3, 1.2) for _ in range(2)] for _ in range(3)],
                "fault": [node, int(phase), chance.choice([0.5, 5.0])] if number % 5 == 4 else None,
            }
        )
    return found


def apply(engine: PowerFlow, setting: dict[str, Any]) -> None:
    """Set a model to a setting."""
    for name, tap in setting["taps"].items():
        engine.set_tap(name, tap)
    for name, closed in setting["capacitors"].items():
        engine.set_capacitor(name, closed=closed)
    for name, (power_w, reactive_power_var) in setting["injections"].items():
        engine.set_injection(name, power_w, reactive_power_var)
    for name, closed in setting["switches"].items():
        engine.set_switch(name, closed=closed)
    for name, live in setting["sources"].items():
        engine.set_source(name, live=live)
    engine.scale_loads(np.array(setting["loads"]))
    if setting["fault"] is None:
        engine.clear_fault()
    else:
        bus, phase, resistance_ohm = setting["fault"]
        engine.set_fault(bus, (phase,), resistance_ohm)


def answers(engine: PowerFlow, settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Solve settings one after another; each begins where the one before ended."""
    found = []
    for setting in settings:
        apply(engine, setting)
        solution = engine.solve()
        found.append(
            {
                "converged": solution.converged,
                "voltages_pu": solution.voltages_pu.tolist(),
                "losses_w": solution.losses_w,
                "head_p_w": solution.head_p_w.tolist(),
                "head_q_var": solution.head_q_var.tolist(),
                "sources_w": dict(engine.source_powers_w()),
                "loadings": dict(engine.loadings()),
                "currents_a": {
                    name: list(engine.currents_a(name).values())
                    for name in list(engine.network.branches)[::7]
                },
            }
        )
    return found


def main() -> None:
    from gateway.grid.opendss_engine import OpenDssEngine

    asked = json.loads(Path(sys.argv[1]).read_text())
    before = Path.cwd()
    engine = OpenDssEngine(Path(asked["master"]))
    assert Path.cwd() == before, "the engine left the process elsewhere"
    Path(sys.argv[2]).write_text(json.dumps(answers(engine, asked["settings"])))


if __name__ == "__main__":
    main()
