"""The feeder's graph functions against networkx on random graphs."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from gateway.grid.network import Branch, Network
from gateway.grid.topology import (
    energised,
    index_by_bus,
    is_radial,
    islands,
    load_va,
    path,
    zones,
)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, frozenset[str]]:
    """A random feeder, with parallel branches and several sources, and a set of open branches."""
    buses = [f"b{number}" for number in range(draw(st.integers(1, 14)))]
    bus = st.sampled_from(buses)
    ends = draw(st.lists(st.tuples(bus, bus).filter(lambda pair: pair[0] != pair[1]), max_size=22))
    branches = {
        f"line.{number}": Branch(f"line.{number}", pair, (1, 2, 3), 0.1, 0.1, 0.0)
        for number, pair in enumerate(ends)
    }
    names = st.sets(st.sampled_from(sorted(branches))) if branches else st.just(set())
    sources = {f"s{n}": at for n, at in enumerate(draw(st.lists(bus, max_size=3)))}
    network = Network(
        base_kv=dict.fromkeys(buses, 4.16),
        branches=branches,
        open_branches=frozenset(draw(names)),
        loads_va={b: complex(i, 1) for i, b in enumerate(buses)},
        sources=sources,
        ders={},
    )
    return network, frozenset(draw(names))


def graph(network: Network, open_branches: frozenset[str]) -> nx.Graph:
    joined = nx.Graph()
    joined.add_nodes_from(network.base_kv)
    joined.add_edges_from(b.ends for n, b in network.branches.items() if n not in open_branches)
    return joined


@given(networks())
def test_islands_and_zones_are_the_connected_components(case):
    network, opened = case
    components = {frozenset(c) for c in nx.connected_components(graph(network, opened))}
    found = islands(network, opened)
    assert set(found) == components
    assert len(found) == len(components)
    both = opened | network.open_branches
    parts = {frozenset(c) for c in nx.connected_components(graph(network, both))}
    assert set(zones(network, opened)) == parts
    by_bus = index_by_bus(found)
    assert all(bus in found[by_bus[bus]] for bus in network.base_kv)
    assert sum(load_va(network, area) for area in found) == sum(network.loads_va.values())


@given(networks(), st.data())
def test_energised_is_what_networkx_reaches_from_the_live_sources(case, data):
    network, opened = case
    live = data.draw(
        st.none() | st.sets(st.sampled_from(sorted(network.sources)))
        if network.sources
        else st.none()
    )
    joined = graph(network, opened)
    reached: set[str] = set()
    for name in network.sources if live is None else live:
        reached |= nx.node_connected_component(joined, network.sources[name])
    assert energised(network, opened, live) == reached


@given(networks())
def test_radial_is_a_forest_with_at_most_one_source_a_tree(case):
    network, opened = case
    joined = graph(network, opened)  # a simple graph: branches side by side are one edge
    trees = list(nx.connected_components(joined))
    single = all(sum(at in tree for at in network.sources.values()) <= 1 for tree in trees)
    assert is_radial(network, opened) == (nx.is_forest(joined) and single)


@given(networks(), st.data())
def test_a_path_is_as_short_as_networkx_finds_and_goes_from_end_to_end(case, data):
    network, opened = case
    bus = st.sampled_from(sorted(network.base_kv))
    start, end = data.draw(bus), data.draw(bus)
    joined = graph(network, opened)
    found = path(network, opened, start, end)
    if not nx.has_path(joined, start, end):
        assert found is None
        return
    assert found is not None
    assert len(found) == nx.shortest_path_length(joined, start, end)
    at = start
    for name in found:
        assert name not in opened
        assert at in network.branches[name].ends
        at = network.branches[name].other(at)
    assert at == end
