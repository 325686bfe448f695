"""Customer minutes, sequence and page of an outage; the demo of one from outside."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hil.report.feeder import load_drawing
from hil.report.outage import OutageRun, outage_score, outage_verdict
from hil.report.outage_figures import dead_buses
from hil.report.outage_report import moments, write_outage_report
from hil.report.sequence import OutageRecord, sequence
from hil.scenario import load_scenario

ROOT = Path(__file__).parents[3]
FEEDER = load_scenario(ROOT / "hil/scenarios/ieee123_fault.toml").feeder
REPAIRED_S = 600.0


def record(time_s: float, out: int, **more: Any) -> dict[str, Any]:
    """One step of a truth log of 100 customers behind two switches and an open tie."""
    switches = {"sw1": True, "sw2": True, "sw7": False} | more.pop("moved", {})
    return {
        "time_s": time_s,
        "customers": 100,
        "customers_out": out,
        "served_kw": 2.0 * (100 - out),
        "switches": switches,
        "zones": ["149", "152"] if not out else [],
        "faults": [],
        "locked": [],
        "by_relay": [],
        "closed_onto_fault": 0,
        "paralleled": 0,
    } | more


TRIPPED = {"moved": {"sw1": False}, "by_relay": ["sw1"], "faults": ["f1"]}
LOCKED = TRIPPED | {"locked": ["sw1"]}
RESTORED = {"moved": {"sw2": False, "sw7": True}, "faults": ["f1"], "zones": ["149"]}
#: All out for 60 s, 40 out from 90 s to 630 s; steps of unequal length.
RECORDS = [
    record(0, 0),
    record(30, 100, **TRIPPED),
    record(31, 100, **LOCKED),
    record(90, 40, **RESTORED),
    record(630, 0),
    record(700, 0),
]
OURS = OutageRun.of(RECORDS)
THEIRS = OutageRun.of([*RECORDS[:3], record(630, 0), record(700, 0)])
SEEN = OutageRecord(
    title="a < b",
    notes=("a note",),
    time_scale=5.0,
    repaired_s=REPAIRED_S,
    by_hand=("sw7 closed 60 min after the lockout",),
    fault_bus="57",
    microgrid=((33.0, "mg: an island"),),
    messages=(
        {"time_s": 100.0, "function": "Connect", "group_id": "mg", "result": "OK"},
        {"time_s": 101.0, "function": "Status", "group_id": "mg", "result": "OK"},
    ),
    flisr={
        "phase": "restored",
        "steps": [
            {
                "time_s": 85.0,
                "action": "open",
                "target": "sw2",
                "state": "done",
                "text": "isolates the fault",
            }
        ],
    },
    status={"commands_sent": 3, "flisr": {}, "messages": [{}]},
)


def test_customer_minutes_are_customers_times_minutes() -> None:
    assert OURS.cmi == pytest.approx(100 * 60 / 60 + 40 * 540 / 60)
    assert THEIRS.cmi == pytest.approx(100 * 600 / 60)
    assert OURS.until(150).cmi == pytest.approx(100 * 60 / 60 + 40 * 60 / 60), "a step is cut"
    assert OURS.until(150).time_s[-1] == 150


def test_the_score_says_who_was_back_when() -> None:
    score = outage_score(OURS, THEIRS, REPAIRED_S, SEEN.status)
    assert (score["lockout_s"], score["last_restored_s"]) == (31, 90)
    assert score["lockout_to_last_restored_s"] == 59
    assert score["lockout_to_last_restored_without_s"] is None, "all came back after the repair"
    assert (score["customers_out_max"], score["customers_out_restored"]) == (100, 40)
    assert score["cmi_saved_pct"] == pytest.approx(100 * (1 - 460 / 1000))
    assert score["normal_from_s"] == 630
    assert score["flisr"] is True
    good, sentence = outage_verdict(score)
    assert good
    assert "59 s" in sentence


def test_nothing_restored_is_no_good_end() -> None:
    good, sentence = outage_verdict(outage_score(THEIRS, THEIRS, REPAIRED_S, {}))
    assert not good
    assert "Nobody was restored" in sentence


@pytest.mark.parametrize("key", ["closed_onto_fault", "paralleled"])
def test_what_must_never_happen_is_no_good_end(key: str) -> None:
    hurt = OutageRun.of([*RECORDS[:-1], RECORDS[-1] | {key: 1}])
    assert not outage_verdict(outage_score(hurt, THEIRS, REPAIRED_S, {}))[0]


def test_a_fault_without_lockout_has_nothing_to_restore() -> None:
    run = OutageRun.of([record(0, 0), record(30, 100, **TRIPPED), record(35, 0)])
    score = outage_score(run, run, 0.0, {})
    assert score["lockout_s"] is None
    assert outage_verdict(score)[0]


def test_a_log_of_no_outage_is_refused() -> None:
    with pytest.raises(ValueError, match="outage"):
        OutageRun.of([{"time_s": 0.0}])


def test_the_sequence_tells_who_did_what_and_when() -> None:
    told = [(event.at_s, event.who, event.what) for event in sequence(OURS, SEEN)]
    assert told == [
        (30, "plant", "fault f1"),
        (30, "relay", "sw1 opened"),
        (31, "relay", "sw1 locked out"),
        (33, "microgrid", "mg: an island"),
        (85, "FLISR", "open sw2: done (isolates the fault)"),
        (90, "command", "sw1 closed"),
        (90, "command", "sw2 opened"),
        (90, "command", "sw7 closed"),
        (100, "group", "Connect mg: OK"),
        (630, "plant", "fault f1 is gone"),
        (630, "command", "sw2 closed"),
        (630, "command", "sw7 opened"),
    ]


def test_the_pictures_are_of_the_moments_that_count() -> None:
    assert moments(OURS, REPAIRED_S) == {"Before": 0, "Locked out": 2, "Isolated": 2, "Restored": 3}
    assert list(moments(THEIRS, REPAIRED_S)) == ["Before", "Locked out", "At the end"]


def test_the_drawing_parts_the_feeder_where_its_switches_do() -> None:
    drawing = load_drawing(FEEDER)
    switches = {branch.name for branch in drawing.branches if branch.kind == "switch"}
    assert switches == {f"sw{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 250, 450)}
    assert {b for branch in drawing.branches for b in (branch.first, branch.second)} <= set(
        drawing.places
    )
    zones = frozenset({"149", "152", "135", "160", "197", "61s"})
    dead = dead_buses(drawing, zones - {"152"}, zones)
    assert {"152", "57", "60", "61", "66"} <= dead
    assert dead.isdisjoint({"13", "160", "61s", "94", "150", "alt450"})


def test_the_page_needs_nothing_from_outside_and_the_file_has_it_all(tmp_path: Path) -> None:
    score = write_outage_report(tmp_path, OURS, THEIRS, SEEN, load_drawing(FEEDER))
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "a &lt; b" in page
    for external in ("<script", 'src="', 'href="http', "@import", "<link"):
        assert external not in page
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["score"] == score
    assert told["customers_out"] == [[0, 0], [30, 100], [90, 40], [630, 0], [700, 0]]
    assert len(told["sequence"]) == len(sequence(OURS, SEEN))
    assert told["flisr"]["phase"] == "restored"


async def play(folder: Path, *options: str) -> dict[str, Any]:
    """The demo's one object; it has to end well and in silence."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "demo", "--out", str(folder), "--port-base", "0"),
        *("--json", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        process_group=0,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    out, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, errors.decode()
    assert errors == b""
    return json.loads(out)


@pytest.mark.demo
async def test_a_fault_that_passes_is_only_recorded(tmp_path: Path) -> None:
    score = await play(tmp_path, "--scenario", "momentary", "--time-scale", "20")
    assert score["simulated_s"] == 120
    assert score["lockout_s"] is None
    assert score["switch_operations"] == 2, "the recloser's own"
    assert (score["customers_out_max"], score["customers_out_at_end"]) == (1747, 0)
    assert score["cmi"] == score["cmi_without"] == pytest.approx(1747 * 5 / 60, abs=0.1)
    assert (score["closed_onto_fault"], score["paralleled"], score["comm_lost_points"]) == (0, 0, 0)


@dataclass(frozen=True)
class Played:
    """A demo that has run: its score and the folder of its report."""

    score: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Two outages side by side: they wait more than they reckon."""
    arguments = {
        "fault": ("--scenario", "fault", "--seconds", "30"),
        "mg_fault": ("--scenario", "mg_fault", "--time-scale", "10"),
    }
    folders = {name: tmp_path_factory.mktemp(name) for name in arguments}

    async def both() -> list[dict[str, Any]]:
        return await asyncio.gather(*(play(folders[n], *given) for n, given in arguments.items()))

    scores = asyncio.run(both())
    return {
        name: Played(score, folders[name]) for name, score in zip(arguments, scores, strict=True)
    }


@pytest.mark.demo
def test_a_lasting_fault_is_cut_out_and_the_rest_is_served(outages: dict[str, Played]) -> None:
    """All through real DNP3 and group functions, in separate processes."""
    score, tmp_path = outages["fault"].score, outages["fault"].folder
    assert score["customers_out_max"] == score["customers"] == 1747
    assert score["lockout_s"] == pytest.approx(48, abs=3)
    assert score["customers_out_at_end"] == 277, "who hangs on the faulted zone itself"
    assert score["lockout_to_last_restored_s"] < 90
    assert (score["closed_onto_fault"], score["paralleled"]) == (0, 0)
    assert (tmp_path / "report.html").read_text().count("<svg") == 2
    report = json.loads((tmp_path / "report.json").read_text())
    told = [(event["who"], event["what"]) for event in report["sequence"]]
    assert ("relay", "sw1 locked out") in told
    assert ("microgrid", "mg108: an island") in told
    moves = [what for who, what in told if who == "command"]
    isolated = {"sw2 opened", "sw4 opened"}
    assert isolated <= set(moves)
    closings = [what for what in moves if what.endswith("closed")]
    assert closings[0] == "sw1 closed"
    assert max(moves.index(what) for what in isolated) < moves.index("sw1 closed")
    assert report["flisr"]["phase"] == "restored"
    assert told[-1][1].startswith("restored in") or ("group", "Island mg108: OK") in told


@pytest.mark.demo
def test_a_fault_inside_the_microgrid_opens_its_poi_and_leaves_the_feeder_whole(
    outages: dict[str, Played],
) -> None:
    """The same, over the whole scenario: the microgrid is reconnected after the repair."""
    score, tmp_path = outages["mg_fault"].score, outages["mg_fault"].folder
    assert score["lockout_s"] == pytest.approx(48, abs=3)
    assert score["customers_out_max"] == 1747
    assert score["customers_out_restored"] == score["customers_out_at_end"] == 0
    assert score["lockout_to_last_restored_s"] < 90
    assert (score["closed_onto_fault"], score["paralleled"]) == (0, 0)
    report = json.loads((tmp_path / "report.json").read_text())
    told = [(event["who"], event["what"]) for event in report["sequence"]]
    # the recloser is the only switch that a command moves: no zone is cut out
    assert [what for who, what in told if who == "command"] == ["sw1 closed"]
    states = [what for who, what in told if who == "microgrid"]
    assert states[0] == states[-1] == "mg108: connected to the grid"
    assert "mg108: an island" in states
    assert told.index(("microgrid", "mg108: an island")) < told.index(("command", "sw1 closed"))
    gone = told.index(("plant", "fault inside is gone"))
    assert told.index(("microgrid", "mg108: synchronising")) > gone
    assert report["flisr"]["phase"] == "normal"
