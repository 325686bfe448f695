"""Who is supplied: the feeder as a graph of nodes, its zones, and what an outage counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hil.scenario import Fault, Scenario


@dataclass(frozen=True, slots=True)
class Edge:
    """A line (by name) or a transformer (no name) and the pairs of nodes it joins."""

    line: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def ends(self) -> frozenset[str]:
        """Its two buses."""
        return frozenset(_bus(node) for node in self.pairs[0])


@dataclass(frozen=True)
class Grid:
    """What is joined to what.

    Attributes:
        edges: all lines and transformers.
        sources: nodes of each voltage source.
    """

    edges: tuple[Edge, ...]
    sources: Mapping[str, tuple[str, ...]]

    @cached_property
    def source_buses(self) -> frozenset[str]:
        """Buses of the sources."""
        return frozenset(_bus(nodes[0]) for nodes in self.sources.values())

    def live(self, open_lines: Collection[str]) -> frozenset[str]:
        """Nodes that a source reaches through what is closed, phase by phase."""
        starts = (node for nodes in self.sources.values() for node in nodes)
        return _reach(starts, self._by_node, open_lines)

    def zone(self, bus: str, open_lines: Collection[str]) -> frozenset[str]:
        """Buses joined to a bus, supplied or not."""
        return _reach((bus,), self._by_bus, open_lines)

    def parallels(self, open_lines: Collection[str]) -> int:
        """Loops of what is supplied, and sources joined to another.

        Branches between the same two buses count as one, as single-phase regulators are.
        """
        reached = _reach(self.source_buses, self._by_bus, open_lines)
        ends = {edge.ends for edge in self.edges if edge.line not in open_lines or not edge.line}
        closed = sum(len(pair) == 2 and pair <= reached for pair in ends)
        # a forest with one source a tree has as many branches as buses less sources
        return closed - (len(reached) - len(self.source_buses))

    @cached_property
    def _by_node(self) -> Mapping[str, list[tuple[str, str]]]:
        pairs = ((edge.line, pair) for edge in self.edges for pair in edge.pairs)
        return _neighbours(pairs)

    @cached_property
    def _by_bus(self) -> Mapping[str, list[tuple[str, str]]]:
        pairs = ((e.line, (_bus(a), _bus(b))) for e in self.edges for a, b in e.pairs[:1])
        return _neighbours(pairs)


@dataclass(frozen=True, slots=True)
class Supply:
    """What an outage amounts to at one step.

    Attributes:
        zones: those that a source reaches on every phase, each by a bus of it.
        served_w: load that is supplied.
        customers: all of them.
        customers_out: without supply.
        faults: those burning or lying in wait.
        locked: switches whose relay is locked out.
        by_relay: switches that moved last by their relay, not by a command.
        closed_onto_fault: commands since start that closed a switch onto a fault.
        paralleled: times since start that a loop was made or sources were joined.
    """

    zones: tuple[str, ...]
    served_w: float
    customers: int
    customers_out: int
    faults: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    by_relay: tuple[str, ...] = ()
    closed_onto_fault: int = 0
    paralleled: int = 0


@dataclass(frozen=True, slots=True)
class Relays:
    """What relays say beside the positions they want.

    Attributes:
        by_relay: switches they moved last, not a command.
        locked: switches locked out.
    """

    by_relay: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()


@dataclass(slots=True)
class Ledger:
    """Counts what an outage does, step by step.

    Attributes:
        customers: by load.
        zones: representative bus to its buses; the heads' own are left out.
    """

    scenario: Scenario
    grid: Grid
    loads_kw: Mapping[str, float]
    load_nodes: Mapping[str, tuple[str, ...]]
    customers: dict[str, int] = field(init=False)
    zones: dict[str, frozenset[str]] = field(init=False)
    _onto_fault: int = 0
    _paralleled: int = 0
    _parallels: int = 0
    _live: frozenset[str] = frozenset()
    _apart: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        outage = self.scenario.outage
        per_kw = 0.0 if outage is None else outage.customers_per_kw
        self.customers = {n: max(round(per_kw * kw), 1) for n, kw in self.loads_kw.items()}
        lines = frozenset(switch.line for switch in self.scenario.switch)
        far = {edge.line: _bus(edge.pairs[0][1]) for edge in self.grid.edges if edge.line in lines}
        self.zones = {}
        for switch in self.scenario.switch:
            bus = far[switch.line]
            if not any(bus in buses for buses in self.zones.values()):
                self.zones[bus] = self.grid.zone(bus, lines)

    def see(
        self,
        open_lines: Collection[str],
        closed: Collection[str],
        load_w: Mapping[str, float],
        time_s: float,
        relays: Relays,
        apart: frozenset[str] = frozenset(),
    ) -> Supply:
        """Count one step.

        Args:
            open_lines: lines that are open now.
            closed: switches that have just closed.
            load_w: present demand by load.
            time_s: simulated time.
            relays: what they did.
            apart: microgrids whose POI is open; nobody but a command closes one.
        """
        live = self.grid.live(open_lines)
        commanded = set(closed) - relays.by_relay | (self._apart - apart)
        faults = [fault for fault in self.scenario.fault if fault.present(time_s)]
        burning = [fault for fault in faults if fault.behind not in apart]
        if commanded and any(self._newly_live(fault, live) for fault in burning):
            self._onto_fault += 1
        self._apart = apart
        parallels = self.grid.parallels(open_lines)
        self._paralleled += max(parallels - self._parallels, 0)
        self._parallels, self._live = parallels, live
        served = {name for name, nodes in self.load_nodes.items() if live.issuperset(nodes)}
        dead = {_bus(node) for edge in self.grid.edges for pair in edge.pairs for node in pair
                if node not in live}  # fmt: skip
        return Supply(
            zones=tuple(bus for bus, buses in self.zones.items() if not buses & dead),
            served_w=sum(power for name, power in load_w.items() if name in served),
            customers=sum(self.customers.values()),
            customers_out=sum(n for name, n in self.customers.items() if name not in served),
            faults=tuple(fault.name for fault in faults),
            locked=tuple(sorted(relays.locked)),
            by_relay=tuple(sorted(relays.by_relay)),
            closed_onto_fault=self._onto_fault,
            paralleled=self._paralleled,
        )

    def _newly_live(self, fault: Fault, live: frozenset[str]) -> bool:
        dead = live - self._live if fault.behind not in self._apart else live
        return not dead.isdisjoint(fault.nodes)


def _neighbours(
    pairs: Iterable[tuple[str, tuple[str, str]]],
) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line, (first, second) in pairs:
        found.setdefault(first, []).append((line, second))
        found.setdefault(second, []).append((line, first))
    return found


def _reach(
    starts: Iterable[str],
    neighbours: Mapping[str, list[tuple[str, str]]],
    open_lines: Collection[str],
) -> frozenset[str]:
    reached = set(starts)
    waiting = deque(reached)
    while waiting:
        for line, other in neighbours.get(waiting.popleft(), ()):
            if other not in reached and (not line or line not in open_lines):
                reached.add(other)
                waiting.append(other)
    return frozenset(reached)


def _bus(node: str) -> str:
    return node.partition(".")[0]
