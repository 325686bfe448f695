"""A balanced radial power flow by sweeps: the judge of the tests, which is not the DMS's engine."""

from __future__ import annotations

from gateway.apps.flisr.graph import Edges, Feed, Graph, feed


def sweep(graph: Graph, fed: Feed) -> tuple[dict[int, float], float, dict[int, float]]:
    """Voltage magnitude by zone, pu; losses, W; real power of each source, W. Constant power."""
    at = {zone: n for n, zone in enumerate(fed.order)}
    up = [-1 if e < 0 else at[graph.far(e, z)] for z, e in zip(fed.order, fed.through, strict=True)]
    volts = [complex(graph.sources[s].voltage_pu) for s in fed.source]
    loads = [graph.zones[zone].load_va for zone in fed.order]
    for _ in range(60):
        amps = [(s / v).conjugate() for s, v in zip(loads, volts, strict=True)]
        for n in range(len(amps) - 1, -1, -1):
            if up[n] >= 0:
                amps[up[n]] += amps[n]
        fresh = list(volts)
        for n, e in enumerate(fed.through):
            if e >= 0:
                fresh[n] = fresh[up[n]] - graph.edges[e].drop_pu_per_va * amps[n]
        change = max((abs(a - b) for a, b in zip(volts, fresh, strict=True)), default=0.0)
        volts = fresh
        if change < 1e-10:
            break
        if min(map(abs, volts), default=1.0) < 0.3:
            break  # collapsed
    losses = sum(
        graph.edges[e].drop_pu_per_va.real * abs(amps[n]) ** 2
        for n, e in enumerate(fed.through)
        if e >= 0
    )
    given = {
        fed.source[n]: (volts[n] * amps[n].conjugate()).real
        for n, e in enumerate(fed.through)
        if e < 0
    }
    return {z: abs(volts[at[z]]) for z in fed.order}, losses, given


def holds(graph: Graph, closed: Edges, dead: frozenset[int], voltage_min_pu: float) -> bool:
    """Whether a state is radial and inside every limit."""
    fed = feed(graph, closed, dead)
    if fed is None:
        return False
    volts, _, given = sweep(graph, fed)
    return min(volts.values(), default=1.0) >= voltage_min_pu and all(
        power <= graph.sources[s].capacity_w for s, power in given.items()
    )
