"""Every path from DMS to DER in processes of its own, with certificates: scored, and broken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.sim.microgrid.under_way import BROKEN, PATHS, UNDER_WAY, Run

pytestmark = pytest.mark.timeout(900)

Runs = Mapping[tuple[str, str], Run]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Runs:
    """Exit code and score of every run; several are under way at once."""
    return request.config.stash[UNDER_WAY].results()


@pytest.mark.parametrize("name", PATHS)
def test_every_rule_of_a_path_is_kept(runs: Runs, name: str) -> None:
    code, score = runs[name, ""]
    kept = {f"{rule['text']}: {rule['value']}": rule["passed"] for rule in score["rules"]}
    assert all(kept.values()), kept
    assert score["passed"] is True
    assert code == 0


@pytest.mark.parametrize(("name", "sabotage"), list(BROKEN))
def test_a_controller_broken_on_purpose_fails(runs: Runs, name: str, sabotage: str) -> None:
    code, score = runs[name, sabotage]
    failed = {rule["rule"] for rule in score["rules"] if not rule["passed"]}
    assert BROKEN[name, sabotage] in failed
    assert score["passed"] is False
    assert code == 1


def test_what_is_asked_travels_by_group_functions(runs: Runs) -> None:
    """Every question of every path found an answer; those of an island are refused as such."""
    for name in PATHS:
        for asked in runs[name, ""][1]["asked"]:
            assert asked["result"] in ("OK", "PARTIAL") or "islanded" in asked["text"], asked
