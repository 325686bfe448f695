"""The scenario: out of the band without control, and controllable at every moment."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.plant.runner import run_uncontrolled
from hil.plant.truth import TruthLog
from hil.plant.world import Injection, Plant
from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario

LOW, HIGH = 0.95, 1.05
MOMENTS_S = (0, 60, 180, 240, 330, 400, 480, 600)


def _inside(voltages: dict[str, float]) -> float:
    """Smallest distance of any node to the band's edge; negative outside."""
    return min(min(HIGH - v, v - LOW) for v in voltages.values())


@dataclass(frozen=True)
class Setting:
    margin_pu: float
    taps: tuple[int, ...]
    caps: tuple[bool, bool]
    q_share: float
    spread_pu: float


def _with_q(plant: Plant, share: float) -> dict[str, Injection]:
    return {
        name: Injection(
            injection.power_w,
            injection.reactive_power_var + share * plant.scenario.ders[name].q_max_var * 0.9,
        )
        for name, injection in plant.uncontrolled(plant.time_s).items()
    }


def _apply(plant: Plant, taps: tuple[int, ...], caps: tuple[bool, bool]) -> None:
    for changer, tap in zip(plant.taps.values(), taps, strict=True):
        changer.position = changer.target = tap
    for switch, closed in zip(plant.caps.values(), caps, strict=True):
        switch.closed = switch.target = closed


def _best_setting(plant: Plant) -> Setting:
    """Search caps and a common share of Q; taps centre each phase's spread in the band."""
    best: Setting | None = None
    for c675, c611, share in itertools.product((True, False), (True, False), (-0.5, 0, 0.5, 1)):
        caps = (c675, c611)
        injections = _with_q(plant, share)
        _apply(plant, (0, 0, 0), caps)
        flat = dict(plant.step(injections, 0.0).voltage_pu)
        taps = []
        for phase in "123":
            own = [v for n, v in flat.items() if n.endswith(phase) and not n.startswith("650")]
            taps.append(round((1.0 - (min(own) + max(own)) / 2) / 0.00625))
        _apply(plant, tuple(taps), caps)
        volts = dict(plant.step(injections, 0.0).voltage_pu)
        spread = max(
            max(own) - min(own)
            for own in ([v for n, v in volts.items() if n.endswith(p)] for p in "123")
        )
        found = Setting(_inside(volts), tuple(taps), caps, share, spread)
        if best is None or found.margin_pu > best.margin_pu:
            best = found
    assert best is not None
    return best


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_all_nodes_can_be_brought_inside_with_margin(plant: Plant, moment_s: float) -> None:
    plant.time_s = moment_s
    best = _best_setting(plant)
    assert best.margin_pu > 0.01
    assert best.spread_pu < 0.09
    assert all(-16 <= t <= 16 for t in best.taps)


def test_without_control_nodes_leave_the_band_in_both_directions(
    plant: Plant, tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path)
    run_uncontrolled(plant, log, plant.scenario.duration_s)
    log.close()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["time_s"] for r in records] == list(range(601))
    over = [sum(v > HIGH for v in r["v_pu"].values()) for r in records]
    under = [sum(v < LOW for v in r["v_pu"].values()) for r in records]
    assert min(over) >= 3, "phase B is over the band throughout"
    assert under[0] == 0
    assert max(under) >= 5, "phase C falls below the band under the cloud"
    first = records[0]
    assert first["taps"] == {"a": 7, "b": 9, "c": 4} == records[-1]["taps"]
    assert first["caps"] == {"cap675": True, "cap611": False} == records[-1]["caps"]
    assert len(first["v_pu"]) == 38
    assert set(first["der"]) == {"pv675", "pv634", "pv646", "pv652", "bat671", "mg680"}
    assert first["poi"] == first["der"]["mg680"]


def test_the_run_is_the_same_every_time(plant: Plant, scenario: Scenario) -> None:
    first = plant.step(plant.uncontrolled(0.0), 0.0)
    again = Plant(scenario, plant.feeder).step(plant.uncontrolled(0.0), 0.0)
    assert dict(again.voltage_pu) == pytest.approx(dict(first.voltage_pu), abs=1e-9)


def test_a_later_start_sees_the_same_weather(plant: Plant, scenario: Scenario) -> None:
    for _ in range(100):
        walked = plant.step(plant.uncontrolled(plant.time_s + 1), 1.0)
    jumped = Plant(scenario, plant.feeder, 100.0)
    there = jumped.step(jumped.uncontrolled(100.0), 0.0)
    assert dict(there.voltage_pu) == pytest.approx(dict(walked.voltage_pu), abs=1e-6)


def test_the_mismatch_is_as_stated(plant: Plant, scenario: Scenario) -> None:
    for line, nominal in plant.feeder.lines.items():
        length = float(plant.feeder.command(f"? Line.{line}.length"))
        assert length == pytest.approx(nominal, rel=scenario.mismatch.line_length_pct / 100 + 1e-6)
    shares = [scenario.load_factor(n, 0.0) / scenario.load.at(0.0) for n in plant.feeder.loads]
    bound = 1.1 * (1 + scenario.mismatch.load_wobble_pct / 100)
    assert all(2 - bound <= s <= bound for s in shares)
    assert max(shares) > 1.05
    assert min(shares) < 0.95


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 61968", 'seed = "x"', "seed"),
        ("factor = [0.45", "factor = [0.45, 0.1", "same length"),
        ("[noise]", "[noise]\nbogus = 1", "bogus"),
        ("tap = 7", "tap = 17", "tap"),
        ("step_s = 1.0", "step_s = ", "ieee"),
    ],
)
def test_a_wrong_scenario_names_the_file_and_the_fault(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "ieee_wrong.toml"
    path.write_text(DEFAULT_SCENARIO.read_text(encoding="utf-8").replace(old, new, 1))
    with pytest.raises(ValueError, match=said) as caught:
        load_scenario(path)
    assert "ieee_wrong.toml" in str(caught.value)


def test_a_crew_can_only_switch_what_there_is(tmp_path) -> None:
    text = (DEFAULT_SCENARIO.parent / "ieee123_fault.toml").read_text()
    path = tmp_path / "scenario.toml"
    path.write_text(text.replace('switch = "sw450"', 'switch = "sw99"'))
    with pytest.raises(ValueError, match="sw99"):
        load_scenario(path)


def test_time_lapses_in_long_steps_and_meets_its_end() -> None:
    waiting = load_scenario(DEFAULT_SCENARIO.parent / "ieee123_fault.toml")
    assert [waiting.step_after(t) for t in (0, 329, 330, 7410, 7460, 7470)] == [1, 1, 60, 60, 10, 1]
    assert load_scenario(DEFAULT_SCENARIO).step_after(330) == 1


def test_a_lapse_goes_forwards(tmp_path) -> None:
    text = (DEFAULT_SCENARIO.parent / "ieee123_fault.toml").read_text()
    path = tmp_path / "scenario.toml"
    path.write_text(text.replace("to_s = 7470.0", "to_s = 300.0"))
    with pytest.raises(ValueError, match="above from_s"):
        load_scenario(path)
