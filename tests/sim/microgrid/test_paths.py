"""Every path from DMS to DER in processes of its own, with certificates: scored, and broken.

The runs wait far more than they reckon, so several go at once; each is then looked at by a test.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCENARIOS = ROOT / "hil" / "scenarios"
PATHS = ("der", "derms", "mc", "mc_derms", "ss1", "ss2", "t1", "t2", "t3", "t4")
#: Paths broken on purpose, with a rule that has to fail.
BROKEN = {
    ("der", "inverted_der"): "group_p",
    ("mc", "inverted"): "poi_p",
    ("t1", "slow"): "opens_s",
    ("t2", "upside_down"): "best_served",
    ("t3", "blind"): "refused",
}
_AT_ONCE = 4

pytestmark = pytest.mark.timeout(900)

Run = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Run]:
    """Exit code and score of every run."""
    folder = tmp_path_factory.mktemp("paths")
    wanted = [(name, "") for name in PATHS] + list(BROKEN)
    wanted.sort(key=lambda key: key[0] not in ("t4", "t3", "ss1", "ss2"))  # the longest first
    return asyncio.run(_all(wanted, folder))


async def _all(wanted: list[tuple[str, str]], folder: Path) -> dict[tuple[str, str], Run]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, sabotage: str) -> Run:
        arguments = [str(SCENARIOS / f"{name}.toml"), "--json"]
        arguments += ["--out", str(folder / f"{name}{sabotage}")]
        arguments += ["--sabotage", sabotage] if sabotage else []
        async with free:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hil.microgrid.bench", *arguments,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
            )  # fmt: skip
            said, fault = await process.communicate()
        if process.returncode == 2:
            raise AssertionError(f"{name} {sabotage}: {fault.decode()}")
        return process.returncode or 0, json.loads(said)

    return dict(zip(wanted, await asyncio.gather(*(one(*key) for key in wanted)), strict=True))


@pytest.mark.parametrize("name", PATHS)
def test_every_rule_of_a_path_is_kept(runs: dict[tuple[str, str], Run], name: str) -> None:
    code, score = runs[name, ""]
    kept = {f"{rule['text']}: {rule['value']}": rule["passed"] for rule in score["rules"]}
    assert all(kept.values()), kept
    assert score["passed"] is True
    assert code == 0


@pytest.mark.parametrize(("name", "sabotage"), list(BROKEN))
def test_a_controller_broken_on_purpose_fails(
    runs: dict[tuple[str, str], Run], name: str, sabotage: str
) -> None:
    code, score = runs[name, sabotage]
    failed = {rule["rule"] for rule in score["rules"] if not rule["passed"]}
    assert BROKEN[name, sabotage] in failed
    assert score["passed"] is False
    assert code == 1


def test_what_is_asked_travels_by_group_functions(runs: dict[tuple[str, str], Run]) -> None:
    """Every question of every path found an answer; those of an island are refused as such."""
    for name in PATHS:
        for asked in runs[name, ""][1]["asked"]:
            assert asked["result"] in ("OK", "PARTIAL") or "islanded" in asked["text"], asked
