"""Leaving load out by search: quick, and mostly the best; the program proves or improves it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.apps.flisr.exchange import connections, exchanges
from gateway.apps.flisr.graph import Edges, likely_voltage_pu
from gateway.apps.flisr.task import Candidate, Judged, Restoration, Task

#: States carried along, steps, ways to begin with, states judged at most.
_BEAM, _STEPS, _STARTS, _JUDGED = 10, 11, 200, 200
#: A pu below the limit counts as much as this share of all load; each is a search of its own.
_SHORT_SHARES = (3.0, 5.0, 7.0, 10.0)
#: So far below the limit the estimate may be and the power flow still hold it.
_DOUBT_PU = 5e-4
#: Sets of live zones handed on, and what counts as worth the same, W.
_RIVALS, _SLACK_W = 4, 1.0
#: Rounds that only better what holds, and how many states they begin from.
_POLISH, _POLISHED = 8, 12


@dataclass(frozen=True, slots=True)
class Shed:
    """What the search found.

    Attributes:
        best: the best state that the power flow lets pass.
        rivals: sets of live zones worth as much, which fewer operations might serve.
    """

    best: Restoration
    rivals: tuple[frozenset[int], ...]


def shed(task: Task, judged: Judged) -> Shed | None:
    """A good state that leaves load out; None where none was found that holds."""
    known = _Known(task)
    for share in _SHORT_SHARES:
        known.explore(share)
    best = _best(known.passing(), judged)
    for _ in range(_POLISH):
        if best is None:
            return None
        known.fresh(around(task, at) for at in known.passing()[:_POLISHED])
        better = _best(known.passing(), judged, best)
        if better is best:
            break
        best = better
    if best is None:
        return None
    worth_w = best.candidate.estimate.worth_w
    alike = [c for c in known.passing() if c.estimate.worth_w >= worth_w - _SLACK_W]
    sets = dict.fromkeys(frozenset(c.fed.order) for c in alike)
    return Shed(best, tuple(sets)[:_RIVALS])


def around(task: Task, at: Candidate) -> Iterator[Edges]:
    """States one move away: an exchange, a part left out, a part taken back."""
    live = frozenset(at.fed.order)
    yield from exchanges(task, at)
    for edge in task.free:
        ends = task.graph.edges[edge].ends
        if edge in at.closed and edge in at.fed.through:
            yield at.closed - {edge}
        elif edge not in at.closed and (ends[0] in live) != (ends[1] in live):
            yield at.closed | {edge}


class _Known:
    """Every radial state met, with its estimate."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._all_w = sum(zone.load_va.real * zone.weight for zone in task.graph.zones) or 1.0
        self._states: dict[Edges, Candidate] = {}
        self._likely_pu: dict[Edges, float] = {}

    def passing(self) -> list[Candidate]:
        """States that the estimate lets pass, best first."""
        return sorted(filter(self._likely, self._states.values()), key=_rank)

    def _likely(self, candidate: Candidate) -> bool:
        low_pu = self._task.voltage_min_pu - self._likely_pu[candidate.closed]
        return self._task.plausible(candidate) and low_pu <= _DOUBT_PU

    def fresh(self, states: Iterable[Iterable[Edges]]) -> list[Candidate]:
        """Those not met before."""
        found = []
        for closed in itertools.chain.from_iterable(states):
            if closed in self._states:
                continue
            candidate = self._task.candidate(closed)
            if candidate is not None:
                self._states[closed] = candidate
                self._likely_pu[closed] = likely_voltage_pu(self._task.graph, candidate.fed)
                found.append(candidate)
        return found

    def explore(self, share: float) -> None:
        """Carry the best states along, what is short of the limits being weighed by ``share``."""

        def score(candidate: Candidate) -> tuple[float, int]:
            guess = candidate.estimate
            low_pu = max(self._task.voltage_min_pu - self._likely_pu[candidate.closed], 0.0)
            short_w = share * self._all_w * low_pu + 2.0 * guess.overload_w
            return short_w - guess.worth_w, candidate.operations

        starts = connections(self._task, _STARTS) or [self._task.base]
        found = (self._task.candidate(closed) for closed in starts)
        beam = [candidate for candidate in found if candidate is not None]
        met = {candidate.closed for candidate in beam}
        for _ in range(_STEPS):
            ways = (around(self._task, at) for at in beam)
            near = {closed for way in ways for closed in way} - met
            met |= near
            self.fresh([near])
            candidates = [self._states[closed] for closed in near if closed in self._states]
            if not candidates:
                break
            beam = heapq.nsmallest(_BEAM, candidates, key=score)


def _best(
    candidates: Iterable[Candidate], judged: Judged, best: Restoration | None = None
) -> Restoration | None:
    """The first that the power flow lets pass, where it is better than ``best``."""
    for candidate in itertools.islice(candidates, _JUDGED):
        if best is not None and _rank(best.candidate) <= _rank(candidate):
            break
        verdict = judged(candidate.closed)
        if verdict.ok:
            return Restoration(candidate, verdict, proved=False, checks=judged.checks)
    return best


def _rank(candidate: Candidate) -> tuple[float, int, float]:
    guess = candidate.estimate
    return -round(guess.worth_w, 3), candidate.operations, guess.losses_w
