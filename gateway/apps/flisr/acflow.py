"""The full power flow as judge of switch positions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gateway.apps.flisr.graph import Edges, Graph
from gateway.apps.flisr.task import Verdict
from gateway.grid.powerflow import PowerFlow, Solution

#: Below this a phase has no supply, whatever its bus has.
_NO_SUPPLY_PU = 0.2


class AcJudge:
    """Sets switches on the model, solves, and holds the answer against the limits.

    Voltages count where load is: a bus that only passes power on, or is fed backwards through a
    regulator, may stand where it will.

    Args:
        model: loads and injections are set by the caller.
        graph: whose edges are judged.
        voltage_min_pu, voltage_max_pu: at buses with load.
    """

    def __init__(
        self, model: PowerFlow, graph: Graph, voltage_min_pu: float, voltage_max_pu: float = 1.1
    ) -> None:
        self._model, self._graph = model, graph
        self._low_pu, self._high_pu = voltage_min_pu, voltage_max_pu
        loads = model.network.loads_va
        buses = [node.partition(".")[0] for node in model.nodes]
        self._counts = np.array([bool(loads.get(bus)) for bus in buses])
        self._bus_of = np.unique(buses, return_inverse=True)[1]
        self._capacities_w: Mapping[str, float] = {s.name: s.capacity_w for s in graph.sources}

    def __call__(self, closed: Edges) -> Verdict:
        """The verdict on a set of closed edges."""
        for number, edge in enumerate(self._graph.edges):
            if not edge.poi_bus:
                self._model.set_switch(edge.branch, closed=number in closed)
        solution = self._model.solve()
        if not solution.converged:
            return Verdict(ok=False, why="the power flow does not converge")
        lowest, why = self._voltages(solution)
        why = why or self._loads()
        return Verdict(not why, why, lowest, solution.losses_w)

    def _voltages(self, solution: Solution) -> tuple[float, str]:
        volts = solution.voltages_pu
        live = np.bincount(self._bus_of, volts > _NO_SUPPLY_PU)[self._bus_of] > 0
        judged = volts[live & self._counts]
        if not judged.size:
            return 0.0, ""
        lowest, highest = float(judged.min()), float(judged.max())
        if lowest < _NO_SUPPLY_PU:
            return lowest, "a phase without supply"
        if lowest < self._low_pu:
            return lowest, f"{lowest:.4f} pu"
        return lowest, f"{highest:.4f} pu" if highest > self._high_pu else ""

    def _loads(self) -> str:
        for name, power_w in self._model.source_powers_w().items():
            most_w = self._capacities_w.get(name)
            if most_w is not None and power_w > most_w:
                return f"{name} gives {power_w / 1e3:.0f} of {most_w / 1e3:.0f} kW"
        for name, loading in self._model.loadings().items():
            if loading > 1.0:
                return f"{name} carries {100.0 * loading:.0f} % of its rating"
        return ""
