"""Fixtures that many tests share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


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
