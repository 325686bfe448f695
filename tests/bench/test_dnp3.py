"""What DNP3 costs: against yadnp3 (opendnp3, C++) in the same role, and 1,000 changes a second.

Each station is a process of its own, pinned apart from the one it speaks to, and measures itself.
Runs are interleaved, so that a busy machine is busy for both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ, "PYTHONPATH": str(HERE.parent.parent), "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
STACKS = ("tieline", "yadnp3")
ANALOGS, RUNS, SECONDS, CHANGES_S = 10_000, 5, 2.0, 20
Figures = dict[str, float]


class Outstation:
    """A running outstation process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def cpu_s(self) -> float:
        """CPU it has used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def outstation(stack: str, points: int) -> Iterator[Outstation]:
    with subprocess.Popen(
        [sys.executable, HERE / "dnp3_parts.py", "outstation", stack, str(points)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        yield Outstation(process)
        assert process.stdin is not None
        process.stdin.close()


def master(what: str, stack: str, port: int, points: int) -> Figures:
    """Run a master process; its own figures."""
    done = subprocess.run(
        [sys.executable, HERE / "dnp3_parts.py", what, stack, str(port), str(points), str(SECONDS)],
        check=True, capture_output=True, text=True, timeout=SECONDS + 60, env=ENVIRONMENT,
    )  # fmt: skip
    return json.loads(done.stdout)


def report(title: str, unit: str, figures: dict[str, list[float]]) -> dict[str, float]:
    """Print medians and ours to each of the others'; the ratios."""
    print(f"\n{title}, {unit}, medians of {RUNS} interleaved runs")
    middle = {stack: median(runs) for stack, runs in figures.items()}
    ratios = {stack: middle["tieline"] / middle[stack] for stack in figures}
    for stack, runs in figures.items():
        every = " ".join(f"{value:8.3f}" for value in runs)
        print(f"  {stack:12} {middle[stack]:8.3f}   ({every})   ratio {ratios[stack]:.2f}")
    return ratios


def test_an_integrity_poll_of_10000_analogs_costs_our_master_at_most_three_times_as_much() -> None:
    stacks = (*STACKS, "yadnp3-bare")  # which hands its objects to Python, where nobody reads them
    figures: dict[str, list[float]] = {stack: [] for stack in stacks}
    with outstation("yadnp3", ANALOGS) as peer:
        for _ in range(RUNS):
            for stack in stacks:
                run = master("integrity", stack, peer.port, ANALOGS)
                assert run["right"]
                assert run["polls"] > 10
                figures[stack].append(run["cpu_us"])
    ratios = report("integrity poll of 10,000 analogs, master's CPU", "us an analog", figures)
    assert ratios["yadnp3"] <= 3.0
    assert ratios["yadnp3-bare"] <= 3.0


def test_the_same_poll_costs_our_outstation_at_most_three_times_as_much() -> None:
    figures: dict[str, list[float]] = {stack: [] for stack in STACKS}
    for _ in range(RUNS):
        for stack in STACKS:
            with outstation(stack, ANALOGS) as station:
                before_s = station.cpu_s()
                run = master("integrity", "yadnp3", station.port, ANALOGS)
                polls = run["polls"] + 1  # its start-up poll
                used_s = station.cpu_s() - before_s
            assert run["right"]
            figures[stack].append(used_s * 1e6 / polls / ANALOGS)
    title = "integrity poll of 10,000 analogs, outstation's CPU"
    assert report(title, "us an analog", figures)["yadnp3"] <= 3.0


def test_a_direct_operate_takes_our_master_at_most_twice_as_long() -> None:
    figures: dict[str, list[float]] = {stack: [] for stack in STACKS}
    with outstation("yadnp3", 10) as peer:
        for _ in range(RUNS):
            for stack in STACKS:
                run = master("operate", stack, peer.port, 10)
                assert run["count"] > 500
                figures[stack].append(run["p50_ms"])
    assert report("direct operate by a master, p50", "ms", figures)["yadnp3"] <= 2.0


def test_a_direct_operate_takes_our_outstation_at_most_twice_as_long() -> None:
    figures: dict[str, list[float]] = {stack: [] for stack in STACKS}
    with outstation("tieline", 10) as ours, outstation("yadnp3", 10) as theirs:
        for _ in range(RUNS):
            for stack, station in zip(STACKS, (ours, theirs), strict=True):
                run = master("operate", "yadnp3", station.port, 10)
                assert run["count"] > 500
                figures[stack].append(run["p50_ms"])
    assert report("direct operate at an outstation, p50", "ms", figures)["yadnp3"] <= 2.0


@contextmanager
def part(*arguments: object) -> Iterator[Callable[[str], Any]]:
    """A process of ``dnp3_changes.py``; a call says something to it and returns its answer."""
    with subprocess.Popen(
        [sys.executable, HERE / "dnp3_changes.py", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip

        def tell(what: str) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            if what:
                process.stdin.write(f"{what}\n")
                process.stdin.flush()
            return None if what.endswith("...") else json.loads(process.stdout.readline())

        yield tell
        assert process.stdin is not None
        process.stdin.close()


def test_1000_changes_a_second_reach_the_north_in_time_and_none_is_lost() -> None:
    """50 outstations, 20 changes/s each, through master, store and outstation to a master."""
    with (
        part("outstations", CHANGES_S) as peers,
        part("gateway", *peers("")) as gateway,
        part("master", gateway("")) as north,
    ):
        assert north("") == "ready"
        gateway("begin...")
        made = peers("go")
        ours = gateway("end")
        seen = north("settle")
    print(
        f"\n{made['made']} changes of 50 outstations in {made['took_s']:.1f} s: {seen['arrived']} "
        f"arrived in the north, source to arrival p50 {seen['p50_ms']:.0f} ms, p99 "
        f"{seen['p99_ms']:.0f} ms, max {seen['max_ms']:.0f} ms; gateway {ours['core_pct']:.0f} % "
        f"of a core, the 50 outstations {made['core_pct']:.0f} %"
    )
    assert made["made"] == 1000 * CHANGES_S
    assert seen["arrived"] == made["made"]
    assert seen["whole"]
    assert seen["points"] == 200
    assert ours["discarded"] == ours["losses"] == 0
    assert seen["p99_ms"] < 500
