"""Feeders solved cycle by cycle in one process, measured from inside.

Run as a child: ``python feeder_load.py dss-python|opendss FEEDERS CYCLES ANSWER``. Writes one JSON
object to the file ANSWER: an engine prints what it pleases.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.modbus_load import resident_mb

MASTER = Path(__file__).resolve().parents[2] / "hil" / "feeders" / "ieee123.dss"
#: DERs, kW by bus and phase, for the file has none: injections are what changes most.
DERS_KW = {"49": 200.0, "65": 150.0, "76": 200.0, "48": 150.0, "83": 150.0}
CHANGES = (
    *(
        f"new generator.der{bus} bus1={bus}.1.2.3 phases=3 kv=4.16 kw={kw} kvar=0 model=1"
        for bus, kw in DERS_KW.items()
    ),
    # a load that turns into an impedance outside its band jumps: two solutions, one an engine
    "batchedit load..* vminpu=0.8 vmaxpu=1.2",
    "batchedit generator..* vminpu=0.8 vmaxpu=1.2",
)
WARM_UP = 2


def put(engine: Any, feeder: int, cycle: int, *, tap: bool) -> None:
    """Give one feeder loads and injections it never had, and perhaps one tap more or less."""
    rng = np.random.default_rng((feeder, cycle))
    engine.scale_loads(rng.uniform(0.6, 1.0, (3, 2)))
    for bus, kw in DERS_KW.items():
        share = rng.uniform(0.0, 1.0)
        engine.set_injection(f"der{bus}", 1e3 * kw * share, 200.0 * kw * share)
    if tap:
        engine.set_tap("reg160a", 9 + cycle % 2)


def run(engines: list[Any], cycles: int, *, tap: bool) -> dict[str, Any]:
    """Each cycle sets and solves one feeder after the other.

    Returns:
        Seconds a cycle, wall and CPU, and of its solving; answers of the first and last feeder.
    """
    cycle_s, cycle_cpu_s, solve_s, answers = [], [], [], []
    for cycle in range(WARM_UP + cycles):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        solving_s = 0.0
        for feeder, engine in enumerate(engines):
            put(engine, feeder, cycle, tap=tap)
            before_s = time.perf_counter()
            solution = engine.solve()
            solving_s += time.perf_counter() - before_s
            if feeder in (0, len(engines) - 1):
                answers.append((bool(solution.converged), solution.power_w, solution.losses_w))
        cycle_s.append(time.perf_counter() - began_s)
        cycle_cpu_s.append(time.process_time() - began_cpu_s)
        solve_s.append(solving_s)
    return {
        "cycle_s": cycle_s[WARM_UP:],
        "cycle_cpu_s": cycle_cpu_s[WARM_UP:],
        "solve_s": solve_s[WARM_UP:],
        "answers": answers,
    }


def main() -> None:
    kind, feeders, cycles, answer = sys.argv[1:]
    if kind == "opendss":
        from gateway.grid.opendss_engine import OpenDssEngine as Engine  # one a process
    else:
        from gateway.grid.dss_engine import DssEngine as Engine
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    imported_mb, began_s = resident_mb(), time.perf_counter()
    engines = [Engine(MASTER, changes=CHANGES) for _ in range(int(feeders))]
    built_s = time.perf_counter() - began_s
    result = {
        "built_s": built_s,
        "loads": run(engines, int(cycles), tap=False),
        "loads_and_tap": run(engines, int(cycles), tap=True),
        "feeders_mb": resident_mb() - imported_mb,
        "nodes": len(engines[0].nodes),
    }
    Path(answer).write_text(json.dumps(result), encoding="ascii")


if __name__ == "__main__":
    main()
