"""``tieline demo`` from outside: one object, sensible physics, nothing left behind."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REQUIRED = {
    "nodes_out_uncontrolled_max",
    "nodes_out_at_end",
    "group_p_error_pct",
    "group_q_error_pct",
    "limit_held",
    "comm_lost_points",
    "group_messages",
    "commands_sent",
}


async def start(folder: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "demo", "--out", str(folder), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        process_group=0,
        env=os.environ | {"TMPDIR": str(folder)},  # one that is killed leaves its own there
    )


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [p for child in map(int, children) for p in (child, *descendants(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.05)


async def until_truth(folder: Path, process: asyncio.subprocess.Process) -> None:
    """Until the clock runs."""
    truth = folder / "run" / "truth.jsonl"
    async with asyncio.timeout(60):
        while not (truth.exists() and truth.stat().st_size):
            assert process.returncode is None
            await asyncio.sleep(0.1)


def the_utility_saw_the_feeder(seen: dict) -> None:
    """Over DNP3: all points of the map and of the DER, events in time, controls judged."""
    with (ROOT / "hil/sites/ieee13/maps/dnp3.csv").open(newline="") as file:
        mapped = sum(row["object"] != "OS" for row in csv.DictReader(file))  # dnp3py reads none
    assert seen["points_by_outstation"]["1024"] == mapped
    assert seen["points_by_outstation"]["1025"] > 50
    assert seen["polls"] >= 10
    assert seen["events"] > 100
    assert seen["newest_lag_s_median"] < 1.0
    assert (seen["lost_points"], seen["fault"]) == (0, "")
    assert seen["head_difference_pct"] < 1.0, "noise is 0.2 %, time a step's"
    assert abs(seen["der"]["hz"] - 60) < 0.1
    assert seen["der"]["p_max_rtg"] == 330e3
    # beyond the last tap is refused; the tap it is on is the utility's to command over the DMS
    assert [c["status"] for c in seen["controls"]] == ["OUT_OF_RANGE", "SUCCESS"]


@pytest.mark.demo
async def test_a_short_demo_prints_one_object_with_sensible_physics(tmp_path: Path) -> None:
    process = await start(tmp_path, "--seconds", "15", "--no-tui", "--json", "--port-base", "0")
    out, errors = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, errors.decode()
    assert errors == b""
    score = json.loads(out)
    assert score.keys() >= REQUIRED
    assert score["nodes_out_uncontrolled_max"] > 0
    assert score["nodes_out_at_end"] == 0
    assert score["inside_for_good_from_s"] <= 60
    assert score["group_p_error_pct"] <= 5
    assert score["group_q_error_pct"] <= 5
    assert score["limit_held"] is True
    assert score["comm_lost_points"] == 0
    assert score["commands_sent"] > 0
    # status, capability, forecast, P, Q and limit of the operator's, statuses of the DMS's
    assert score["group_messages"] > 6
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 6
    assert "<script" not in page
    for external in ('src="', 'href="http', "@import", "<link"):
        assert external not in page
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["score"] == score
    the_utility_saw_the_feeder(report["northbound"])


@pytest.mark.demo
async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Neither by Ctrl-C nor by a kill; both at once, for a start takes its time."""
    folders = {number: tmp_path / number.name for number in (signal.SIGINT, signal.SIGKILL)}
    for folder in folders.values():
        folder.mkdir()
    await asyncio.gather(*(_ended(folder, number) for number, folder in folders.items()))


async def _ended(folder: Path, signal_number: signal.Signals) -> None:
    process = await start(folder, "--no-tui", "--port-base", "0")
    await until_truth(folder, process)
    children = descendants(process.pid)
    assert len(children) >= 10, "plant, eight devices, gateway"
    os.kill(process.pid, signal_number)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert b"Traceback" not in errors
    if signal_number is signal.SIGINT:
        assert process.returncode == 130
    await until_gone(children)


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start(tmp_path, "--no-tui", "--port-base", str(port - 1))
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert f"{port} (feeder_plc)".encode() in errors
    assert b"Traceback" not in errors
