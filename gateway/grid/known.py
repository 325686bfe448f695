"""What every state of a feeder model rests on, and which voltages that leaves in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.grid.network import Network
from gateway.grid.topology import Buses, energised, zones


class Basis(StrEnum):
    """What a state rests on.

    ``ASSUMED`` is as the model's file has it: nothing measures it. ``UNKNOWN`` is measured by a
    point that says nothing now; the model then has what was seen last, or the file's.
    """

    MEASURED = "measured"
    FORECAST = "forecast"
    ASSUMED = "assumed"
    UNKNOWN = "unknown"


Kind = Literal["switch", "tap", "capacitor", "der", "load"]


@dataclass(frozen=True, slots=True)
class State:
    """One state of the model.

    Attributes:
        element: as the model calls it; of loads the phase that one meter sees together.
        seen: what it was seen at last, 1 for closed, W for a DER; None where it never was, where
            it is measured, and for loads.
    """

    kind: Kind
    element: str
    basis: Basis
    seen: float | None = None

    def __str__(self) -> str:
        """As an operator would say it."""
        return f"{self.kind} {self.element}"


@dataclass(frozen=True, slots=True)
class Known:
    """The account of all states."""

    states: tuple[State, ...] = ()

    def of(self, basis: Basis) -> tuple[State, ...]:
        """Those that rest on it."""
        return tuple(state for state in self.states if state.basis is basis)

    def counts(self) -> dict[str, int]:
        """How many rest on what."""
        found = Counter(state.basis.value for state in self.states)
        return {basis.value: found[basis.value] for basis in Basis}

    def unknown(self) -> str:
        """The unknown ones as text; empty where there are none."""
        return ", ".join(map(str, self.of(Basis.UNKNOWN)))


@dataclass(frozen=True, slots=True)
class Doubts:
    """Which nodes' modelled voltages rest on something unknown, by the first such state."""

    causes: Mapping[str, str] = field(default_factory=dict)

    def of(self, node: str) -> str:
        """What is unknown there, as text; empty where nothing is."""
        return self.causes.get(node, "")

    def at(self, bus: str) -> str:
        """The same of any phase of a bus."""
        return next((c for node, c in self.causes.items() if node.partition(".")[0] == bus), "")


def with_file(
    known: Known, taps: Iterable[str], capacitors: Iterable[str], ders: Iterable[str]
) -> Known:
    """An account with what the model has beside it: there its file is all there is."""
    bound = {(state.kind, state.element) for state in known.states}
    rest: list[State] = []
    kinds: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("tap", taps),
        ("capacitor", capacitors),
        ("der", ders),
    )
    for kind, names in kinds:
        rest += [State(kind, name, Basis.ASSUMED) for name in names if (kind, name) not in bound]
    return Known((*known.states, *rest))


def doubts(
    known: Known,
    network: Network,
    nodes: Iterable[str],
    open_branches: Collection[str],
    measured: Collection[str],
) -> Doubts:
    """What unknown states leave in doubt.

    A switch: what it would feed, and where it was last seen open the sections at both its ends. A
    tap: its phases of all that is fed through it. A capacitor or DER: its section between bound
    switches. Loads: their phase.

    Args:
        known: the account.
        network: the feeder.
        nodes: ``bus.phase`` of the whole model.
        open_branches: all that are open now.
        measured: nodes with a good meter; a measured voltage is in no doubt.
    """
    unknown = known.of(Basis.UNKNOWN)
    if not unknown:
        return Doubts()
    switches = [state.element for state in known.states if state.kind == "switch"]
    areas = zones(network, switches)
    everywhere = frozenset(network.base_kv)
    causes: dict[str, str] = {}
    for state in unknown:
        phases: tuple[str, ...] = ("1", "2", "3")
        if state.kind == "switch":
            buses = _beyond_switch(network, areas, open_branches, state)
        elif state.kind == "tap":
            branch = network.branches.get(f"transformer.{state.element}")
            phases = phases if branch is None else tuple(map(str, branch.phases))
            buses = frozenset() if branch is None else _fed(network, open_branches, branch.ends)
        elif state.kind == "load":
            buses, phases = everywhere, (state.element,)
        else:
            places = network.capacitors if state.kind == "capacitor" else network.ders
            buses = _areas_of(areas, (places.get(state.element, ""),))
        for node in nodes:
            bus, _, phase = node.partition(".")
            if bus in buses and phase in phases and node not in measured:
                causes.setdefault(node, str(state))
    return Doubts(causes)


def _beyond_switch(
    network: Network, areas: Collection[Buses], open_branches: Collection[str], state: State
) -> Buses:
    ends = network.branches[state.element].ends
    fed = _fed(network, {*open_branches} - {state.element}, ends)
    if state.element in open_branches or not fed:
        return fed | _areas_of(areas, ends)
    return fed


def _fed(network: Network, open_branches: Collection[str], ends: tuple[str, str]) -> Buses:
    """What has supply only through the branches between two buses."""
    between = [name for name, one in network.branches.items() if set(one.ends) == set(ends)]
    live = energised(network, open_branches)
    return live - energised(network, {*open_branches, *between})


def _areas_of(areas: Collection[Buses], buses: Collection[str]) -> Buses:
    return frozenset().union(*(area for area in areas if not area.isdisjoint(buses)))
