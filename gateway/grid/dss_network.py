"""Reading a feeder's graph out of a model in the ``.dss`` language, whichever engine holds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from gateway.grid.dss_devices import Devices
from gateway.grid.dss_text import Ask, Terminal, elements_of, numbers, terminal, words
from gateway.grid.network import Branch, Network
from gateway.grid.supply import Conductors

#: What the engines give a line whose file states no rating. They cannot tell it from one stated.
DEFAULT_RATING_A = 400.0
#: Classes of branches that can be opened.
SWITCHABLE = ("line", "reactor")


def read_network(
    ask: Ask,
    names: Iterable[str],
    base_kv: Mapping[str, float],
    open_branches: frozenset[str],
    devices: Devices,
) -> tuple[Network, Conductors]:
    """Ask for everything the graph holds.

    Args:
        ask: the value of ``class.name.property``.
        names: every element, ``class.name`` in lower case.
        base_kv: line-to-line, by bus.
        open_branches: those open in the file.
        devices: what else the model holds.
    """
    branches: dict[str, Branch] = {}
    conductors: dict[str, tuple[tuple[str, str], ...]] = {}
    for kind, read in (("line", _line), ("reactor", _reactor), ("transformer", _transformer)):
        for name in elements_of(ask, names, kind):
            for branch, pairs in read(ask, name):
                branches[branch.name] = branch
                conductors[branch.name] = pairs
    loads_va: dict[str, complex] = {}
    for load in devices.loads:
        power_va = 1e3 * complex(load.power_kw, load.reactive_power_kvar)
        loads_va[load.at.bus] = loads_va.get(load.at.bus, 0j) + power_va
    sources = {name: at.bus for name, at in devices.sources.items()}
    ders = {name: at.bus for name, at in devices.generators.items()}
    places = {name: at.bus for name, at in devices.capacitor_ends.items()}
    return Network(base_kv, branches, open_branches, loads_va, sources, ders, places), conductors


_Read = Iterator[tuple[Branch, tuple[tuple[str, str], ...]]]


def _line(ask: Ask, name: str) -> _Read:
    ends = _two_ends(ask, name)
    if ends[0].bus == ends[1].bus:
        return
    length = float(ask(f"{name}.length"))
    r_ohm, x_ohm = (_positive_sequence(ask(f"{name}.{m}matrix")) * length for m in "rx")
    rating_a = float(ask(f"{name}.normamps"))
    if rating_a == DEFAULT_RATING_A:
        rating_a = 0.0
    yield _branch(name, ends, (r_ohm, x_ohm), rating_a), _pairs(*ends)


def _reactor(ask: Ask, name: str) -> _Read:
    ends = _two_ends(ask, name)
    if ends[0].bus != ends[1].bus:  # else a shunt
        ohm = float(ask(f"{name}.r")), float(ask(f"{name}.x"))
        yield _branch(name, ends, ohm, 0.0), _pairs(*ends)


def _transformer(ask: Ask, name: str) -> _Read:
    phases = int(ask(f"{name}.phases"))
    ends = [terminal(bus, phases) for bus in words(ask(f"{name}.buses"))]
    kvs, kvas, ohmic = (numbers(ask(f"{name}.{what}")) for what in ("kvs", "kvas", "%rs"))
    base_ohm = 1e3 * kvs[1] ** 2 / kvas[0]
    ohm = base_ohm * (ohmic[0] + ohmic[1]) / 100.0, base_ohm * float(ask(f"{name}.xhl")) / 100.0
    rating_a = kvas[0] / kvs[0] / (np.sqrt(3.0) if phases == 3 else 1.0)
    second = ends[1].bus
    both = [end for end in ends[1:] if end.bus == second]  # halves of a centre-tapped winding
    pairs = tuple(pair for end in both for pair in _pairs(ends[0], end))
    yield _branch(name, (ends[0], ends[1]), ohm, float(rating_a)), pairs
    for number, end in enumerate(ends[2:], 3):
        if end.bus not in (ends[0].bus, second):
            yield _branch(f"{name}.{number}", (ends[0], end), ohm, 0.0), _pairs(ends[0], end)


def _branch(
    name: str, ends: tuple[Terminal, Terminal], ohm: tuple[float, float], rating_a: float
) -> Branch:
    return Branch(name, (ends[0].bus, ends[1].bus), ends[0].phases, *ohm, rating_a)


def _two_ends(ask: Ask, name: str) -> tuple[Terminal, Terminal]:
    phases = int(ask(f"{name}.phases"))
    return terminal(ask(f"{name}.bus1"), phases), terminal(ask(f"{name}.bus2"), phases)


def _pairs(first: Terminal, second: Terminal) -> tuple[tuple[str, str], ...]:
    if len(first.numbers) == len(second.numbers):
        return tuple(zip(first.nodes, second.nodes, strict=True))
    return tuple((one, other) for one in first.nodes for other in second.nodes)


def _positive_sequence(triangle: str) -> float:
    """Mean self less mean mutual impedance of a lower triangle, ohm a unit of length."""
    rows = [numbers(row) for row in triangle.split("|")]
    mutual = [value for row in rows for value in row[:-1]]
    return float(np.mean([row[-1] for row in rows]) - (np.mean(mutual) if mutual else 0.0))
