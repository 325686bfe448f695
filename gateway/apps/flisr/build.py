"""From the feeder model and its switches to zones."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from gateway.apps.flisr.graph import Edge, Graph, Source, Zone, feed
from gateway.grid.network import Branch, Network
from gateway.grid.topology import index_by_bus, load_va, zones

_ALL_PHASES = frozenset({1, 2, 3})


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """A switch of the feeder.

    Attributes:
        name: how people call it.
        branch: its line in the model.
        closed: its position before the fault.
        movable: whether it can be told to move.
        both_ends: a switch at each end of the line, moved as one.
    """

    name: str
    branch: str
    closed: bool
    movable: bool = True
    both_ends: bool = False


@dataclass(frozen=True, slots=True)
class PoiSpec:
    """A microgrid's point of interconnection: the last switch of its branch of the feeder.

    Attributes:
        name: the microgrid's.
        bus: where it is connected.
        closed: its position.
        movable: whether the microgrid can be asked to open it.
    """

    name: str
    bus: str
    closed: bool = True
    movable: bool = False


def build_graph(
    network: Network,
    switches: Collection[SwitchSpec],
    capacities_w: Mapping[str, float],
    load_factors: Mapping[str, float] | None = None,
    sources: Collection[str] | None = None,
    pois: Collection[PoiSpec] = (),
) -> Graph:
    """Contract a feeder to zones.

    Args:
        network: the feeder.
        switches: everything that can separate; other branches stay as the model has them.
        capacities_w: real power that a source may give; those not named give what is asked.
        load_factors: present load by bus as a share of nominal; 1 where not named.
        sources: those that may feed; None for all of the model.
        pois: of microgrids; each is an edge behind the switches' to a zone behind the others.

    Raises:
        KeyError: the model has no such branch or source.
    """
    by_branch = {switch.branch: switch for switch in switches}
    areas = zones(network, by_branch.keys())
    zone_of = index_by_bus(areas)
    inside: list[set[int]] = [set() for _ in areas]
    around: list[set[int]] = [set() for _ in areas]
    for name, branch in network.branches.items():
        for bus in branch.ends:
            phases = around if name in by_branch else inside
            phases[zone_of[bus]].update(branch.phases)
    edges = tuple(
        _edge(network, network.branches[switch.branch], switch, zone_of) for switch in switches
    )
    factors = load_factors or {}
    found = tuple(
        Zone(
            name="",
            buses=buses,
            phases=frozenset(inside[n] or around[n] or _ALL_PHASES),
            load_va=sum(load_va(network, [bus]) * factors.get(bus, 1.0) for bus in buses),
        )
        for n, buses in enumerate(areas)
    )
    edges += tuple(_poi(poi, zone_of[poi.bus], len(areas) + n) for n, poi in enumerate(pois))
    found += tuple(Zone(poi.name, frozenset(), _ALL_PHASES, 0j) for poi in pois)
    names = network.sources if sources is None else sources
    heads = tuple(
        Source(name, zone_of[network.sources[name]], capacities_w.get(name, math.inf))
        for name in names
    )
    return _named(Graph(found, edges, heads))


def _edge(network: Network, branch: Branch, switch: SwitchSpec, zone_of: Mapping[str, int]) -> Edge:
    # a balanced drop: on fewer phases the same power falls over fewer conductors
    base_v = 1e3 * network.base_kv[branch.ends[0]]
    share = 3.0 / max(len(branch.phases), 1)
    return Edge(
        name=switch.name,
        ends=(zone_of[branch.ends[0]], zone_of[branch.ends[1]]),
        phases=frozenset(branch.phases),
        closed=switch.closed,
        drop_pu_per_va=share * complex(branch.r_ohm, branch.x_ohm) / base_v**2,
        movable=switch.movable,
        branch=switch.branch,
        both_ends=switch.both_ends,
    )


def _poi(poi: PoiSpec, zone: int, behind: int) -> Edge:
    return Edge(
        name=poi.name,
        ends=(zone, behind),
        phases=_ALL_PHASES,
        closed=poi.closed,
        movable=poi.movable,
        poi_bus=poi.bus,
    )


def _named(graph: Graph) -> Graph:
    """Zones by the switch that leads to them from their source in normal operation."""
    fed = feed(graph, graph.closed())
    names = {source.zone: source.name for source in graph.sources}
    names |= {number: zone.name for number, zone in enumerate(graph.zones) if zone.name}
    if fed is not None:
        for zone, through in zip(fed.order, fed.through, strict=True):
            names.setdefault(zone, graph.edges[through].name if through >= 0 else "")
    zones_named = tuple(
        replace(zone, name=names.get(number, f"zone {number}"))
        for number, zone in enumerate(graph.zones)
    )
    return replace(graph, zones=zones_named)
