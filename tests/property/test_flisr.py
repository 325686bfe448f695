"""Restoration on random radial feeders: never onto the fault, radial, inside every limit."""

from __future__ import annotations

import itertools
import random

import pytest

from gateway.apps.flisr.graph import Edge, Edges, Graph, Source, Zone, feed, has_loop, path
from gateway.apps.flisr.locate import Evidence, Flag, Place, locate
from gateway.apps.flisr.plan import Action, isolate, switching
from gateway.apps.flisr.restore import restore
from gateway.apps.flisr.task import Task, Verdict
from tests.sweep import holds, sweep

PHASES = frozenset({1, 2, 3})
LOW_PU = 0.92
#: Feeders tried a block: over a hundred of each block can be run as they are and restored.
BLOCKS, TRIED = 10, 195
#: Free switches up to which every state is tried for the optimum.
BRUTE = 9


def random_feeder(rng: random.Random) -> Graph:
    """A tree of zones with ties, one head and up to two more behind open switches."""
    count = rng.randint(3, 14)
    zones = [
        Zone(f"z{n}", frozenset({f"b{n}"}), PHASES, rng.uniform(50e3, 600e3) * (1 + 0.4j))
        for n in range(count)
    ]
    ends = [(rng.randrange(max(0, n - 3), n), n) for n in range(1, count)]
    ties: set[tuple[int, int]] = set()
    for _ in range(rng.randint(0, 4)):
        first, second = rng.sample(range(count), 2)
        if (first, second) not in ends and (second, first) not in ends:
            ties.add((min(first, second), max(first, second)))
    sources = [Source("head", 0, rng.uniform(1.0, 3.0) * 300e3 * count)]
    for name in ("east", "west")[: rng.randint(0, 2)]:
        zones.append(Zone(name, frozenset({name}), PHASES, 0j))
        sources.append(Source(name, len(zones) - 1, rng.uniform(0.2, 1.5) * 300e3 * count))
        ties.add((rng.randrange(1, count), len(zones) - 1))

    def edge(name: str, between: tuple[int, int], *, closed: bool) -> Edge:
        drop = rng.uniform(2e-9, 1.2e-8) * (1 + rng.uniform(0.5, 2) * 1j)
        movable = rng.random() < 0.93
        return Edge(name, between, PHASES, closed, drop, movable)

    edges = [edge(f"s{n}", pair, closed=True) for n, pair in enumerate(ends)]
    edges += [edge(f"t{n}", pair, closed=False) for n, pair in enumerate(sorted(ties))]
    return Graph(tuple(zones), tuple(edges), tuple(sources))


def indicators(graph: Graph, zone: int, rng: random.Random) -> dict[int, Flag]:
    """What directional indicators show of a fault in a zone; some cannot be read."""
    closed = graph.closed()
    way, at = path(graph, closed, 0, zone) or (), 0
    flags = {edge: Flag(seen=False) for edge in closed}
    for edge in way:
        flags[edge] = Flag(seen=True, forward=graph.edges[edge].ends[0] == at)
        at = graph.far(edge, at)
    for edge in closed:
        if rng.random() < 0.15:
            flags[edge] = Flag(seen=False, known=False)
    return flags


def judge_of(graph: Graph, dead: frozenset[int]):
    def judge(closed: Edges) -> Verdict:
        fed = feed(graph, closed, dead)
        if fed is None:
            return Verdict(ok=False, why="not radial")
        volts, losses_w, _ = sweep(graph, fed)
        ok = holds(graph, closed, dead, LOW_PU)
        return Verdict(ok, "" if ok else "limits", min(volts.values(), default=0.0), losses_w)

    return judge


def best_served_w(task: Task) -> float:
    """The most that any state of the free switches serves inside every limit."""
    best = 0.0
    for count in range(len(task.free) + 1):
        for moved in itertools.combinations(task.free, count):
            candidate = task.candidate(task.base ^ frozenset(moved))
            if candidate is None or candidate.estimate.served_w <= best:
                continue
            if holds(task.graph, candidate.closed, task.dead, LOW_PU):
                best = candidate.estimate.served_w
    return best


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_feeders_are_restored_safely(block):
    compared = restored = 0
    for seed in range(block * TRIED, (block + 1) * TRIED):
        rng = random.Random(seed)
        graph = random_feeder(rng)
        if not holds(graph, graph.closed(), frozenset(), LOW_PU):
            continue  # it would not be run like this
        true_zone = rng.randrange(sum(zone.load_va != 0 for zone in graph.zones))
        location = locate(graph, graph.closed(), (), Evidence(indicators(graph, true_zone, rng)))
        assert location is not None
        assert Place(zone=true_zone) in location.suspects, seed
        task = Task(graph, *isolate(graph, location.suspects), LOW_PU)
        # what trips is whatever feeds the fault: here the head's own breaker, beyond the switches
        present = graph.closed() if true_zone else graph.closed() - frozenset(graph.around[0])
        judge = judge_of(graph, task.dead)
        found = restore(task, judge)
        if found is None:
            continue
        restored += 1
        # a head whose own zone is dead stays locked out: its breaker is none of these switches
        assert true_zone in task.dead
        assert holds(graph, found.candidate.closed, task.dead, LOW_PU), seed
        # what may not be moved stands as it stood
        for number, edge in enumerate(graph.edges):
            assert edge.movable or (number in found.candidate.closed) == edge.closed
        steps = switching(task, present, found.candidate.closed, (), judge)
        for step in steps:
            if step.action is Action.CLOSE:
                assert holds(graph, step.leads_to, task.dead, LOW_PU), seed
                assert not has_loop(graph, step.leads_to), seed
        if len(task.free) <= BRUTE:
            compared += 1
            served_w = found.candidate.estimate.served_w
            assert served_w >= best_served_w(task) - 1.0, seed
    assert restored >= 100
    assert compared >= 40
