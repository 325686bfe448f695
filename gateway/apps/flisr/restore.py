"""Restoration: the most load with the fewest operations, every answer seen by the power flow.

Up to 15 free switches every state is looked at. Beyond, states that serve everything are searched
level by level, an exchange of two switches at a time; where none of them holds, a mixed-integer
program chooses what to leave out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from gateway.apps.flisr.exchange import connections, exchanges
from gateway.apps.flisr.graph import Edges
from gateway.apps.flisr.program import most_served
from gateway.apps.flisr.shedding import shed
from gateway.apps.flisr.task import Candidate, Judge, Judged, Restoration, Task

#: Free switches up to which every state is looked at.
_ALL_STATES = 15
#: Levels of exchanges, states kept a level, states judged a level.
_LEVELS, _KEPT, _JUDGED = 3, 400, 60
#: Of equally good states so many are compared by their losses.
_COMPARED = 12
#: Steps of the search for the least losses, and states it carries along.
_STEPS, _BEAM = 12, 24


def restore(task: Task, judge: Judge) -> Restoration | None:
    """Find the state that serves the most with the fewest operations, then with the least losses.

    Args:
        task: what is out, and the limits.
        judge: the full power flow.

    Returns:
        None where not even the state after isolation, nor any other, holds the limits.
    """
    judged = Judged(judge)
    if len(task.free) <= _ALL_STATES:
        return _first(judged, _every_state(task), proved=True)
    found = _by_levels(task, judged)
    return found or most_served(task, judged, shed(task, judged))


def least_losses(task: Task, judge: Judge) -> Restoration | None:
    """Feed the same zones with the least losses, whatever the operations: reconfiguration."""
    judged = Judged(judge)
    start = task.candidate(task.base)
    if start is None:
        return None
    known = {start.closed: start}
    beam = [start]
    for _ in range(_STEPS):
        fresh = _candidates(task, (e for at in beam for e in exchanges(task, at)), known)
        beam = sorted((*fresh, *beam), key=lambda c: c.estimate.losses_w)[:_BEAM]
        if not set(beam) & set(fresh):
            break
    best = [(judged(c.closed), c) for c in (*beam, start)]
    holding = [(verdict, c) for verdict, c in best if verdict.ok]
    if not holding:
        return None
    verdict, candidate = min(holding, key=lambda pair: pair[0].losses_w)
    return Restoration(candidate, verdict, proved=False, checks=judged.checks)


def _every_state(task: Task) -> Iterator[Candidate]:
    for count in range(len(task.free) + 1):
        for moved in itertools.combinations(task.free, count):
            candidate = task.candidate(task.base ^ frozenset(moved))
            if candidate is not None and task.plausible(candidate):
                yield candidate


def _first(judged: Judged, candidates: Iterable[Candidate], *, proved: bool) -> Restoration | None:
    """The best candidate that the power flow lets pass."""
    ordered = sorted(candidates, key=_rank)
    for _, group in itertools.groupby(ordered, key=lambda c: _rank(c)[:2]):
        holding = [
            (verdict.losses_w, candidate, verdict)
            for candidate in itertools.islice(group, _COMPARED)
            for verdict in (judged(candidate.closed),)
            if verdict.ok
        ]
        if holding:
            _, candidate, verdict = min(holding, key=lambda found: found[0])
            return Restoration(candidate, verdict, proved, judged.checks)
    return None


def _rank(candidate: Candidate) -> tuple[float, int, float]:
    guess = candidate.estimate
    return -round(guess.worth_w, 3), candidate.operations, guess.losses_w


def _by_levels(task: Task, judged: Judged) -> Restoration | None:
    """The fewest operations that serve everything; None where that is not found."""
    starts = connections(task, _KEPT)
    if starts is None:
        return None
    known: dict[Edges, Candidate] = {}
    level = _candidates(task, starts, known)
    proved = True
    for _ in range(_LEVELS):
        hopeful = sorted(filter(task.plausible, level), key=lambda c: -c.estimate.voltage_min_pu)
        found = _first(judged, hopeful[:_JUDGED], proved=proved and len(hopeful) <= _JUDGED)
        if found is not None:
            return found
        level = _candidates(task, (e for at in level for e in exchanges(task, at)), known)
        level.sort(key=lambda c: (c.operations, -c.estimate.voltage_min_pu))
        proved = proved and len(level) <= _KEPT
        del level[_KEPT:]
    return None


def _candidates(
    task: Task, states: Iterable[Edges], known: dict[Edges, Candidate]
) -> list[Candidate]:
    """States not known before that are radial."""
    fresh = []
    for closed in states:
        if closed in known:
            continue
        candidate = task.candidate(closed)
        if candidate is not None:
            known[closed] = candidate
            fresh.append(candidate)
    return fresh
