"""What is joined to what on a feeder, for a set of open branches; graph only, no power flow."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from gateway.grid.network import Network

Buses = frozenset[str]


def energised(
    network: Network,
    open_branches: Collection[str],
    live_sources: Collection[str] | None = None,
) -> Buses:
    """Buses with a closed path to a source.

    Args:
        network: the feeder.
        open_branches: all that are open; the file's own count only where named here.
        live_sources: names of the sources that are up; None for all.
    """
    root = _roots(network, open_branches)
    live = {root[network.sources[name]] for name in _live(network, live_sources)}
    return frozenset(bus for bus, at in root.items() if at in live)


def islands(network: Network, open_branches: Collection[str]) -> tuple[Buses, ...]:
    """Sets of joined buses, supplied or not, each as soon as its first bus comes in the model."""
    found: dict[str, list[str]] = {}
    for bus, root in _roots(network, open_branches).items():
        found.setdefault(root, []).append(bus)
    return tuple(frozenset(buses) for buses in found.values())


def zones(network: Network, switches: Collection[str]) -> tuple[Buses, ...]:
    """What the switches can separate; what the file leaves open and is no switch stays open."""
    return islands(network, network.open_branches.union(switches))


def index_by_bus(areas: Collection[Buses]) -> dict[str, int]:
    """Which of some islands or zones each bus is in: a microgrid's, by its POI bus."""
    return {bus: index for index, area in enumerate(areas) for bus in area}


def load_va(network: Network, buses: Collection[str]) -> complex:
    """Nominal P + jQ consumed at some buses."""
    return sum((network.loads_va.get(bus, 0j) for bus in buses), 0j)


def ends(network: Network) -> tuple[str, ...]:
    """Buses with one neighbour and no source: where a feeder's arms end."""
    neighbours: dict[str, set[str]] = {bus: set() for bus in network.base_kv}
    for branch in network.branches.values():
        first, second = branch.ends
        neighbours[first].add(second)
        neighbours[second].add(first)
    sources = set(network.sources.values())
    return tuple(bus for bus, near in neighbours.items() if len(near) == 1 and bus not in sources)


def path(
    network: Network, open_branches: Collection[str], start: str, end: str
) -> tuple[str, ...] | None:
    """Closed branches from one bus to another, the fewest; None where there is no way.

    Raises:
        KeyError: no such bus.
    """
    if start == end:
        return ()
    neighbours: dict[str, list[tuple[str, str]]] = {bus: [] for bus in network.base_kv}
    neighbours[end]  # a bus that is not there is a fault, not an answer
    for name, branch in network.branches.items():
        if name not in open_branches:
            first, second = branch.ends
            neighbours[first].append((name, second))
            neighbours[second].append((name, first))
    came_by: dict[str, tuple[str, str]] = {start: ("", start)}
    waiting = deque([start])
    while waiting:
        bus = waiting.popleft()
        for name, other in neighbours[bus]:
            if other not in came_by:
                came_by[other] = (name, bus)
                if other == end:
                    return _back(came_by, start, end)
                waiting.append(other)
    return None


def is_radial(
    network: Network,
    open_branches: Collection[str],
    live_sources: Collection[str] | None = None,
) -> bool:
    """Whether no closed branch makes a loop and no two live sources are joined.

    Branches side by side between the same two buses, as single-phase regulators are, count as one.
    """
    pairs = {
        frozenset(branch.ends)
        for name, branch in network.branches.items()
        if name not in open_branches
    }
    sources = [network.sources[name] for name in _live(network, live_sources)]
    # a tree has one edge less than buses, so a forest has as many less as it has trees
    root = _roots(network, open_branches)
    loops = sum(len(pair) == 2 for pair in pairs) - len(root) + len(set(root.values()))
    return not loops and len({root[bus] for bus in sources}) == len(sources)


def _live(network: Network, live_sources: Collection[str] | None) -> Collection[str]:
    return network.sources if live_sources is None else live_sources


def _roots(network: Network, open_branches: Collection[str]) -> dict[str, str]:
    """One bus to stand for each island, by bus."""
    parent = {bus: bus for bus in network.base_kv}
    for name, branch in network.branches.items():
        if name in open_branches:
            continue
        first, second = (_root(parent, bus) for bus in branch.ends)
        if first != second:
            parent[second] = first
    return {bus: _root(parent, bus) for bus in parent}


def _root(parent: dict[str, str], bus: str) -> str:
    while (above := parent[bus]) != bus:
        parent[bus] = parent[above]  # halves the way for the next that asks
        bus = above
    return bus


def _back(came_by: Mapping[str, tuple[str, str]], start: str, end: str) -> tuple[str, ...]:
    names, bus = [], end
    while bus != start:
        name, bus = came_by[bus]
        names.append(name)
    return tuple(reversed(names))
