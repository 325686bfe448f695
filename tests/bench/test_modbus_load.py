"""What polling costs: against one pymodbus task a device, and at the size of a big site.

The server is C and epoll in a process of its own; each poller is a process of its own and
measures itself. Runs are interleaved, so that a busy machine is busy for both.
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


def load(kind: str, seconds: float, registers: int, devices: int, ports: list[str]) -> dict:
    """Run one poller process; its own figures."""
    done = subprocess.run(
        [
            sys.executable,
            HERE / "modbus_load.py",
            kind,
            str(seconds),
            str(registers),
            str(devices),
            *ports,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout)


def test_200_devices_cost_a_fifth_of_pymodbus(ports: list[str]) -> None:
    """200 devices x 100 registers at 1 Hz."""
    runs = [
        {kind: load(kind, 4, 100, 200, ports) for kind in ("tieline", "pymodbus")} for _ in range(3)
    ]
    for run in runs:
        assert run["tieline"]["missed"] == 0
        assert run["tieline"]["wrong"] == 0
        assert run["tieline"]["good"] == 200 * 100
        assert 790 <= run["tieline"]["cycles"] <= 810
        assert 790 <= run["pymodbus"]["cycles"] <= 810
    ours = median(run["tieline"]["core_pct"] for run in runs)
    theirs = median(run["pymodbus"]["core_pct"] for run in runs)
    print(
        f"\n200 devices x 100 registers at 1 Hz: tieline {ours:.2f} % of a core "
        f"({ours * 50:.0f} us a read), pymodbus {theirs:.2f} % ({theirs * 50:.0f} us), "
        f"ratio 1/{theirs / ours:.1f}"
    )
    assert ours <= theirs / 5


def test_1000_devices_keep_their_cycle(ports: list[str]) -> None:
    """1,000 devices x 125 registers at 1 Hz, decoded into the real store."""
    run = load("tieline", 12, 125, 1000, ports)
    print(
        f"\n1,000 devices x 125 registers at 1 Hz: {run['core_pct']:.2f} % of a core "
        f"({run['core_pct'] * 10:.0f} us a device), {run['resident_mb']:.0f} MB resident "
        f"(imports {run['imported_mb']:.0f}, 125,000 points {run['store_mb']:.0f}), "
        f"{run['missed']} missed of {run['cycles']}"
    )
    assert run["missed"] == 0
    assert run["wrong"] == 0
    assert run["good"] == 125_000
    assert run["cycles"] >= 11_900
    assert run["core_pct"] <= 5.0
    assert run["resident_mb"] <= 80.0
