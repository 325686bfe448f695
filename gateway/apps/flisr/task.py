"""What a restoration has to solve, and how an answer is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.apps.flisr.graph import Edges, Estimate, Feed, Graph, estimate, feed, moves


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the full power flow says of a set of closed switches.

    Attributes:
        ok: whether every limit holds.
        why: which one does not; empty where all do.
        voltage_min_pu: lowest voltage of what is live.
        losses_w: losses.
    """

    ok: bool
    why: str = ""
    voltage_min_pu: float = 0.0
    losses_w: float = 0.0


#: Judges a set of closed edges on the full power flow.
Judge = Callable[[Edges], Verdict]


@dataclass(frozen=True, slots=True)
class Task:
    """Serve what can be served while some zones and switches are out.

    Attributes:
        graph: the feeder with its loads as they will be when voltage comes back.
        dead: zones that must get no voltage.
        blocked: edges that must be open.
        voltage_min_pu: lowest voltage allowed.
        base: edges closed once the fault is isolated; operations count from here.
        free: edges that may be moved.
    """

    graph: Graph
    dead: frozenset[int]
    blocked: Edges
    voltage_min_pu: float
    base: Edges = field(init=False)
    free: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", self.graph.closed() - self.blocked)
        free = (n for n, edge in enumerate(self.graph.edges) if edge.movable)
        object.__setattr__(self, "free", tuple(n for n in free if n not in self.blocked))

    def candidate(self, closed: Edges) -> Candidate | None:
        """A set of closed edges, where it is radial and keeps dead zones dead."""
        fed = feed(self.graph, closed, self.dead)
        if fed is None:
            return None
        return Candidate(closed, fed, estimate(self.graph, fed), moves(self.base, closed))

    def plausible(self, candidate: Candidate) -> bool:
        """Whether the optimistic estimate leaves it a chance on the full power flow."""
        guess = candidate.estimate
        return guess.overload_w <= 0.0 and guess.voltage_min_pu >= self.voltage_min_pu


@dataclass(frozen=True, slots=True)
class Candidate:
    """A radial state, not judged yet.

    Attributes:
        operations: switches moved from the task's base.
    """

    closed: Edges
    fed: Feed
    estimate: Estimate
    operations: int


@dataclass(frozen=True, slots=True)
class Restoration:
    """An answer that the full power flow has seen.

    Attributes:
        candidate: the state.
        verdict: what the power flow says of it.
        proved: whether more load or fewer operations were ruled out.
        checks: power flows it took.
    """

    candidate: Candidate
    verdict: Verdict
    proved: bool
    checks: int


class Judged:
    """Remembers and counts verdicts."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[Edges, Verdict] = {}

    @property
    def checks(self) -> int:
        """Power flows so far."""
        return len(self._known)

    def __call__(self, closed: Edges) -> Verdict:
        """The verdict on a set of closed edges."""
        if closed not in self._known:
            self._known[closed] = self._judge(closed)
        return self._known[closed]
