"""The feeder as restoration sees it: zones that no switch divides, and switches between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Edges by number.
Edges = frozenset[int]


@dataclass(frozen=True, slots=True)
class Zone:
    """Buses that stay together whatever is switched.

    Attributes:
        name: for people; the switch that leads to it from the substation, or ``head``.
        buses: its buses.
        phases: phases that its loads and lines are on.
        load_va: P + jQ consumed, all phases; after an outage with what cold load adds.
        weight: worth of its load among others, 1 for all alike.
    """

    name: str
    buses: frozenset[str]
    phases: frozenset[int]
    load_va: complex
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Edge:
    """A switch between two zones, with the line it stands on.

    Attributes:
        name: the switch.
        ends: numbers of its two zones.
        phases: phases it carries.
        closed: its position before the fault.
        drop_pu_per_va: (r + jx) / V^2 of its line, V line to line: pu a VA.
        movable: whether it can be told to move.
        branch: its line in the feeder model.
        both_ends: a switch at each end, moved as one: a fault on its line is isolated by itself.
        poi_bus: where it is a microgrid's POI, the bus it stands at; its second zone is what lies
            behind, of which the model knows nothing.
    """

    name: str
    ends: tuple[int, int]
    phases: frozenset[int]
    closed: bool
    drop_pu_per_va: complex = 0j
    movable: bool = True
    branch: str = ""
    both_ends: bool = False
    poi_bus: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can feed: a substation's feeder head or a grid-forming microgrid.

    Attributes:
        zone: where it stands.
        capacity_w: most real power it can give.
        voltage_pu: what it holds.
    """

    name: str
    zone: int
    capacity_w: float = math.inf
    voltage_pu: float = 1.0


@dataclass(frozen=True, slots=True)
class Graph:
    """Zones, switches and sources.

    Attributes:
        around: edges at each zone, by zone number.
    """

    zones: tuple[Zone, ...]
    edges: tuple[Edge, ...]
    sources: tuple[Source, ...]
    around: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        around: list[list[int]] = [[] for _ in self.zones]
        for number, edge in enumerate(self.edges):
            for zone in set(edge.ends):
                around[zone].append(number)
        object.__setattr__(self, "around", tuple(map(tuple, around)))

    def closed(self) -> Edges:
        """Edges that were closed before the fault."""
        return frozenset(number for number, edge in enumerate(self.edges) if edge.closed)

    def far(self, edge: int, zone: int) -> int:
        """The zone at an edge's other end."""
        first, second = self.edges[edge].ends
        return second if zone == first else first

    def edge_of(self, name: str) -> int:
        """Number of a switch.

        Raises:
            KeyError: there is none of that name.
        """
        for number, edge in enumerate(self.edges):
            if edge.name == name:
                return number
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Feed:
    """Who is fed through what.

    Attributes:
        order: live zones, each after the one it is fed from.
        through: the edge each live zone is fed through, -1 at a source; by position in ``order``.
        source: the source of each, by position in ``order``.
    """

    order: tuple[int, ...]
    through: tuple[int, ...]
    source: tuple[int, ...]


def feed(graph: Graph, closed: Edges, dead: frozenset[int] = frozenset()) -> Feed | None:
    """Follow closed edges from every source.

    Args:
        graph: the feeder.
        closed: edges that are closed.
        dead: zones that must stay without voltage.

    Returns:
        None where it would not be radial, join two sources, put voltage on a dead zone, or feed a
        zone through a switch that lacks one of its phases.
    """
    order: list[int] = []
    through: list[int] = []
    origin: list[int] = []
    live: set[int] = set()
    edges, zones, around = graph.edges, graph.zones, graph.around
    for number, source in enumerate(graph.sources):
        if source.zone in dead:
            continue
        if source.zone in live:
            return None
        live.add(source.zone)
        at = len(order)
        order.append(source.zone)
        through.append(-1)
        origin.append(number)
        while at < len(order):
            zone, came = order[at], through[at]
            at += 1
            for edge in around[zone]:
                if edge == came or edge not in closed:
                    continue
                first, second = edges[edge].ends
                far = second if zone == first else first
                if far in live or far in dead or not zones[far].phases <= edges[edge].phases:
                    return None
                live.add(far)
                order.append(far)
                through.append(edge)
                origin.append(number)
    return Feed(tuple(order), tuple(through), tuple(origin))


