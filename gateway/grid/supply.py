"""Which nodes of a feeder have a closed path to a source: the graph again, phase by phase."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

#: Pairs of nodes (``bus.phase``) that each branch joins when closed, by branch name.
Conductors = Mapping[str, tuple[tuple[str, str], ...]]


class Supply:
    """The nodes and what joins them.

    Args:
        nodes: all, in the engine's order.
        conductors: what each branch joins.
    """

    def __init__(self, nodes: tuple[str, ...], conductors: Conductors) -> None:
        self._rows = {node: row for row, node in enumerate(nodes)}
        self._neighbours: list[list[tuple[str, int]]] = [[] for _ in nodes]
        for branch, pairs in conductors.items():
            for first, second in pairs:
                one, other = self._rows[first], self._rows[second]
                self._neighbours[one].append((branch, other))
                self._neighbours[other].append((branch, one))

    def live(self, open_branches: Collection[str], sources: Iterable[str]) -> NDArray[np.bool_]:
        """Which nodes are supplied, shape (nodes,), from the nodes of the live sources."""
        waiting = [self._rows[node] for node in sources]
        reached = np.zeros(len(self._rows), dtype=np.bool_)
        seen = set(waiting)
        while waiting:
            for branch, row in self._neighbours[waiting.pop()]:
                if row not in seen and branch not in open_branches:
                    seen.add(row)
                    waiting.append(row)
        reached[list(seen)] = True
        return reached
