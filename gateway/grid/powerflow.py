"""What the DMS asks of a power-flow engine, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.grid.network import Network

#: Ratio change of one step of a 32-step, 10 % voltage regulator (Type B as the model states it).
TAP_STEP = 0.00625
PHASES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Solution:
    """One solved power flow.

    Attributes:
        converged: False where the voltages below mean nothing.
        voltages_pu: magnitude of every node, shape (nodes,), in the engine's node order; exactly
            0 where no closed path leads to a live source. To ground; where nothing ties the bus
            to ground, as behind a delta winding, to the next phase: a-b, b-c, c-a.
        losses_w: line and transformer losses.
        head_p_w, head_q_var: flow into the feeder a phase, shape (3,).
    """

    converged: bool
    voltages_pu: NDArray[np.float64]
    losses_w: float
    head_p_w: NDArray[np.float64]
    head_q_var: NDArray[np.float64]

    @property
    def power_w(self) -> float:
        """Total real power at the head."""
        return float(self.head_p_w.sum())


class PowerFlow(Protocol):
    """A feeder that can be set and solved. Not thread-safe; one a process is the rule.

    Attributes:
        nodes: ``bus.phase`` in the order of :attr:`Solution.voltages_pu`.
        injection_buses: bus of every element that :meth:`set_injection` takes.
    """

    nodes: tuple[str, ...]
    injection_buses: Mapping[str, str]

    @property
    def network(self) -> Network:
        """The feeder as a graph, whatever its switches' positions now."""

    @property
    def open_branches(self) -> frozenset[str]:
        """Branches that are open now."""

    @property
    def regulators(self) -> tuple[str, ...]:
        """Names among the taps that a regulator moves; the others are transformers' fixed taps."""

    @property
    def taps(self) -> Mapping[str, int]:
        """Present tap steps (-16..16) by regulator."""

    @property
    def capacitors(self) -> Mapping[str, bool]:
        """Present switch states by capacitor; True is closed."""

    def set_tap(self, regulator: str, tap: int) -> None:
        """Set a regulator's tap step.

        Raises:
            KeyError: no such regulator.
        """

    def set_capacitor(self, capacitor: str, *, closed: bool) -> None:
        """Switch a capacitor.

        Raises:
            KeyError: no such capacitor.
        """

    def set_switch(self, branch: str, *, closed: bool) -> None:
        """Close a line, or open all its phases at both ends: neither end then feeds a stub.

        Raises:
            KeyError: no such line.
        """

    def set_source(self, source: str, *, live: bool) -> None:
        """Bring a source up, or take it down as an outage upstream does.

        Raises:
            KeyError: no such source.
        """

    def set_fault(self, bus: str, phases: tuple[int, ...], resistance_ohm: float) -> None:
        """Short phases of a bus to ground, each through a resistance; an earlier fault ends.

        Raises:
            KeyError: the bus is not there, or lacks a phase.
        """

    def clear_fault(self) -> None:
        """Take the fault away, if there is one."""

    def set_injection(self, element: str, power_w: float, reactive_power_var: float) -> None:
        """Set what a DER injects; generation positive.

        A DER on a bus without supply injects nothing until the supply is back.

        Raises:
            KeyError: no such element.
        """

    def scale_loads(
        self, multipliers: NDArray[np.float64], by_bus: Mapping[str, float] | None = None
    ) -> None:
        """Scale loads from their nominal: shape (3, 2), real and reactive a phase.

        ``by_bus`` is a further factor at some buses.
        """

    def solve(self) -> Solution:
        """Solve with the present settings; the engine's own controls are off."""

    def source_powers_w(self) -> Mapping[str, float]:
        """Real power that each source delivers in the last solution; a dead one 0."""

    def loadings(self) -> Mapping[str, float]:
        """Current over rating in the last solution, worst phase, of every branch with a rating."""

    def currents_a(self, branch: str) -> Mapping[int, float]:
        """Magnitude by phase into a branch's first end in the last solution.

        Raises:
            KeyError: no such branch.
        """

    def powers_va(self, branch: str) -> Mapping[int, complex]:
        """P + jQ by phase into a branch's first end in the last solution.

        Raises:
            KeyError: no such branch.
        """