def has_loop(graph: Graph, closed: Iterable[int]) -> bool:
    """Whether closed edges form a loop anywhere, fed or not."""
    root = list(range(len(graph.zones)))

    def find(zone: int) -> int:
        while root[zone] != zone:
            root[zone] = root[root[zone]]
            zone = root[zone]
        return zone

    for edge in closed:
        first, second = map(find, graph.edges[edge].ends)
        if first == second:
            return True
        root[first] = second
    return False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a feed amounts to before any power flow has seen it.

    Attributes:
        served_w: real load that is fed.
        worth_w: the same, each zone by its weight.
        overload_w: by how much sources are beyond their capacity, losses left out.
        voltage_min_pu: lowest voltage of a flow without losses, which the true one stays below.
        losses_w: what these flows lose.
    """

    served_w: float
    worth_w: float
    overload_w: float
    voltage_min_pu: float
    losses_w: float


def estimate(graph: Graph, fed: Feed) -> Estimate:
    """Flows without losses over the lines of the switches alone, those inside zones left out."""
    drops, upstream = _tree(graph, fed)
    flow, square = _lossless(graph, fed, drops, upstream)
    given = [0.0] * len(graph.sources)
    for position, above in enumerate(upstream):
        if above < 0:
            given[fed.source[position]] += flow[position].real
    zones = [graph.zones[zone] for zone in fed.order]
    return Estimate(
        served_w=sum(zone.load_va.real for zone in zones),
        worth_w=sum(zone.load_va.real * zone.weight for zone in zones),
        overload_w=sum(
            max(power - source.capacity_w, 0.0)
            for power, source in zip(given, graph.sources, strict=True)
        ),
        voltage_min_pu=math.sqrt(max(min(square, default=1.0), 0.0)),
        losses_w=sum(
            drop.real * abs(s) ** 2 / max(v, 0.1)
            for drop, s, v in zip(drops, flow, square, strict=True)
        ),
    )


def likely_voltage_pu(graph: Graph, fed: Feed) -> float:
    """Lowest voltage with the losses of the flows without losses: near to the true one."""
    drops, upstream = _tree(graph, fed)
    flow, square = _lossless(graph, fed, drops, upstream)
    current = [abs(s) ** 2 / max(v, 0.1) for s, v in zip(flow, square, strict=True)]
    lost = [drop * amps for drop, amps in zip(drops, current, strict=True)]
    # each flow arrives at its zone: what is lost on the way there is its upstream's to carry
    carried = _gather(lost, upstream)
    heavier = [s + c - own for s, c, own in zip(flow, carried, lost, strict=True)]
    starts = [graph.sources[source].voltage_pu ** 2 for source in fed.source]
    likely = _spread(starts, drops, upstream, heavier, current)
    return math.sqrt(max(min(likely, default=1.0), 0.0))


def _lossless(
    graph: Graph, fed: Feed, drops: list[complex], upstream: list[int]
) -> tuple[list[complex], list[float]]:
    """Flows and squared voltages by position, no losses."""
    flow = _gather([graph.zones[zone].load_va for zone in fed.order], upstream)
    starts = [graph.sources[source].voltage_pu ** 2 for source in fed.source]
    return flow, _spread(starts, drops, upstream, flow, [0.0] * len(flow))


def _tree(graph: Graph, fed: Feed) -> tuple[list[complex], list[int]]:
    """Drop of the edge each live zone is fed through, and the position it is fed from or -1."""
    at = {zone: position for position, zone in enumerate(fed.order)}
    drops, upstream = [], []
    for zone, through in zip(fed.order, fed.through, strict=True):
        drops.append(graph.edges[through].drop_pu_per_va if through >= 0 else 0j)
        upstream.append(at[graph.far(through, zone)] if through >= 0 else -1)
    return drops, upstream


def _gather(own: list[complex], upstream: list[int]) -> list[complex]:
    """Sums of everything beyond each position, itself included."""
    total = list(own)
    for position in range(len(total) - 1, -1, -1):
        if upstream[position] >= 0:
            total[upstream[position]] += total[position]
    return total


def _spread(
    starts: list[float],
    drops: list[complex],
    upstream: list[int],
    flow: list[complex],
    current: list[float],
) -> list[float]:
    """Squared voltages from the sources on, pu, by flows and squared currents at the far ends."""
    square = list(starts)
    for position, above in enumerate(upstream):
        if above >= 0:
            drop, power = drops[position], flow[position]
            fall = 2.0 * (drop.real * power.real + drop.imag * power.imag)
            square[position] = square[above] - fall - abs(drop) ** 2 * current[position]
    return square


def moves(before: Edges, after: Edges) -> int:
    """Operations between two sets of closed edges."""
    return len(before ^ after)


def path(graph: Graph, closed: Edges, start: int, goal: int) -> tuple[int, ...] | None:
    """Edges between two zones over closed edges; None where there is no way."""
    came: dict[int, tuple[int, int]] = {start: (-1, -1)}
    todo = [start]
    while todo and goal not in came:
        zone = todo.pop()
        for edge in graph.around[zone]:
            far = graph.far(edge, zone)
            if edge in closed and far not in came:
                came[far] = (edge, zone)
                todo.append(far)
    if goal not in came:
        return None
    way: list[int] = []
    while goal != start:
        edge, goal = came[goal]
        way.append(edge)
    return tuple(reversed(way))


def live_zones(fed: Feed | None) -> frozenset[int]:
    """Zones under voltage."""
    return frozenset() if fed is None else frozenset(fed.order)
