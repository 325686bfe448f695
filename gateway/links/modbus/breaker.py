"""Leaves a silent or busy unit alone for a while, so that it costs its neighbours little."""

from __future__ import annotations

import random

from gateway.links.modbus.exchange import Outcome


def backoff_s(failures: int, minimum_s: float, maximum_s: float, rng: random.Random) -> float:
    """Jittered exponential delay: 50 to 100 % of ``minimum_s * 2**(failures - 1)``, capped."""
    full = min(minimum_s * 2.0 ** min(failures - 1, 32), maximum_s)
    return full * (0.5 + 0.5 * rng.random())


class UnitBreaker:
    """Circuit breaker of one unit.

    Closed it lets everything through. A failure opens it for a back-off period; then one
    request goes as a probe, and its answer closes it or opens it for longer.

    Args:
        minimum_s: first period, s.
        maximum_s: longest period, s.
        rng: source of jitter.

    Attributes:
        reason: what opened it.
    """

    __slots__ = ("_failures", "_maximum_s", "_minimum_s", "_retry_at_s", "_rng", "reason")

    def __init__(self, minimum_s: float, maximum_s: float, rng: random.Random) -> None:
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._rng = rng
        self._failures = 0
        self._retry_at_s = 0.0
        self.reason = Outcome.TIMEOUT

    def admit(self, now_s: float, timeout_s: float) -> bool:
        """Whether a request may go now. Past the period one goes, the rest wait for its end."""
        if not self._failures:
            return True
        if now_s < self._retry_at_s:
            return False
        # the probe's own failure or success replaces this before it matters
        self._retry_at_s = now_s + 2.0 * timeout_s
        return True

    def failed(self, now_s: float, reason: Outcome) -> None:
        """Open, for longer each time."""
        self._failures += 1
        self.reason = reason
        period_s = backoff_s(self._failures, self._minimum_s, self._maximum_s, self._rng)
        self._retry_at_s = now_s + period_s

    def succeeded(self) -> None:
        """Close."""
        self._failures = 0
