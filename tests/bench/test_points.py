"""What a point costs: from registers to the store, and loading a site of many."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.profiles.decode_plan import DecodePlan
from gateway.profiles.registers import RegisterField, RegisterType
from gateway.site.clock import SystemClock
from gateway.site.load import load_site

pytestmark = pytest.mark.bench

POINTS, ROUNDS, REPEATS = 1000, 500, 9


def test_a_point_costs_30_ns_with_scale_quality_and_deadband():
    """1,000 points a slot, from raw registers into the store."""
    fields = [RegisterField(n, RegisterType.INT16, scale=0.1, sunspec=True) for n in range(POINTS)]
    plan = DecodePlan(fields)
    specs = [
        PointSpec(f"d.p{n}", PointKind.AI, minimum=-4000, maximum=4000, deadband=1.0)
        for n in range(10 * POINTS)
    ]
    store = PointStore(specs, SystemClock())
    heard: list[int] = []
    store.subscribe(lambda changed: heard.append(len(changed)))
    positions = np.arange(3 * POINTS, 4 * POINTS)
    rng = np.random.default_rng(1)
    base = rng.integers(0, 30_000, POINTS)
    slots = [(base + rng.integers(-8, 8, POINTS)).astype(np.uint16) for _ in range(20)]
    took = []
    for _ in range(REPEATS):
        began_s = time.process_time()
        for number in range(ROUNDS):
            values, flags = plan.decode(slots[number % 20])
            store.update_block(positions, values, flags, 1)
        took.append((time.process_time() - began_s) / ROUNDS / POINTS * 1e9)
    print(f"\npoint processing, 1,000 a slot: {median(took):.1f} ns a point (best {min(took):.1f})")
    assert heard[0] == POINTS
    assert store["d.p3000"].is_good
    # the best of the rounds: whatever else the machine does can only add to it
    assert min(took) <= 30


def test_ten_thousand_points_load_in_a_second(tmp_path: Path):
    """A site folder of 10,000 points."""
    (tmp_path / "site.toml").write_text('name = "big"\n[links.lan]\ntype = "modbus-tcp"\n')
    rows = "".join(f"f{n},feeder_plc,lan,10.0.{n // 250}.{n % 250}:502,1\n" for n in range(218))
    (tmp_path / "devices.csv").write_text("device,profile,link,address,unit\n" + rows)
    names = [f"f{n}.reg_a_tap_cmd,true\n" for n in range(218)]
    (tmp_path / "points.csv").write_text("point,act\n" + "".join(names))
    took = []
    for _ in range(5):
        began_s = time.perf_counter()
        site = load_site(tmp_path)
        took.append(time.perf_counter() - began_s)
    print(f"\n{len(site.points)} points load in {median(took) * 1000:.0f} ms")
    assert len(site.points) > 10_000
    assert median(took) < 1.0
