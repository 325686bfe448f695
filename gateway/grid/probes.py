"""Idle generators added to a model, by which power is tried at a bus that has none of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from gateway.grid.powerflow import PHASES


def probes(
    nodes: Iterable[str], base_kv: Mapping[str, float], buses: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """One probe a phase of each bus.

    Args:
        nodes: ``bus.phase`` of the whole model.
        base_kv: line-to-line, by bus.
        buses: where probes are wanted.

    Returns:
        The probes' names by bus, and commands for an engine's ``changes``.
    """
    there = set(nodes)
    names, commands = {}, []
    for bus in buses:
        found = []
        for phase in PHASES:
            if f"{bus}.{phase}" in there:
                name = f"probe_{bus}_{phase}"
                found.append(name)
                commands.append(
                    f"new generator.{name} bus1={bus}.{phase} phases=1 model=1 kw=0 kvar=0"
                    f" kv={base_kv[bus] / math.sqrt(3.0)} vminpu=0.5 vmaxpu=1.5"
                )
        if found:
            names[bus] = tuple(found)
    return names, tuple(commands)
