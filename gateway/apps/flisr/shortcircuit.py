"""Fault studies on the model: what indicators and a fault locator would see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.apps.flisr.graph import Edges, Graph
from gateway.apps.flisr.locate import Evidence, Flag, Place, Seen
from gateway.grid.powerflow import PowerFlow

#: Least resistance of a fault in a study, and how often it is corrected by the current seen.
_LEAST_OHM, _FITS = 0.01, 6
#: A locator and the model agree to this share of a reactance, this many ohm, this share of current.
_REACTANCE_SHARE, _REACTANCE_OHM, _CURRENT_SHARE = 0.02, 0.005, 0.02
#: A sag recorder and the model to this many pu.
_SAG_PU = 0.015
#: What is a sag, as power quality has it.
_SAG_BELOW_PU = 0.9

#: A bus so many spreads off is not looked at closer; a current so near is met.
_HOPELESS, _CLOSE = 8.0, 0.05


class FaultStudy:
    """Short circuits on the model with its switches as they were.

    Args:
        model: loads and injections are set by the caller.
        graph: whose edges have indicators.
        closed: edges that are closed.
        pickups_a: current by edge from which its indicator shows a fault.
        tripping: edge of the switch that trips, whose relay is the locator.
    """

    def __init__(
        self,
        model: PowerFlow,
        graph: Graph,
        closed: Edges,
        pickups_a: Mapping[int, float],
        tripping: int,
    ) -> None:
        self._model, self._graph, self._closed = model, graph, closed
        self._pickups_a, self._tripping = pickups_a, tripping
        for number, edge in enumerate(graph.edges):
            if not edge.poi_bus:
                model.set_switch(edge.branch, closed=number in closed)
        self._volts_pu = np.zeros(0)
        at: dict[str, list[int]] = {}
        for place, node in enumerate(model.nodes):
            at.setdefault(node.partition(".")[0], []).append(place)
        #: Nodes where each switch measures voltage.
        self._nodes = {
            number: at[model.network.branches[edge.branch].ends[0]]
            for number, edge in enumerate(graph.edges)
            if not edge.poi_bus
        }

    def phases(self, bus: str) -> tuple[int, ...]:
        """Phases that a bus has."""
        own = (node.rpartition(".") for node in self._model.nodes)
        return tuple(int(phase) for name, _, phase in own if name == bus and phase in "123")

    def evidence(
        self, bus: str, phases: Sequence[int], ohm: float, line: int | None = None
    ) -> Evidence | None:
        """What the field would say of a fault.

        Args:
            bus: where it burns; of one inside a microgrid, its POI's.
            phases: shorted to ground.
            ohm: each of them.
            line: edge on whose line it burns, just before ``bus``; or the POI it burns behind.

        Returns:
            None where the model does not converge, or nothing picks up.
        """
        if not self._solve(bus, phases, ohm):
            return None
        flags, seen_by_tripping = {}, frozenset[int]()
        for number in self._closed:
            if self._graph.edges[number].poi_bus:  # inverters drive no fault current to speak of
                behind = number == line
                flags[number] = Flag(behind, True if behind else None)
                continue
            branch = self._graph.edges[number].branch
            amps, powers = self._model.currents_a(branch), self._model.powers_va(branch)
            picked = {p for p, a in amps.items() if a > self._pickups_a[number] and p in phases}
            total = sum((powers[p] for p in picked), 0j)
            # active and reactive power both flow towards a fault
            forward = total.real + total.imag > 0 if picked else None
            flags[number] = Flag(bool(picked), forward, through=number != line)
            if number == self._tripping:
                seen_by_tripping = frozenset(picked)
        if self._graph.edges[self._tripping].poi_bus:
            self._model.clear_fault()
            return Evidence(flags, self._tripping, None, frozenset(phases))
        relay = self._relay(seen_by_tripping)
        self._model.clear_fault()
        if relay is None:
            return None
        left = ((number, self._sag_pu(number)) for number in self._nodes)
        sags_pu = {number: pu for number, pu in left if pu < _SAG_BELOW_PU}
        seen = Seen(relay.current_a, relay.reactance_ohm, sags_pu)
        return Evidence(flags, self._tripping, seen, seen_by_tripping)

    def likelihood(self, place: Place, seen: Seen, phases: frozenset[int]) -> float:
        """How well a fault at a place explains what the relay saw: summed over its buses."""
        zones, edges = self._graph.zones, self._graph.edges
        ends = (place.zone,) if place.edge is None else edges[place.edge].ends
        buses = sorted(set().union(*(zones[zone].buses for zone in ends if zone is not None)))
        if place.zone is not None and not buses:  # inside a microgrid: as seen at its POI
            around = self._graph.around[place.zone]
            buses = [edges[edge].poi_bus for edge in around if edges[edge].poi_bus]
        found, ohm = 0.0, _LEAST_OHM
        for bus in buses:
            if phases <= frozenset(self.phases(bus)):
                fit, ohm = self._fit(bus, phases, seen, ohm)
                found += fit
        self._model.clear_fault()
        return found

    def _fit(self, bus: str, phases: frozenset[int], seen: Seen, ohm: float) -> tuple[float, float]:
        """The same of a bus, and its fault resistance: what explains the current best.

        A neighbour's resistance is a good one to begin with.
        """
        spread = _REACTANCE_SHARE * seen.reactance_ohm + _REACTANCE_OHM
        off = current = 0.0
        for _ in range(_FITS + 1):
            now = self._relay(phases) if self._solve(bus, sorted(phases), ohm) else None
            if now is None:
                return 0.0, _LEAST_OHM
            off = (now.reactance_ohm - seen.reactance_ohm) / spread
            if abs(off) > _HOPELESS:  # the reactance hardly hangs on the fault's resistance
                return 0.0, ohm
            current = (now.current_a / seen.current_a - 1.0) / _CURRENT_SHARE
            if abs(current) < _CLOSE:
                break
            wanted = math.sqrt(max((now.voltage_v / seen.current_a) ** 2 - now.reactance_ohm**2, 0))
            ohm = max(_LEAST_OHM, ohm + wanted - now.resistance_ohm)
        sags = sum(((self._sag_pu(edge) - pu) / _SAG_PU) ** 2 for edge, pu in seen.sags_pu.items())
        return math.exp(-0.5 * (off**2 + current**2 + sags)), ohm

    def _sag_pu(self, edge: int) -> float:
        return float(self._volts_pu[self._nodes[edge]].min())

    def _solve(self, bus: str, phases: Sequence[int], ohm: float) -> bool:
        self._model.set_fault(bus, tuple(phases), ohm)
        solution = self._model.solve()
        self._volts_pu = solution.voltages_pu
        return solution.converged

    def _relay(self, phases: frozenset[int]) -> _Relay | None:
        """What the tripping switch's relay sees in the phase with the most current."""
        branch = self._graph.edges[self._tripping].branch
        amps, powers = self._model.currents_a(branch), self._model.powers_va(branch)
        worst = max(phases, key=lambda phase: amps.get(phase, 0.0), default=0)
        current = amps.get(worst, 0.0)
        if not current:
            return None
        power = powers[worst]
        square = current**2
        return _Relay(current, abs(power) / current, power.real / square, abs(power.imag) / square)


@dataclass(frozen=True, slots=True)
class _Relay:
    current_a: float
    voltage_v: float
    resistance_ohm: float
    reactance_ohm: float
