"""Runs of the paths, which wait far more than they reckon: several go at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCENARIOS = ROOT / "hil" / "scenarios"
PATHS = (
    "der", "derms", "derms_loss", "mc", "mc_derms", "ss1", "ss2", "t1", "t2", "t3", "t4",
)  # fmt: skip
#: Paths broken on purpose, with a rule that has to fail.
BROKEN = {
    ("der", "inverted_der"): "group_p",
    ("derms_loss", "once"): "group_p",
    ("mc", "inverted"): "poi_p",
    ("t1", "slow"): "opens_s",
    ("t2", "upside_down"): "best_served",
    ("t3", "blind"): "refused",
}
_AT_ONCE = 5
_LONGEST_S = 240

#: Exit code and score.
Run = tuple[int, dict[str, Any]]


class PathRuns:
    """Every run once, a few at a time, in threads that wait for processes."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Future[Run]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, "path")
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="tieline-paths-")

    def start(self) -> None:
        """Begin, if that has not been done."""
        with self._lock:
            if not self._runs:
                wanted = [(name, "") for name in PATHS] + list(BROKEN)
                self._runs = {key: self._pool.submit(self._run, *key) for key in wanted}

    def results(self) -> Mapping[tuple[str, str], Run]:
        """Wait for all of them."""
        self.start()
        return {key: run.result() for key, run in self._runs.items()}

    def close(self) -> None:
        """What has not begun never will; what runs is waited for, which is bounded."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()

    def _run(self, name: str, sabotage: str) -> Run:
        arguments = [str(SCENARIOS / f"{name}.toml"), "--json"]
        arguments += ["--out", str(Path(self._folder.name) / f"{name}{sabotage}")]
        arguments += ["--sabotage", sabotage] if sabotage else []
        done = subprocess.run(
            [sys.executable, "-m", "hil.microgrid.bench", *arguments],
            capture_output=True,
            cwd=ROOT,
            timeout=_LONGEST_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode == 2:
            raise AssertionError(f"{name} {sabotage}: {done.stderr.decode()}")
        return done.returncode, json.loads(done.stdout)


UNDER_WAY = pytest.StashKey[PathRuns]()
