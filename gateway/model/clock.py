"""The clock everything is given: real at a site, virtual in tests."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Source of time. Nothing else in Tieline asks the operating system for it."""

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970: what stamps measurements. May be stepped."""

    def monotonic_s(self) -> float:
        """Seconds that never step back: what ages values and bounds waits."""
