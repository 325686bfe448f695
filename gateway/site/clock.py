"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """UTC and monotonic time of the operating system."""

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never step back."""
        return time.monotonic()
