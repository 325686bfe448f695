"""A feeder model in the ``.dss`` language behind the PowerFlow interface, whichever engine solves.

Everything that the language itself can say is here; an engine adds how it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.grid.dss_devices import read_devices, read_positions
from gateway.grid.dss_host import DssHost
from gateway.grid.dss_network import SWITCHABLE, read_network
from gateway.grid.floating import Pairs, floating_buses, may_float, phase_pairs
from gateway.grid.network import Network
from gateway.grid.powerflow import PHASES, TAP_STEP, Solution
from gateway.grid.supply import Conductors, Supply
from gateway.model.errors import ConfigError, ConfigIssue

_MAX_ITERATIONS = 50
#: Of a solution, pu: as fine as the feeder lets it be. Very stiff ones stop short of the first.
_TOLERANCES = (1e-6, 1e-5, 1e-4)
_FAULT, _VMIN_FAULT_PU = "fault.tieline", 0.95


@dataclass(frozen=True, slots=True)
class _Head:
    name: str
    rows: NDArray[np.intp]
    watts_per_kw: float


class DssFeeder:
    """What every engine of the ``.dss`` language shares.

    Capacitors, regulators and switches keep the settings of the file until they are set; the
    file's own controls never move them.

    Args:
        host: the engine, empty; nothing else may use it.
        master: the ``.dss`` file. Every regulator is a transformer whose second winding taps.
        head: elements (``Class.name``) whose first terminals carry what enters the feeder; a
            source counts what leaves it.
        changes: commands in the file's own language, run on it before it is read.

    Raises:
        ConfigError: the file cannot be compiled or solved, or a head element is not in it.
    """

    def __init__(
        self, host: DssHost, master: Path, head: Sequence[str], changes: Sequence[str]
    ) -> None:
        self._host = host
        self._compile(master.resolve(), changes)
        self._names = tuple(name.lower() for name in host.element_names())
        self.nodes = tuple(name.lower() for name in host.node_names())
        self._head = tuple(self._read_head(name, master) for name in head)
        self._devices = read_devices(host.ask, self._names)
        self.injection_buses: Mapping[str, str] = {
            name: at.bus for name, at in self._devices.generators.items()
        }
        self._live_sources = set(self._devices.sources)
        self._idle: frozenset[str] = frozenset()
        self._unsupplied: NDArray[np.bool_] | None = None
        self._fault_known = self._fault_present = False
        self._least_pu = {
            load.name: host.ask(f"load.{load.name}.vminpu") for load in self._devices.loads
        }
        self._may_float = may_float(host.ask, self._names)
        self._open_in_file = frozenset(filter(host.is_open, self._branch_names()))
        self._open = set(self._open_in_file)
        for name in self._open_in_file:
            if name.startswith(SWITCHABLE):
                host.put_switch(name, closed=False)  # at both ends, as set_switch leaves it
        self._supply_changed = bool(self._open)

    @cached_property
    def network(self) -> Network:
        """The feeder as a graph, whatever its switches' positions now. Read when first asked."""
        return self._read[0]

    @property
    def open_branches(self) -> frozenset[str]:
        """Branches that are open now."""
        return frozenset(self._open)

    @property
    def taps(self) -> dict[str, int]:
        """Present tap steps by transformer name."""
        return dict(self._devices.taps)

    @property
    def capacitors(self) -> dict[str, bool]:
        """Present switch states by capacitor name."""
        return dict(self._devices.capacitors)

    @property
    def regulators(self) -> tuple[str, ...]:
        """Transformers that the file gives a regulator control, switched off or not."""
        return self._devices.regulators

    def set_tap(self, regulator: str, tap: int) -> None:
        """Set a regulator's tap step; the ratio is ``1 + 0.00625 * tap``.

        Raises:
            KeyError: no such transformer.
        """
        if self._devices.taps[regulator] == tap:
            return  # a tap change rebuilds the admittance matrix, the costly part of a solve
        self._host.put_tap(regulator, 1.0 + TAP_STEP * tap)
        self._devices.taps[regulator] = tap

    def set_capacitor(self, capacitor: str, *, closed: bool) -> None:
        """Switch a capacitor.

        Raises:
            KeyError: no such capacitor.
        """
        if self._devices.capacitors[capacitor] == closed:
            return
        self._host.put_capacitor(capacitor, closed=closed)
        self._devices.capacitors[capacitor] = closed

    def set_switch(self, branch: str, *, closed: bool) -> None:
        """Close a line, or open all its phases at both ends.

        A line left hanging on one end would feed its own charging, which end depending on who
        opened it; open at both it is out of the feeder, as a section isolated for work is.

        Raises:
            KeyError: no such line.
        """
        if branch not in self.network.branches or not branch.startswith(SWITCHABLE):
            raise KeyError(branch)
        if closed == (branch not in self._open):
            return
        self._host.put_switch(branch, closed=closed)
        (self._open.discard if closed else self._open.add)(branch)
        self._supply_changed = True

    def set_source(self, source: str, *, live: bool) -> None:
        """Bring a source up, or take it down as an outage upstream does.

        Raises:
            KeyError: no such source.
        """
        if source not in self._devices.sources:
            raise KeyError(source)
        if live == (source in self._live_sources):
            return
        self._host.put_source(source, live=live)
        (self._live_sources.add if live else self._live_sources.discard)(source)
        self._supply_changed = True

    def set_fault(self, bus: str, phases: tuple[int, ...], resistance_ohm: float) -> None:
        """Short phases of a bus to ground, each through a resistance; an earlier fault ends.

        While it burns, loads below 0.95 pu draw as impedances do: constant power would have no
        solution, and no motor gives it.

        Raises:
            KeyError: the bus is not there, or lacks a phase.
        """
        for phase in phases:
            if f"{bus}.{phase}" not in self.nodes:
                raise KeyError(f"{bus}.{phase}")
        at = ".".join(map(str, (bus, *phases)))
        do = "edit" if self._fault_known else "new"
        # phases before the bus: a bus given first would keep the other end of as many as before
        self._host.run(
            f"{do} {_FAULT} phases={len(phases)} bus1={at} r={resistance_ohm} enabled=yes"
        )
        if not self._fault_present:
            self._host.run(f"batchedit load..* vminpu={_VMIN_FAULT_PU}")
        self._fault_known = self._fault_present = True

    def clear_fault(self) -> None:
        """Take the fault away, if there is one."""
        if self._fault_present:
            self._host.run(f"{_FAULT}.enabled=no")
            for load, least_pu in self._least_pu.items():
                self._host.run(f"load.{load}.vminpu={least_pu}")
            self._fault_present = False

    def set_injection(self, element: str, power_w: float, reactive_power_var: float) -> None:
        """Set what a DER injects; generation positive. Nothing while its bus has no supply.

        Raises:
            KeyError: no such generator.
        """
        if element not in self._devices.injections:
            raise KeyError(element)
        self._devices.injections[element] = (power_w, reactive_power_var)
        if element not in self._idle:
            self._host.put_injection(element, power_w / 1e3, reactive_power_var / 1e3)

    def scale_loads(
        self, multipliers: NDArray[np.float64], by_bus: Mapping[str, float] | None = None
    ) -> None:
        """Scale loads from their nominal.

        Args:
            multipliers: shape (3, 2): real and reactive, a phase. A load on several phases
                takes the mean of theirs.
            by_bus: a further factor at some buses.
        """
        for load in self._devices.loads:
            p, q = multipliers[load.rows].mean(axis=0) * (by_bus or {}).get(load.at.bus, 1.0)
            self._host.put_load(load.name, load.power_kw * p, load.reactive_power_kvar * q)

    def solve(self) -> Solution:
        """Solve with the present settings."""
        if self._supply_changed:
            self._find_supplied()
        converged = self._host.solve()
        voltages = self._host.voltages_pu()
        if self._may_float:
            first, second, base_v = self._between
            volts = self._host.voltages_v()
            voltages[first] = np.abs(volts[first] - volts[second]) / base_v
        if self._unsupplied is not None:
            voltages[self._unsupplied] = 0.0
        head_va = self._head_flow_va()
        return Solution(converged, voltages, self._host.losses_w(), head_va.real, head_va.imag)

    def settle(self) -> Solution:
        """Solve with the file's own regulator and capacitor controls on; they stay where they stop.

        Raises:
            Exception: the engine's own, where they do not come to rest.
        """
        if self._supply_changed:
            self._find_supplied()
        for command in ("set controlmode=static", "solve", "set controlmode=off"):
            self._host.run(command)
        taps, capacitors = read_positions(self._host.ask, self._names)
        self._devices.taps.update(taps)
        self._devices.capacitors.update(capacitors)
        return self.solve()

    def source_powers_w(self) -> dict[str, float]:
        """Real power that each source delivers in the last solution; a dead one 0."""
        return {
            name: -1e3
            * float(self._host.powers_kva(f"vsource.{name}")[: len(at.numbers)].real.sum())
            if name in self._live_sources
            else 0.0
            for name, at in self._devices.sources.items()
        }

    def loadings(self) -> dict[str, float]:
        """Current over rating in the last solution, worst phase, of every branch with a rating."""
        return {
            name: float(np.abs(self._host.currents_a(name)[: len(branch.phases)]).max())
            / branch.rating_a
            for name, branch in self.network.branches.items()
            if branch.rating_a
        }

    def currents_a(self, branch: str) -> dict[int, float]:
        """Magnitude by phase into a branch's first end in the last solution.

        Raises:
            KeyError: no such branch.
        """
        phases = self.network.branches[branch].phases
        return dict(zip(phases, np.abs(self._host.currents_a(branch)).tolist(), strict=False))

    def powers_va(self, branch: str) -> dict[int, complex]:
        """P + jQ by phase into a branch's first end in the last solution.

        Raises:
            KeyError: no such branch.
        """
        phases = self.network.branches[branch].phases
        return dict(zip(phases, (1e3 * self._host.powers_kva(branch)).tolist(), strict=False))

    # ---- reading -------------------------------------------------------------------------------

    def _compile(self, master: Path, changes: Sequence[str]) -> None:
        try:
            for command in ("clear", f'compile "{master}"', *changes):
                self._host.run(command)
            self._host.run("set controlmode=off")  # only we move them
            self._host.run(f"set maxiterations={_MAX_ITERATIONS}")
            converged = any(self._converges(tolerance) for tolerance in _TOLERANCES)
        except Exception as error:  # the engines raise their own, untyped exceptions
            message = f"the feeder model cannot be used: {error}"
            raise ConfigError(
                [ConfigIssue(str(master), 0, 0, message, "mend the model")]
            ) from error
        if not converged:
            message = "the feeder model does not converge"
            raise ConfigError([ConfigIssue(str(master), 0, 0, message, "mend the model")])

    def _converges(self, tolerance: float) -> bool:
        self._host.run(f"set tolerance={tolerance}")
        return self._host.solve()

    @cached_property
    def _read(self) -> tuple[Network, Conductors]:
        host = self._host
        return read_network(
            host.ask, self._names, host.base_kv(), self._open_in_file, self._devices
        )

    @cached_property
    def _supply(self) -> Supply:
        return Supply(self.nodes, self._read[1])

    @cached_property
    def _between(self) -> Pairs:
        """Nodes whose voltage is taken to the next phase, since nothing ties them to ground."""
        floating = floating_buses(self._host.ask, self._names, self.network, self._devices)
        return phase_pairs(self.nodes, floating, self.network.base_kv)

    def _find_supplied(self) -> None:
        """After switching: which nodes are dead, and DERs stop or come back with their bus."""
        starts = [node for name in self._live_sources for node in self._devices.sources[name].nodes]
        live = self._supply.live(self._open, starts)
        self._unsupplied = None if live.all() else ~live
        supplied = {node for node, is_live in zip(self.nodes, live, strict=True) if is_live}
        idle = frozenset(
            name
            for name, at in self._devices.generators.items()
            if not supplied.issuperset(at.nodes)  # one phase lost stops a DER too
        )
        for name in idle - self._idle:
            self._host.put_injection(name, 0.0, 0.0)
        for name in self._idle - idle:
            power_w, reactive_power_var = self._devices.injections[name]
            self._host.put_injection(name, power_w / 1e3, reactive_power_var / 1e3)
        self._idle, self._supply_changed = idle, False

    def _head_flow_va(self) -> NDArray[np.complex128]:
        flow_va = np.zeros(3, dtype=np.complex128)
        for head in self._head:
            powers = self._host.powers_kva(head.name)[: len(head.rows)]
            flow_va[head.rows] += powers * head.watts_per_kw
        return flow_va

    def _read_head(self, name: str, master: Path) -> _Head:
        order = self._host.first_end(name)
        if order is None:
            message = f"the feeder model has no head element {name!r}"
            raise ConfigError([ConfigIssue(str(master), 0, 0, message, "name one, Class.name")])
        rows = np.array([node - 1 for node in order if node in PHASES], dtype=np.intp)
        return _Head(name, rows, -1e3 if name.lower().startswith("vsource") else 1e3)

    def _branch_names(self) -> list[str]:
        kinds = tuple(f"{kind}." for kind in (*SWITCHABLE, "transformer"))
        return [name for name in self._names if name.startswith(kinds)]
