"""EPRI's OpenDSS through py-dss-interface, reduced to what the plant needs.

The interface changes the working directory when it starts and when it compiles; both are undone
here. It also writes to file descriptor 1, which is why a plant process points that elsewhere.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from hil.plant.supply import Edge, Grid

Phasor = complex


class EngineError(RuntimeError):
    """OpenDSS refused a command or did not converge."""


class Feeder:
    """One compiled feeder.

    Attributes:
        nodes: every node as ``bus.phase``, OpenDSS's order.
        loads: nominal (kW, kvar) of each load.
        load_nodes: where each load is connected.
        grid: what is joined to what.
        lines: length of each line in its own units.
    """

    def __init__(self, master: Path) -> None:
        """Compile ``master`` (an absolute path).

        Raises:
            EngineError: OpenDSS did not take it.
        """
        cwd = Path.cwd()
        try:
            from py_dss_interface import DSS  # noqa: PLC0415 - slow, and it changes the directory

            self._dss: Any = DSS()
            self.command(f'compile "{master}"')
        finally:
            os.chdir(cwd)
        self.command("set tolerance=1e-8")
        self.command("set maxiterations=100")
        self.nodes: tuple[str, ...] = tuple(self._dss.circuit.nodes_names)
        self._base_v = self._node_bases()
        self.loads = {n: self._pair("load", n) for n in self._dss.loads.names}
        self.lines = {n: self._number("line", n, "length") for n in self._dss.lines.names}
        names = self._dss.loads.names
        self.load_nodes = {n: tuple(self._terminals(f"Load.{n}")[0]) for n in names}
        self.grid = self._map_grid()

    def command(self, text: str) -> str:
        """Run one OpenDSS command and return its result.

        Raises:
            EngineError: OpenDSS answered with an error.
        """
        result = str(self._dss.text(text)).strip()
        if self._dss.errorinterface.error_code:
            raise EngineError(f"{text}: {result}")
        return result

    def set_load(self, name: str, p_kw: float, q_kvar: float) -> None:
        """Set a load's nominal power."""
        self.command(f"edit Load.{name} kw={p_kw:.9g} kvar={q_kvar:.9g}")

    def set_injection(self, element: str, power_w: float, reactive_power_var: float) -> None:
        """Set a generator's output, injection positive."""
        self.command(
            f"edit Generator.{element} kw={power_w / 1e3:.9g} kvar={reactive_power_var / 1e3:.9g}"
        )

    def set_tap(self, transformer: str, position: int) -> None:
        """Put a regulator on a tap: ratio 1 + 0.00625 x position on winding 2."""
        self.command(f"edit Transformer.{transformer} wdg=2 tap={1 + 0.00625 * position:.6f}")

    def set_capacitor(self, name: str, *, closed: bool) -> None:
        """Open or close a capacitor's only step."""
        self.command(f"edit Capacitor.{name} states=[{int(closed)}]")

    def set_switch(self, line: str, *, closed: bool) -> None:
        """Open or close a line at both ends, all phases."""
        for terminal in (1, 2):
            self.command(f"{'close' if closed else 'open'} Line.{line} term={terminal}")

    def add_fault(self, name: str, nodes: tuple[str, ...], ohm: float) -> None:
        """Prepare a fault to ground on nodes of one bus; it does not burn yet."""
        bus = nodes[0].partition(".")[0]
        phases = ".".join(node.partition(".")[2] for node in nodes)
        zero = ".0" * len(nodes)
        self.command(
            f"new Fault.{name} phases={len(nodes)} bus1={bus}.{phases} bus2={bus}{zero} "
            f"r={ohm:.9g} enabled=no"
        )

    def set_fault(self, name: str, *, present: bool) -> None:
        """Start or clear a fault."""
        self.command(f"edit Fault.{name} enabled={'yes' if present else 'no'}")

    def scale_line(self, name: str, factor: float) -> None:
        """Make a line longer or shorter than the model says."""
        self.command(f"edit Line.{name} length={self.lines[name] * factor:.9g}")

    def solve(self) -> None:
        """Solve a snapshot.

        Raises:
            EngineError: no convergence.
        """
        self._dss.solution.solve()
        if not self._dss.solution.converged:
            raise EngineError("the power flow did not converge")

    def phasors(self) -> dict[str, Phasor]:
        """Voltage to neutral of every node, V."""
        flat = self._dss.circuit.buses_volts
        return {n: complex(flat[2 * i], flat[2 * i + 1]) for i, n in enumerate(self.nodes)}

    def voltages_pu(self) -> dict[str, float]:
        """Magnitude of every node's voltage over its base."""
        return {n: abs(v) / self._base_v[n] for n, v in self.phasors().items()}

    def powers_va(self, element: str) -> tuple[complex, ...]:
        """P + jQ into each conductor of an element's first terminal, W and var."""
        self._dss.circuit.set_active_element(element)
        flat = self._dss.cktelement.powers
        count = len(flat) // 2 // int(self._dss.cktelement.num_terminals)
        return tuple(complex(flat[2 * i], flat[2 * i + 1]) * 1e3 for i in range(count))

    def currents_a(self, element: str) -> dict[str, complex]:
        """Current into each conductor of an element's first terminal, A, by phase number."""
        self._dss.circuit.set_active_element(element)
        flat = self._dss.cktelement.currents
        order = self._dss.cktelement.node_order
        count = len(flat) // 2 // int(self._dss.cktelement.num_terminals)
        return {str(order[i]): complex(flat[2 * i], flat[2 * i + 1]) for i in range(count)}

    def first_nodes(self, line: str) -> tuple[str, ...]:
        """Nodes at a line's first bus."""
        return tuple(self._terminals(f"Line.{line}")[0])

    def base_v(self, node: str) -> float:
        """Nominal voltage to neutral of a node."""
        return self._base_v[node]

    def losses_w(self) -> float:
        """Active losses of the whole circuit."""
        return float(self._dss.circuit.losses[0])

    def source_va(self) -> complex:
        """P + jQ delivered by the source."""
        p_kw, q_kvar = self._dss.circuit.total_power[:2]
        return complex(-p_kw, -q_kvar) * 1e3

    def _node_bases(self) -> dict[str, float]:
        bases: dict[str, float] = {}
        for node in self.nodes:
            self._dss.circuit.set_active_bus(node.partition(".")[0])
            bases[node] = float(self._dss.bus.kv_base) * 1e3
        if not all(math.isfinite(b) and b > 0 for b in bases.values()):
            raise EngineError("a bus has no voltage base; check VoltageBases in the master file")
        return bases

    def _map_grid(self) -> Grid:
        edges = []
        for kind, names in (
            ("Line", self._dss.lines.names),
            ("Transformer", self._dss.transformers.names),
        ):
            for name in names:
                first, second = self._terminals(f"{kind}.{name}")[:2]
                line = name if kind == "Line" else ""
                edges.append(Edge(line, tuple(zip(first, second, strict=False))))
        names = self._dss.vsources.names
        sources = {n: tuple(self._terminals(f"Vsource.{n}")[0]) for n in names}
        return Grid(tuple(edges), sources)

    def _terminals(self, element: str) -> list[list[str]]:
        """Nodes of each of an element's terminals, ground left out."""
        self._dss.circuit.set_active_element(element)
        buses = [bus.partition(".")[0].lower() for bus in self._dss.cktelement.bus_names]
        order = self._dss.cktelement.node_order
        count = len(order) // len(buses)
        return [
            [f"{bus}.{n}" for n in order[i * count : (i + 1) * count] if n]
            for i, bus in enumerate(buses)
        ]

    def _number(self, kind: str, name: str, attribute: str) -> float:
        return float(self.command(f"? {kind}.{name}.{attribute}"))

    def _pair(self, kind: str, name: str) -> tuple[float, float]:
        return self._number(kind, name, "kw"), self._number(kind, name, "kvar")
