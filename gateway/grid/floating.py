"""Buses that nothing ties to ground: there the voltage between phases is what counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.grid.dss_devices import Devices
from gateway.grid.dss_network import SWITCHABLE
from gateway.grid.dss_text import Ask, elements_of, terminal, words
from gateway.grid.network import Network
from gateway.grid.topology import islands

#: Rows of two nodes of one bus, and what their difference is divided by, V.
Pairs = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]


def may_float(ask: Ask, names: Iterable[str]) -> bool:
    """Whether any transformer feeds through a delta winding; without one nothing floats."""
    return any(
        conn.startswith("d")
        for name in elements_of(ask, names, "transformer")
        for conn in _connections(ask, name)[1:]
    )


def floating_buses(
    ask: Ask, names: Sequence[str], network: Network, devices: Devices
) -> frozenset[str]:
    """Buses without a galvanic way to a source, a wye winding or a load to ground.

    Only where somebody is connected: a section that feeds nobody has no voltage to hold, and
    published cases count it to ground.

    Args:
        ask: the value of ``class.name.property``.
        names: every element, ``class.name`` in lower case.
        network: the feeder.
        devices: what else it holds.
    """
    grounded = set(network.sources.values())
    for name in elements_of(ask, names, "transformer"):
        phases = int(ask(f"{name}.phases"))
        ends = [terminal(bus, phases).bus for bus in words(ask(f"{name}.buses"))]
        pairs = zip(ends, _connections(ask, name), strict=False)
        grounded.update(bus for bus, conn in pairs if not conn.startswith("d"))
    for load in devices.loads:
        if not ask(f"load.{load.name}.conn").lower().startswith("d"):
            grounded.add(load.at.bus)
    users = {load.at.bus for load in devices.loads}
    users.update(at.bus for at in devices.generators.values())
    through = {b for b in network.branches if not b.startswith(SWITCHABLE)}
    return frozenset(
        bus
        for part in islands(network, network.open_branches | through)
        if part.isdisjoint(grounded) and not part.isdisjoint(users)
        for bus in part
    )


def phase_pairs(
    nodes: Sequence[str], floating: Collection[str], base_kv: Mapping[str, float]
) -> Pairs:
    """For each node of a floating bus the next phase that is there: a-b, b-c, c-a."""
    rows = {node: row for row, node in enumerate(nodes)}
    firsts, seconds, bases = [], [], []
    for node, row in rows.items():
        bus, _, phase = node.partition(".")
        if bus not in floating:
            continue
        turns = (f"{bus}.{(int(phase) - 1 + step) % 3 + 1}" for step in (1, 2))
        other = next((turn for turn in turns if turn in rows), None)
        if other is not None:
            firsts.append(row)
            seconds.append(rows[other])
            bases.append(1e3 * base_kv[bus])
    return np.array(firsts, np.intp), np.array(seconds, np.intp), np.array(bases)


def _connections(ask: Ask, transformer: str) -> list[str]:
    return [word.lower() for word in words(ask(f"{transformer}.conns"))]
