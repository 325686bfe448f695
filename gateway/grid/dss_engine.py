"""Power flow on a ``.dss`` master with dss-python (DSS C-API)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dss import DSS
from numpy.typing import NDArray

from gateway.grid.powerflow import PHASES, TAP_STEP, Solution
from gateway.model.errors import ConfigError, ConfigIssue

_MAX_ITERATIONS = 50
#: The engine's words for the file's own controls.
_CONTROLS_OFF, _CONTROLS_STATIC = -1, 0
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class _Load:
    index: int
    power_kw: float
    reactive_power_kvar: float
    phases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    name: str
    rows: NDArray[np.intp]
    watts_per_kw: float


class DssEngine:
    """A feeder model behind the :class:`~gateway.grid.powerflow.PowerFlow` interface.

    Each engine has a DSS context of its own. Capacitors and regulators keep the settings of the
    file until they are set; the file's own controls never move them.

    Args:
        master: the ``.dss`` file. Every regulator is a transformer whose second winding taps.
        head: elements (``Class.name``) whose first terminals carry what enters the feeder; a
            source counts what leaves it.
        changes: commands in the file's own language, run on it before it is read.

    Raises:
        ConfigError: the file cannot be compiled or solved, or a head element is not in it.
    """

    def __init__(
        self,
        master: Path,
        head: Sequence[str] = ("Vsource.source",),
        changes: Sequence[str] = (),
    ) -> None:
        self._dss: Any = DSS.NewContext()
        self._dss.AllowChangeDir = False
        self._dss.AllowForms = False
        self._compile(master.resolve(), changes)
        circuit = self._dss.ActiveCircuit
        self._circuit = circuit
        self.nodes = tuple(str(name).lower() for name in circuit.AllNodeNames)
        self._transformers = {str(n).lower(): i for i, n in _named(circuit.Transformers)}
        self._capacitors = {str(n).lower(): i for i, n in _named(circuit.Capacitors)}
        self._generators = {str(n).lower(): i for i, n in _named(circuit.Generators)}
        self.injection_buses: Mapping[str, str] = self._read_buses()
        self._loads = tuple(self._read_loads())
        self._head = tuple(self._read_head(name, master) for name in head)
        self._taps: dict[str, int] = {}
        self._closed: dict[str, bool] = {}
        self._read_controls()

    @property
    def taps(self) -> dict[str, int]:
        """Present tap steps by transformer name."""
        return dict(self._taps)

    @property
    def capacitors(self) -> dict[str, bool]:
        """Present switch states by capacitor name."""
        return dict(self._closed)

    @property
    def regulators(self) -> tuple[str, ...]:
        """Transformers that the file gives a regulator control, switched off or not."""
        found: list[str] = []
        if not self._circuit.RegControls.Count:
            return ()  # the engine would name one NONE
        for control in self._circuit.RegControls.AllNames:
            self._dss.Text.Command = f"? regcontrol.{control}.transformer"
            found.append(str(self._dss.Text.Result).lower())
        return tuple(name for name in found if name in self._transformers)

    def set_tap(self, regulator: str, tap: int) -> None:
        """Set a regulator's tap step; the ratio is ``1 + 0.00625 * tap``.

        Raises:
            KeyError: no such transformer.
        """
        index = self._transformers[regulator]
        if self._taps[regulator] == tap:
            return  # a tap change rebuilds the admittance matrix, the costly part of a solve
        transformers = self._circuit.Transformers
        transformers.idx = index
        transformers.Wdg = 2
        transformers.Tap = 1.0 + TAP_STEP * tap
        self._taps[regulator] = tap

    def set_capacitor(self, capacitor: str, *, closed: bool) -> None:
        """Switch a capacitor.

        Raises:
            KeyError: no such capacitor.
        """
        index = self._capacitors[capacitor]
        if self._closed[capacitor] == closed:
            return
        self._circuit.Capacitors.idx = index
        self._circuit.Capacitors.States = [int(closed)]
        self._closed[capacitor] = closed

    def set_injection(self, element: str, power_w: float, reactive_power_var: float) -> None:
        """Set what a DER injects; generation positive.

        Raises:
            KeyError: no such generator.
        """
        generators = self._circuit.Generators
        generators.idx = self._generators[element]
        generators.kW = power_w / 1e3
        generators.kvar = reactive_power_var / 1e3  # after kW: kW alone would keep the old pf

    def scale_loads(self, multipliers: NDArray[np.float64]) -> None:
        """Scale loads from their nominal.

        Args:
            multipliers: shape (3, 2): real and reactive, a phase. A load on several phases
                takes the mean of theirs.
        """
        loads = self._circuit.Loads
        for load in self._loads:
            loads.idx = load.index
            p, q = multipliers[[phase - 1 for phase in load.phases]].mean(axis=0)
            loads.kW = load.power_kw * p
            loads.kvar = load.reactive_power_kvar * q

    def solve(self) -> Solution:
        """Solve with the present settings."""
        self._circuit.Solution.SolveNoControl()
        head = self._head_flow()
        return Solution(
            converged=bool(self._circuit.Solution.Converged),
            voltages_pu=np.array(self._circuit.AllBusVmagPu),
            losses_w=float(self._circuit.Losses[0]),
            head_p_w=head[:, 0],
            head_q_var=head[:, 1],
        )

    def settle(self) -> Solution:
        """Solve with the file's own regulator and capacitor controls on; they stay where they stop.

        Raises:
            dss.DSSException: they do not come to rest.
        """
        solution = self._circuit.Solution
        solution.ControlMode = _CONTROLS_STATIC
        solution.Solve()
        solution.ControlMode = _CONTROLS_OFF
        self._read_controls()
        return self.solve()

    def _read_controls(self) -> None:
        for name in self._transformers:
            self._taps[name] = self._read_tap(name)
        for name, index in self._capacitors.items():
            self._circuit.Capacitors.idx = index
            self._closed[name] = bool(self._circuit.Capacitors.States[0])

    def _head_flow(self) -> NDArray[np.float64]:
        flow = np.zeros((3, 2))
        for head in self._head:
            self._circuit.SetActiveElement(head.name)
            powers = np.asarray(self._circuit.ActiveCktElement.Powers).reshape(-1, 2)
            flow[head.rows] += powers[: len(head.rows)] * head.watts_per_kw
        return flow

    def _read_head(self, name: str, master: Path) -> _Head:
        if self._circuit.SetActiveElement(name) < 0:
            message = f"the feeder model has no head element {name!r}"
            raise ConfigError([ConfigIssue(str(master), 0, 0, message, "name one, Class.name")])
        element = self._circuit.ActiveCktElement
        terminal = list(element.NodeOrder)[: element.NumConductors]
        rows = np.array([node - 1 for node in terminal if node in PHASES], dtype=np.intp)
        return _Head(name, rows, -1e3 if name.lower().startswith("vsource") else 1e3)

    def _compile(self, master: Path, changes: Sequence[str]) -> None:
        try:
            self._dss.Text.Command = "clear"
            self._dss.Text.Command = f'compile "{master}"'
            for change in changes:
                self._dss.Text.Command = change
            solution = self._dss.ActiveCircuit.Solution
            solution.ControlMode = _CONTROLS_OFF  # only we move them
            solution.Tolerance = _TOLERANCE
            solution.MaxIterations = _MAX_ITERATIONS
            solution.Solve()
        except Exception as error:  # dss-python raises its own, untyped exception
            message = f"the feeder model cannot be used: {error}"
            raise ConfigError(
                [ConfigIssue(str(master), 0, 0, message, "mend the model")]
            ) from error
        if not solution.Converged:
            message = "the feeder model does not converge"
            raise ConfigError([ConfigIssue(str(master), 0, 0, message, "mend the model")])

    def _read_loads(self) -> list[_Load]:
        loads, found = self._circuit.Loads, []
        for index, _ in _named(loads):
            loads.idx = index
            bus = str(self._circuit.ActiveCktElement.BusNames[0])
            nodes = [int(node) for node in bus.split(".")[1:]] or [1, 2, 3]
            phases = tuple(node for node in nodes if node in PHASES)
            found.append(_Load(index, float(loads.kW), float(loads.kvar), phases))
        return found

    def _read_buses(self) -> dict[str, str]:
        buses = {}
        for name, index in self._generators.items():
            self._circuit.Generators.idx = index
            bus = str(self._circuit.ActiveCktElement.BusNames[0])
            buses[name] = bus.partition(".")[0].lower()
        return buses

    def _read_tap(self, name: str) -> int:
        transformers = self._circuit.Transformers
        transformers.idx = self._transformers[name]
        transformers.Wdg = min(2, int(transformers.NumWindings))
        return round((float(transformers.Tap) - 1.0) / TAP_STEP)


def _named(collection: Any) -> list[tuple[int, str]]:
    """1-based position and name of every element; leaves each one active in turn."""
    found = []
    position = collection.First
    while position:
        found.append((int(collection.idx), str(collection.Name)))
        position = collection.Next
    return found
