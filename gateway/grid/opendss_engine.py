"""Power flow on a ``.dss`` master with EPRI's OpenDSS, by py-dss-interface: the second opinion.

The engine is one a process and keeps one model: a second :class:`OpenDssEngine` takes it from the
first, and a model that was refused leaves it unfit for the next. It writes on standard output as
it pleases. So give it a process of its own whose output nobody reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.grid.dss_feeder import DssFeeder
from gateway.grid.dss_host import DssHost


class OpenDssEngine(DssFeeder):
    """As :class:`~gateway.grid.dss_engine.DssEngine`, on the other engine; slower to set.

    Arguments and errors are those of :class:`~gateway.grid.dss_feeder.DssFeeder`.

    Raises:
        ModuleNotFoundError: py-dss-interface is not installed; it comes with the bench.
    """

    def __init__(
        self,
        master: Path,
        head: Sequence[str] = ("Vsource.source",),
        changes: Sequence[str] = (),
    ) -> None:
        path = master.resolve()  # before the engine moves
        with _directory_kept():
            super().__init__(_OpenDss(), path, head, changes)


class _OpenDss(DssHost):
    def __init__(self) -> None:
        from py_dss_interface import DSS  # noqa: PLC0415 - the bench's alone

        self._dss: Any = DSS()

    def run(self, command: str) -> str:
        answer = str(self._dss.text(command))
        if self._dss.errorinterface.error_code:  # reading it clears it
            raise RuntimeError(answer.strip())
        return answer.strip()

    def element_names(self) -> Sequence[str]:
        return [str(name) for name in self._dss.circuit.elements_names]

    def node_names(self) -> Sequence[str]:
        return [str(name) for name in self._dss.circuit.nodes_names]

    def base_kv(self) -> dict[str, float]:
        found = {}
        for name in self._dss.circuit.buses_names:
            self._dss.circuit.set_active_bus(name)
            found[str(name).lower()] = float(self._dss.bus.kv_base) * 3.0**0.5
        return found

    def is_open(self, element: str) -> bool:
        self._dss.circuit.set_active_element(element)
        # this engine says only whether any phase is open
        return any(self._dss.cktelement.is_terminal_open(end) == 1 for end in (1, 2))

    def first_end(self, element: str) -> Sequence[int] | None:
        self._dss.circuit.set_active_element(element)
        active = self._dss.cktelement
        if str(active.name).lower() != element.lower():
            return None
        return [int(node) for node in active.node_order[: active.num_conductors]]

    def solve(self) -> bool:
        self._dss.solution.solve_no_control()
        return bool(self._dss.solution.converged)

    def voltages_pu(self) -> NDArray[np.float64]:
        return np.array(self._dss.circuit.buses_vmag_pu)

    def voltages_v(self) -> NDArray[np.complex128]:
        return np.array(self._dss.circuit.buses_volts).view(np.complex128)

    def losses_w(self) -> float:
        return float(self._dss.circuit.losses[0])

    def powers_kva(self, element: str) -> NDArray[np.complex128]:
        self._dss.circuit.set_active_element(element)
        return np.array(self._dss.cktelement.powers).view(np.complex128)

    def currents_a(self, element: str) -> NDArray[np.complex128]:
        self._dss.circuit.set_active_element(element)
        return np.array(self._dss.cktelement.currents).view(np.complex128)


@contextmanager
def _directory_kept() -> Iterator[None]:
    """The engine moves the process to its own directory, then to the model's."""
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)
