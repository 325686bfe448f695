"""What the DMS asks of a solver of the ``.dss`` language, and what the language itself can say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class DssHost(ABC):
    """One engine with one model in it.

    An engine adds how it is called. What is said in the language is the same to all of them, and
    one that has a quicker way overrides it. Elements are ``class.name``.
    """

    @abstractmethod
    def run(self, command: str) -> str:
        """Run a command and return its answer.

        Raises:
            Exception: the engine's own, where the command is refused.
        """

    @abstractmethod
    def element_names(self) -> Sequence[str]:
        """Every element, ``class.name``."""

    @abstractmethod
    def node_names(self) -> Sequence[str]:
        """Every node, ``bus.phase``, in the order of :meth:`voltages_pu`."""

    @abstractmethod
    def base_kv(self) -> dict[str, float]:
        """Nominal line-to-line voltage by bus."""

    @abstractmethod
    def is_open(self, element: str) -> bool:
        """Whether all phases are open at one end or the other."""

    @abstractmethod
    def first_end(self, element: str) -> Sequence[int] | None:
        """Node of each conductor of the first end; None where there is no such element."""

    @abstractmethod
    def solve(self) -> bool:
        """Solve, controls left alone; whether it converged."""

    @abstractmethod
    def voltages_pu(self) -> NDArray[np.float64]:
        """Magnitudes, shape (nodes,); the caller's to change."""

    @abstractmethod
    def voltages_v(self) -> NDArray[np.complex128]:
        """Phase to ground, shape (nodes,)."""

    @abstractmethod
    def losses_w(self) -> float:
        """Line and transformer losses."""

    @abstractmethod
    def powers_kva(self, element: str) -> NDArray[np.complex128]:
        """P + jQ into each conductor, first end first."""

    @abstractmethod
    def currents_a(self, element: str) -> NDArray[np.complex128]:
        """Current into each conductor, first end first."""

    def ask(self, prop: str) -> str:
        """Value of ``class.name.property`` as the engine writes it."""
        return self.run(f"? {prop}")

    def put_tap(self, transformer: str, ratio: float) -> None:
        """Set the ratio of the winding that taps."""
        self.run(f"transformer.{transformer}.wdg=2 tap={ratio}")

    def put_capacitor(self, capacitor: str, *, closed: bool) -> None:
        """Switch a capacitor."""
        self.run(f"capacitor.{capacitor}.states=[{int(closed)}]")

    def put_injection(self, generator: str, power_kw: float, reactive_power_kvar: float) -> None:
        """Set a generator."""
        # kvar after kW: kW alone would keep the old power factor
        self.run(f"generator.{generator}.kw={power_kw} kvar={reactive_power_kvar}")

    def put_load(self, load: str, power_kw: float, reactive_power_kvar: float) -> None:
        """Set a load."""
        self.run(f"load.{load}.kw={power_kw} kvar={reactive_power_kvar}")

    def put_switch(self, branch: str, *, closed: bool) -> None:
        """Close a branch, or open it at both ends."""
        for end in (1, 2):
            self.run(f"{'close' if closed else 'open'} {branch} term={end}")

    def put_source(self, source: str, *, live: bool) -> None:
        """Take a source down, or bring it up."""
        self.run(f"vsource.{source}.enabled={'yes' if live else 'no'}")
