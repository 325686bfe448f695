"""The score says what the truth says, the page needs nothing from outside."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lxml import etree

from hil.report.feeder import Branch, load_drawing
from hil.report.northbound import head_difference_pct, summary
from hil.report.record import Control, Exchange, Northbound, Recording, Samples
from hil.report.report import verdict, write_report
from hil.report.run import Run
from hil.report.score import demo_score, feeder_score, measure
from hil.scenario import DEFAULT_SCENARIO, load_scenario

NODES = ("650.1", "650.2", "650.3", "671.1", "671.2", "671.3")
POI, RATING_VA = "mg680", 400e3


def run(seconds: int = 100, **powers_w: np.ndarray) -> Run:
    """Everything at 1.0 pu, 3.6 kW lost, the microgrid doing nothing unless told."""
    time_s = np.arange(float(seconds + 1))
    zero = np.zeros_like(time_s)
    return Run(
        time_s=time_s,
        nodes=NODES,
        voltage_pu=np.ones((time_s.size, len(NODES))),
        taps={"a": zero.copy(), "b": zero.copy(), "c": zero.copy()},
        caps={"cap611": zero.copy()},
        power_w={POI: powers_w.get("p", zero), "pv": zero},
        reactive_power_var={POI: powers_w.get("q", zero), "pv": zero},
        loss_w=np.full_like(time_s, 3600.0),
        head_w=10.0 * time_s,
    )


def exchange(function: str, value: float | None, until_s: float | None = 60.0) -> Exchange:
    return Exchange("<b>ask</b>", function, "x", value, 10.0, 11.0, until_s, "OK", "held", 5.0)


def recording(*exchanges: Exchange) -> Recording:
    message = {"time_s": 1.0, "direction": "in", "peer": "operator", "group_id": POI}
    message |= {"function": "Status", "result": "PARTIAL", "summary": "<script>x</script>"}
    return Recording(
        title="a < b",
        notes=("a note",),
        poi=(POI, RATING_VA),
        cycle_s=10.0,
        time_scale=10.0,
        exchanges=exchanges,
        messages=(message,),
        samples=Samples([0.0, 50.0], {}, [0, 3]),
        status={"comm_lost_points": 1, "commands_sent": 7},
    )


def step(at_s: float, value: float) -> np.ndarray:
    return np.where(np.arange(101.0) >= at_s, value, 0.0)


@pytest.mark.parametrize(
    ("reached_w", "error_pct", "settled_s"),
    [(100e3, 0.0, 4.0), (92e3, 2.0, 4.0), (60e3, 10.0, None), (121e3, 5.25, None)],
)
def test_a_dispatch_is_judged_two_cycles_later_against_the_rating(
    reached_w: float, error_pct: float, settled_s: float | None
) -> None:
    truth = run(p=step(14.0, reached_w))
    (measured,) = measure(truth, recording(exchange("dispatch-p", 100e3)))
    assert measured.error_pct == pytest.approx(error_pct)
    assert measured.settled_s == settled_s
    assert measured.before == 0.0


def test_what_leaves_the_value_before_the_end_counts() -> None:
    power = step(14.0, 100e3) - step(50.0, 40e3)
    (measured,) = measure(run(q=power), recording(exchange("dispatch-q", 100e3)))
    assert measured.error_pct == pytest.approx(10.0)
    assert measured.settled_s is None


@pytest.mark.parametrize(
    ("limit_w", "power_w", "held"),
    [
        (60e3, 60e3, True),
        (60e3, 63e3, True),  # within 1 % of the rating
        (60e3, 66e3, False),
        (60e3, -300e3, True),  # an export limit does not bound import
        (-30e3, -30e3, True),
        (-30e3, -36e3, False),
        (-30e3, 200e3, True),
        (0.0, 1.0, True),
        (0.0, 6e3, False),
    ],
)
def test_a_limit_holds_one_direction(limit_w: float, power_w: float, held: bool) -> None:
    truth = run(p=step(13.0, power_w))
    (measured,) = measure(truth, recording(exchange("limit", limit_w)))
    assert measured.held is held


def test_a_limit_broken_once_is_broken() -> None:
    power = step(0.0, 50e3) + step(40.0, 50e3) - step(41.0, 50e3)
    (measured,) = measure(run(p=power), recording(exchange("limit", 60e3)))
    assert measured.held is False


def test_the_feeder_is_scored_on_every_node_and_second() -> None:
    truth = run()
    truth.voltage_pu[:, 0] = 1.0501
    truth.voltage_pu[20:, 0] = 1.05
    truth.voltage_pu[:5, 3] = 0.9499
    truth.taps["a"][10:] = -2
    truth.taps["b"][10:] = 1
    truth.caps["cap611"][30:] = 1
    score = feeder_score(truth)
    assert score["nodes_out_max"] == 2
    assert score["nodes_out_at_end"] == score["nodes_out_after_60s_max"] == 0
    assert score["node_seconds_out"] == 25.0
    assert score["first_time_all_inside_s"] == score["inside_for_good_from_s"] == 20.0
    assert (score["tap_operations"], score["capacitor_operations"]) == (3, 1)
    assert score["loss_kwh"] == pytest.approx(0.101)  # 101 steps of 3.6 kW for a second


def test_one_that_leaves_again_is_not_inside_for_good() -> None:
    truth = run()
    truth.voltage_pu[90:, 0] = 0.9
    score = demo_score(truth, run(), recording(), ())
    assert score["first_time_all_inside_s"] == 0.0
    assert score["inside_for_good_from_s"] is None
    good, sentence = verdict(score)
    assert not good
    assert "1 are still outside" in sentence


def test_a_request_that_failed_is_not_passed_over_as_met() -> None:
    failed = replace(exchange("dispatch-p", 100e3), result="FAILED")
    told = recording(exchange("dispatch-p", 100e3), failed)
    truth = run(p=step(11.0, 100e3))
    score = demo_score(truth, run(), told, measure(truth, told))
    assert score["group_p_error_pct"] is None
    assert score["limit_held"] is None


def test_the_drawing_has_every_bus_and_branch_of_the_feeder() -> None:
    """The IEEE 13-node feeder: 650 to 634 through regulator and transformer, 671-692 a switch."""
    drawing = load_drawing(load_scenario(DEFAULT_SCENARIO).feeder)
    assert len(drawing.branches) == 15
    assert Branch("650", "rg60", "regulator") in drawing.branches
    assert Branch("633", "634", "transformer") in drawing.branches
    assert Branch("671", "692", "switch") in drawing.branches
    assert {bus for b in drawing.branches for bus in (b.first, b.second)} == set(drawing.places)
    assert drawing.equipment["675"] == ("cap675", "pv675")
    assert drawing.equipment["680"] == ("mg680",)


def test_the_page_is_whole_by_itself(tmp_path: Path) -> None:
    drawing = load_drawing(load_scenario(DEFAULT_SCENARIO).feeder)
    told = recording(exchange("dispatch-p", 100e3), exchange("curve", None))
    without = run()
    without.voltage_pu[:, 3] = 1.2
    write_report(tmp_path, run(p=step(12.0, 100e3)), without, told, drawing)
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page, "what peers say is text"
    assert "&lt;b&gt;ask" in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert 'aria-label="' in picture
        etree.fromstring(picture)
    assert "1 nodes out" in page


def northbound(*head: tuple[float, float]) -> Northbound:
    return Northbound(
        points={1024: 70, 1025: 75},
        polls=4,
        events=900,
        lags_s=[0.1, 0.2, 1.5],
        head_time_s=[at_s for at_s, _ in head],
        head_w=[power_w for _, power_w in head],
        der={"p": 118.5e3},
        controls=[Control(95.0, "reg_b.tap_cmd", "tap <20", "OUT_OF_RANGE", 12.0)],
    )


def test_what_the_master_saw_is_compared_at_its_source_times() -> None:
    """The truth rises by 10 W a second to 1 kW; an event half way between steps is on the line."""
    assert head_difference_pct(northbound((20.0, 200.0), (30.5, 305.0)), run()) == 0.0
    assert head_difference_pct(northbound((20.0, 210.0)), run()) == pytest.approx(1.0)
    assert head_difference_pct(northbound((500.0, 0.0)), run()) is None, "after the run"
    assert summary(northbound())["newest_lag_s_median"] == 0.2
    assert summary(Northbound())["newest_lag_s_median"] is None


def test_the_report_tells_what_the_utility_saw(tmp_path: Path) -> None:
    drawing = load_drawing(load_scenario(DEFAULT_SCENARIO).feeder)
    told = replace(recording(), northbound=northbound((20.0, 210.0), (30.0, 300.0)))
    write_report(tmp_path, run(), run(), told, drawing)
    page = (tmp_path / "report.html").read_text()
    assert "70 points of 1024 and 75 points of 1025" in page
    assert "tap &lt;20" in page
    assert "OUT_OF_RANGE" in page
    part = json.loads((tmp_path / "report.json").read_text())["northbound"]
    assert (part["points"], part["events"], part["polls"]) == (145, 900, 4)
    assert part["controls"][0]["status"] == "OUT_OF_RANGE"
    write_report(tmp_path, run(), run(), recording(), drawing)
    assert "utility" not in (tmp_path / "report.html").read_text(), "no master, no section"


def ders() -> dict[str, Any]:
    """Two inverters: one follows, is answered late and superseded; one refuses."""
    follows = {
        "time_s": 30.0, "made_ms": 5000, "sets": ["opModFixedVar 40 %"],
        "answers": [[1, 5040], [2, 5100], [7, 9000]],
    }  # fmt: skip
    refuses = {
        "time_s": 20.0, "made_ms": 4000, "sets": ["opModVoltVar /derp/2/dc/1"],
        "answers": [[252, 4300]],
    }  # fmt: skip
    return {
        "pv1": {"controls": 1, "responses": {"1": 1, "2": 1, "7": 1}, "orders": [follows]},
        "pv2": {"controls": 1, "responses": {"252": 1}, "orders": [refuses]},
    }


def test_every_control_of_the_2030_5_inverters_stands_with_its_responses(tmp_path: Path) -> None:
    folder, drawing = tmp_path, load_drawing(load_scenario(DEFAULT_SCENARIO).feeder)
    write_report(folder, run(), run(), replace(recording(), csip=ders()), drawing)
    told = json.loads((folder / "report.json").read_text())["csip"]
    assert told["pv1"]["responses"] == {"received": 1, "started": 1, "superseded": 1}
    assert told["pv1"]["started_after_ms_median"] == 100.0
    assert told["pv2"] == {
        "controls": 1, "responses": {"not applicable": 1}, "started_after_ms_median": None
    }  # fmt: skip
    page = etree.HTML((folder / "report.html").read_text())
    (table,) = page.xpath("//table[.//th[text()='inverter']]")
    rows = [[cell.text or "" for cell in row] for row in table.iterfind(".//tbody/tr")]
    assert rows == [
        ["20", "pv2", "opModVoltVar /derp/2/dc/1", "", "", "not applicable"],
        ["30", "pv1", "opModFixedVar 40 %", "40", "100", "received, started, superseded"],
    ]
