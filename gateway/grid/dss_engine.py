"""Power flow on a ``.dss`` master with dss-python (DSS C-API)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dss import DSS
from numpy.typing import NDArray

from gateway.grid.dss_feeder import DssFeeder
from gateway.grid.dss_host import DssHost


class DssEngine(DssFeeder):
    """A feeder model behind the :class:`~gateway.grid.powerflow.PowerFlow` interface.

    Each engine has a DSS context of its own, so one process may hold several. Arguments and
    errors are those of :class:`~gateway.grid.dss_feeder.DssFeeder`.
    """

    def __init__(
        self,
        master: Path,
        head: Sequence[str] = ("Vsource.source",),
        changes: Sequence[str] = (),
    ) -> None:
        super().__init__(_DssPython(), master, head, changes)


class _DssPython(DssHost):
    """What is asked in every power flow goes past the language, which takes ten times as long."""

    def __init__(self) -> None:
        self._dss: Any = DSS.NewContext()
        self._dss.AllowChangeDir = False
        self._dss.AllowForms = False
        self._dss.AllowEditor = False  # a master that shows reports opens no program here
        self._circuit: Any = self._dss.ActiveCircuit
        self._rows: dict[str, dict[str, int]] = {}

    def run(self, command: str) -> str:
        text = self._dss.Text
        text.Command = command
        return str(text.Result)

    def element_names(self) -> Sequence[str]:
        return [str(name) for name in self._circuit.AllElementNames]

    def node_names(self) -> Sequence[str]:
        return [str(name) for name in self._circuit.AllNodeNames]

    def base_kv(self) -> dict[str, float]:
        return {str(bus.Name).lower(): float(bus.kVBase) * 3.0**0.5 for bus in self._circuit.Buses}

    def is_open(self, element: str) -> bool:
        self._circuit.SetActiveElement(element)
        active = self._circuit.ActiveCktElement
        phases = range(1, active.NumPhases + 1)
        return any(all(active.IsOpen(end, phase) for phase in phases) for end in (1, 2))

    def first_end(self, element: str) -> Sequence[int] | None:
        if self._circuit.SetActiveElement(element) < 0:
            return None
        active = self._circuit.ActiveCktElement
        return [int(node) for node in active.NodeOrder[: active.NumConductors]]

    def solve(self) -> bool:
        self._circuit.Solution.SolveNoControl()
        return bool(self._circuit.Solution.Converged)

    def voltages_pu(self) -> NDArray[np.float64]:
        return np.array(self._circuit.AllBusVmagPu)

    def voltages_v(self) -> NDArray[np.complex128]:
        return np.array(self._circuit.AllBusVolts).view(np.complex128)

    def losses_w(self) -> float:
        return float(self._circuit.Losses[0])

    def powers_kva(self, element: str) -> NDArray[np.complex128]:
        self._circuit.SetActiveElement(element)
        return np.array(self._circuit.ActiveCktElement.Powers).view(np.complex128)

    def currents_a(self, element: str) -> NDArray[np.complex128]:
        self._circuit.SetActiveElement(element)
        return np.array(self._circuit.ActiveCktElement.Currents).view(np.complex128)

    def put_tap(self, transformer: str, ratio: float) -> None:
        transformers = self._circuit.Transformers
        transformers.idx = self._row("Transformers", transformer)
        transformers.Wdg = 2
        transformers.Tap = ratio

    def put_injection(self, generator: str, power_kw: float, reactive_power_kvar: float) -> None:
        generators = self._circuit.Generators
        generators.idx = self._row("Generators", generator)
        generators.kW = power_kw
        generators.kvar = reactive_power_kvar  # after kW: kW alone would keep the old pf

    def put_load(self, load: str, power_kw: float, reactive_power_kvar: float) -> None:
        loads = self._circuit.Loads
        loads.idx = self._row("Loads", load)
        loads.kW = power_kw
        loads.kvar = reactive_power_kvar

    def _row(self, collection: str, name: str) -> int:
        """1-based position of an element in its collection, found for all at once."""
        rows = self._rows.get(collection)
        if rows is None:
            elements, rows = getattr(self._circuit, collection), {}
            for row in range(1, elements.Count + 1):
                elements.idx = row
                rows[str(elements.Name).lower()] = row
            self._rows[collection] = rows
        return rows[name]
