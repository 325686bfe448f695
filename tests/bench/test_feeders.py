"""What a large utility's feeders cost: 300 of 123 nodes, each set and solved once a cycle.

Each run is a process of its own on one core, so that memory is its own and the other core is
free. The engines are compared on one feeder, run after run in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(180)]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FEEDERS = 300


def load(kind: str, feeders: int, cycles: int, folder: Path) -> dict:
    """Run one process; its own figures."""
    answer = folder / "answer.json"
    subprocess.run(
        [sys.executable, HERE / "feeder_load.py", kind, str(feeders), str(cycles), answer],
        check=True,
        capture_output=True,
        timeout=150,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    return json.loads(answer.read_text(encoding="ascii"))


def test_300_feeders_are_solved_in_a_cycle(tmp_path: Path) -> None:
    """Changed loads and injections on every feeder every cycle; and one tap beside them."""
    run = load("dss-python", FEEDERS, 5, tmp_path)
    kb = 1024 * run["feeders_mb"] / FEEDERS
    print(
        f"\n{FEEDERS} feeders of {run['nodes']} nodes, one core, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: built in {run['built_s']:.1f} s,"
        f" {kb:.0f} kB a feeder"
    )
    for what in ("loads", "loads_and_tap"):
        part = run[what]
        assert all(converged for converged, *_ in part["answers"])
        cycle_s, solve_s = median(part["cycle_s"]), median(part["solve_s"])
        print(
            f"  {what}: a cycle {cycle_s * 1e3:.0f} ms (CPU {median(part['cycle_cpu_s']) * 1e3:.0f}"
            f" ms, slowest {max(part['cycle_s']) * 1e3:.0f} ms), {solve_s * 1e3:.0f} ms of it "
            f"solving: {FEEDERS / solve_s:.0f} solves/s, {FEEDERS / cycle_s:.0f}/s with settings"
        )
        assert cycle_s < 10.0  # far from any figure: only what would be another engine
    assert kb < 20_000


def test_one_feeder_beside_epri(tmp_path: Path) -> None:
    """The same changes on the same feeder, by both engines in turn: alike, and how fast."""
    pytest.importorskip("py_dss_interface")
    kinds = ("dss-python", "opendss")
    runs = [{kind: load(kind, 1, 300, tmp_path) for kind in kinds} for _ in range(3)]
    print(f"\none feeder, median of 3 x 300, load {os.getloadavg()[0]:.1f}:")
    for what in ("loads", "loads_and_tap"):
        for run in runs:
            for ours, theirs in zip(*(run[kind][what]["answers"] for kind in kinds), strict=True):
                assert ours == pytest.approx(theirs, rel=1e-5, abs=20.0)
        for figure in ("cycle_s", "solve_s"):
            ours, theirs = (
                1e6 * median(median(run[kind][what][figure]) for run in runs) for kind in kinds
            )
            print(
                f"  {what}, {figure.removesuffix('_s')}: dss-python {ours:.0f} us, "
                f"EPRI {theirs:.0f} us, ratio 1/{theirs / ours:.1f}"
            )
            assert ours < 1.5 * theirs
