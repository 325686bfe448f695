"""Neighbours of a radial state: one switch closed, and one opened on the loop that this makes."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.apps.flisr.graph import Edges, Feed, Graph
from gateway.apps.flisr.task import Candidate, Task


def exchanges(task: Task, at: Candidate) -> Iterator[Edges]:
    """States one exchange away that feed the same zones; not all need be radial in phases."""
    live = {zone: position for position, zone in enumerate(at.fed.order)}
    free = frozenset(task.free)
    for tie in task.free:
        first, second = task.graph.edges[tie].ends
        if tie in at.closed or first not in live or second not in live:
            continue
        for edge in loop(task.graph, at.fed, live[first], live[second]):
            if edge in free:
                yield (at.closed | {tie}) - {edge}


def loop(graph: Graph, fed: Feed, first: int, second: int) -> list[int]:
    """Edges of the loop, or of the way between two sources, that joining two positions makes."""
    upstream = _upstream(graph, fed)
    ways: list[list[int]] = [[], []]
    while first != second:
        # positions grow along the tree, so the later one cannot be upstream of the other
        which = 0 if first > second else 1
        at = first if which == 0 else second
        if fed.through[at] < 0:
            break  # the ways end at two sources
        ways[which].append(fed.through[at])
        if which == 0:
            first = upstream[at]
        else:
            second = upstream[at]
    if first != second:  # up to the other source
        rest, way = min(first, second), ways[0 if first < second else 1]
        while fed.through[rest] >= 0:
            way.append(fed.through[rest])
            rest = upstream[rest]
    return ways[0] + ways[1]


def connections(task: Task, most: int) -> list[Edges] | None:
    """The least closings that bring every zone which can be fed back to a source.

    Args:
        task: what is out.
        most: give up beyond so many.

    Returns:
        Sets of closed edges; None where there are too many.
    """
    found: set[Edges] = {task.base}
    while True:
        grown: set[Edges] = set()
        for closed in found:
            grown |= _grow(task, closed)
            if len(grown) > most:
                return None
        if not grown:
            return list(found)
        found = grown


def _grow(task: Task, closed: Edges) -> set[Edges]:
    """One tie more, from something live to something dark."""
    candidate = task.candidate(closed)
    if candidate is None:
        return set()
    live = frozenset(candidate.fed.order)
    grown = set()
    for tie in task.free:
        ends = task.graph.edges[tie].ends
        if tie in closed or (ends[0] in live) == (ends[1] in live) or set(ends) & task.dead:
            continue
        if task.candidate(closed | {tie}) is not None:
            grown.add(closed | {tie})
    return grown


def _upstream(graph: Graph, fed: Feed) -> list[int]:
    at = {zone: position for position, zone in enumerate(fed.order)}
    return [
        -1 if through < 0 else at[graph.far(through, zone)]
        for zone, through in zip(fed.order, fed.through, strict=True)
    ]
