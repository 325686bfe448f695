"""Fixtures that many tests share."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

import pytest

from tests.sim.microgrid.under_way import UNDER_WAY, PathRuns

_SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def pytest_configure(config: pytest.Config) -> None:
    """Room for the runs of paths; nothing is started yet."""
    config.stash[UNDER_WAY] = PathRuns()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing outlives the session."""
    config.stash[UNDER_WAY].close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``needs("program")``: a peer of the system's. CI installs them all, so there it must run."""
    for mark in item.iter_markers("needs"):
        missing = [name for name in mark.args if shutil.which(name, path=_SEARCH) is None]
        if missing and "CI" in os.environ:
            pytest.fail(f"{', '.join(missing)} is not installed", pytrace=False)
        if missing:
            pytest.skip(f"{', '.join(missing)} is not installed")


@dataclass
class VirtualClock:
    """Time that moves only when a test says so."""

    now_s: float = 1_000_000.0

    def utc_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
