"""Who wins a point: competing origins with priority, bounds and expiry.

Pure: the time is an argument. The operator stands over protection and FLISR, they over the
utility's 2030.5, that over group functions and the DMS's VVO, all over the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.model.command import Command, Priority
from gateway.model.der import Range

#: Origins that may hold one point at a time; more is a fault of a caller, not a use.
MAX_CLAIMS_PER_POINT = 16


@dataclass(frozen=True, slots=True)
class Bound:
    """An interval that an origin keeps a point in, without commanding it itself."""

    point: str
    interval: Range
    origin: str
    priority: Priority
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the arbiter says to a command.

    Attributes:
        winner: the command that holds the point now, its value inside all higher bounds.
        granted: whether that is the command just claimed.
        detail: one line for the audit trail.
    """

    winner: Command
    granted: bool
    detail: str


class Arbiter:
    """Keeps each origin's latest claim on each point and says which one holds."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[str, Command]] = {}
        self._bounds: dict[str, dict[str, Bound]] = {}

    def claim(self, command: Command, now_ms: int) -> Verdict:
        """Enter a claim and say who holds the point.

        A claim stays until it expires, is withdrawn or the same origin claims again. Between
        equal priorities the newer claim holds.
        """
        claims = self._claims.setdefault(command.point, {})
        claims.pop(command.origin, None)
        if len(claims) >= MAX_CLAIMS_PER_POINT:
            oldest = min(claims.values(), key=lambda held: held.priority)
            claims.pop(oldest.origin)
        claims[command.origin] = command
        winner = self.holder(command.point, now_ms)
        if winner is None:  # the claim had expired when it came
            return Verdict(command, granted=False, detail="expired")
        if winner.origin != command.origin:
            detail = f"held by {winner.origin} at priority {winner.priority.name}"
            return Verdict(winner, granted=False, detail=detail)
        if winner.value != command.value:
            detail = f"bounded from {command.value:g} to {winner.value:g}"
            return Verdict(winner, granted=True, detail=detail)
        return Verdict(winner, granted=True, detail="granted")

    def judge(self, command: Command, now_ms: int) -> Verdict:
        """What :meth:`claim` would say; nothing is entered."""
        scratch = Arbiter()
        scratch._claims[command.point] = dict(self._claims.get(command.point, {}))
        scratch._bounds = self._bounds
        return scratch.claim(command, now_ms)

    def bound(self, bound: Bound) -> None:
        """Keep claims of lower priority inside an interval until it expires."""
        self._bounds.setdefault(bound.point, {})[bound.origin] = bound

    def withdraw(self, point: str, origin: str) -> None:
        """Drop an origin's claim and bound on a point; nothing happens if it has none."""
        self._claims.get(point, {}).pop(origin, None)
        self._bounds.get(point, {}).pop(origin, None)

    def claims_on(self, point: str) -> Mapping[str, Command]:
        """A copy of every origin's claim on a point, oldest first; for :meth:`take_back`."""
        return dict(self._claims.get(point, {}))

    def take_back(self, point: str, origin: str, before: Mapping[str, Command]) -> None:
        """Undo an origin's last claim: what it held before, if anything, stands again.

        Args:
            point: where.
            origin: whose last claim is undone.
            before: the point's claims before it, from :meth:`claims_on`.
        """
        now = self._claims.get(point, {})
        kept = {o: c if o == origin else now[o] for o, c in before.items() if o in now}
        kept |= {o: c for o, c in now.items() if o not in kept and o != origin}
        self._claims[point] = kept

    def holder(self, point: str, now_ms: int) -> Command | None:
        """The claim that holds a point, its value inside the bounds over it; None if free."""
        claims = self._claims.get(point, {})
        live = [held for held in claims.values() if _alive(held.expires_ms, now_ms)]
        if not live:
            return None
        # dicts keep order of claiming, so the last of the highest is the newest
        winner = max(reversed(live), key=lambda held: held.priority)
        return replace(winner, value=self._inside_bounds(winner, now_ms))

    def expire(self, now_ms: int) -> list[Command]:
        """Drop what has run out; returns the new holder of each point that changed hands."""
        heirs: list[Command] = []
        for point, claims in self._claims.items():
            before = max(reversed(claims.values()), key=lambda held: held.priority, default=None)
            for origin in [o for o, held in claims.items() if not _alive(held.expires_ms, now_ms)]:
                del claims[origin]
            after = self.holder(point, now_ms)
            if before is not None and after is not None and after.origin != before.origin:
                heirs.append(after)
        for bounds in self._bounds.values():
            for origin in [o for o, b in bounds.items() if not _alive(b.expires_ms, now_ms)]:
                del bounds[origin]
        return heirs

    def _inside_bounds(self, command: Command, now_ms: int) -> float:
        value = command.value
        for bound in sorted(self._bounds.get(command.point, {}).values(), key=_by_priority):
            higher = bound.priority > command.priority
            if higher and _alive(bound.expires_ms, now_ms):
                value = bound.interval.clip(value)
        return value


def _alive(expires_ms: int, now_ms: int) -> bool:
    return expires_ms == 0 or now_ms < expires_ms


def _by_priority(bound: Bound) -> Priority:
    return bound.priority
