"""How many requests a client may make: a token bucket for each LFDI."""

from __future__ import annotations

import math

#: Buckets kept; beyond it those that are full again are forgotten.
_MAX_BUCKETS = 50_000


class RequestBudget:
    """Token buckets by LFDI, so that one client cannot take the others' share.

    Args:
        per_s: tokens a second.
        burst: tokens a bucket holds.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, lfdi: str, now_s: float) -> int:
        """Take one token; 0 where there was one, else the whole seconds until there is.

        Args:
            lfdi: whose.
            now_s: monotonic time, s.
        """
        tokens, since_s = self._buckets.get(lfdi, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - since_s) * self._per_s)
        if tokens < 1.0:
            self._buckets[lfdi] = (tokens, now_s)
            return max(1, math.ceil((1.0 - tokens) / self._per_s))
        if lfdi not in self._buckets and len(self._buckets) >= _MAX_BUCKETS:
            self._forget_full(now_s)
        self._buckets[lfdi] = (tokens - 1.0, now_s)
        return 0

    def _forget_full(self, now_s: float) -> None:
        full_after_s = self._burst / self._per_s
        self._buckets = {
            lfdi: bucket
            for lfdi, bucket in self._buckets.items()
            if now_s - bucket[1] < full_after_s
        }
