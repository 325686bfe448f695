"""Case files of volt-VAR optimisation: what is refused and where; what the command prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.model.errors import ConfigError
from gateway.site.vvo_case import changes, load_case

CASES = Path(__file__).resolve().parents[3] / "hil" / "cases"
OURS = (CASES / "ieee13.toml").read_text(encoding="utf-8")


def issues_of(tmp_path, text: str):
    path = tmp_path / "case.toml"
    path.write_text(text.replace("../feeders", str(CASES.parent / "feeders")), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_case(path)
    return caught.value.issues


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ieee13_der.dss", "nowhere.dss", "is not a file"),
        ("voltage_min_pu = 0.95", "voltage_min_pu = 1.06", "the band is empty"),
        ("tap_min = -16", "tap_min = 17", "less than or equal to 16"),
        ("kva = 600.0", "kva = 400.0", "kva is less than kw"),
        ("kv = 4.16", "", "bus and kv go together"),
        ('"680.1.2.3"', '"680.1.2"', "between two phases"),
        ('"680.1.2.3"', '"680 enabled=no"', "bus"),
        ("kva = 600.0", "kvar = 600.0", "kvar"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path, old, new, says):
    assert OURS.count(old) == 1
    text = OURS.replace(old, new)
    found = issues_of(tmp_path, text)
    assert any(says in str(issue) for issue in found), found
    assert all(issue.line >= 1 and issue.column >= 1 for issue in found)


def test_all_faults_come_at_once(tmp_path):
    text = OURS.replace("ieee13_der", "nowhere").replace("kva = 600.0", "kva = 400.0")
    assert len(issues_of(tmp_path, text)) == 2


def test_a_der_of_the_feeders_own_needs_no_bus_and_must_be_there(tmp_path):
    text = OURS.replace('bus = "680.1.2.3"\nkv = 4.16\n', "").replace("../feeders", str(
        CASES.parent / "feeders"
    ))  # fmt: skip
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    assert not any("generator" in change for change in changes(load_case(path), "published"))
    result = CliRunner().invoke(app, ["vvo", str(path)])
    assert result.exit_code == 1
    assert f"{path}:11:1: the feeder has no generator 'der1'" in result.stderr


def test_the_command_prints_what_another_power_flow_needs():
    result = CliRunner().invoke(app, ["vvo", str(CASES / "ieee13.toml"), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["nodes_out"] == 0
    assert found["objective_kw"] < 88.94  # where the feeder's own controls leave it
    assert found["solve_ms"] > 0
    assert set(found["controls"]["taps"]) == {"reg60a", "reg60b", "reg60c"}
    assert set(found["controls"]["capacitors"]) == {"cap675", "cap611"}
    assert abs(found["controls"]["der_kvar"]["der1"]) <= 331.663


def test_the_table_shows_every_control():
    result = CliRunner().invoke(app, ["vvo", str(CASES / "ieee13.toml"), "--load", "zip"])
    assert result.exit_code == 0
    for name in ("reg60a", "reg60b", "reg60c", "cap675", "cap611", "der1"):
        assert name in result.stdout
