"""Reading regulators, capacitors, DERs, sources and loads out of a ``.dss`` model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.grid.dss_text import Ask, Terminal, element_terminal, elements_of, numbers
from gateway.grid.powerflow import TAP_STEP


@dataclass(frozen=True, slots=True)
class Load:
    """A load as the file has it, before any scaling."""

    name: str
    power_kw: float
    reactive_power_kvar: float
    at: Terminal

    @property
    def rows(self) -> list[int]:
        """Rows of a table by phase that concern it."""
        return [phase - 1 for phase in self.at.phases]


@dataclass(frozen=True, slots=True)
class Devices:
    """What a model holds beside its branches, by name without the class.

    Attributes:
        taps: step of every transformer's second winding.
        capacitors: True is closed.
        generators, sources, capacitor_ends: where they are connected.
        injections: W and var of every generator.
        loads: in the model's order.
        regulators: transformers that a regulator control moves, or would if it were on.
    """

    taps: dict[str, int]
    capacitors: dict[str, bool]
    generators: dict[str, Terminal]
    sources: dict[str, Terminal]
    capacitor_ends: dict[str, Terminal]
    injections: dict[str, tuple[float, float]]
    loads: tuple[Load, ...]
    regulators: tuple[str, ...]


def read_devices(ask: Ask, names: Sequence[str]) -> Devices:
    """Read them all; ``names`` are all elements, ``class.name``."""

    def of(kind: str) -> list[str]:
        return list(elements_of(ask, names, kind))

    taps, capacitors = read_positions(ask, names)
    controls = [name for name in names if name.startswith("regcontrol.")]  # switched off or not
    moved = [ask(f"{control}.transformer").lower() for control in controls]
    generators = _terminals(ask, of("generator"))
    return Devices(
        taps=taps,
        capacitors=capacitors,
        generators=generators,
        sources=_terminals(ask, of("vsource")),
        capacitor_ends=_terminals(ask, of("capacitor")),
        injections={name: _power_w(ask, f"generator.{name}") for name in generators},
        loads=tuple(_load(ask, name) for name in of("load")),
        regulators=tuple(name for name in moved if name in taps),
    )


def read_positions(ask: Ask, names: Sequence[str]) -> tuple[dict[str, int], dict[str, bool]]:
    """Tap step of every transformer's second winding, and whether each capacitor is closed."""
    taps = {n.partition(".")[2]: _tap(ask, n) for n in elements_of(ask, names, "transformer")}
    capacitors = {
        n.partition(".")[2]: numbers(ask(f"{n}.states"))[0] == 1
        for n in elements_of(ask, names, "capacitor")
    }
    return taps, capacitors


def _terminals(ask: Ask, elements: list[str]) -> dict[str, Terminal]:
    return {name.partition(".")[2]: element_terminal(ask, name) for name in elements}


def _power_w(ask: Ask, element: str) -> tuple[float, float]:
    return 1e3 * float(ask(f"{element}.kw")), 1e3 * float(ask(f"{element}.kvar"))


def _load(ask: Ask, element: str) -> Load:
    p_kw, q_kvar = float(ask(f"{element}.kw")), float(ask(f"{element}.kvar"))
    return Load(element.partition(".")[2], p_kw, q_kvar, element_terminal(ask, element))


def _tap(ask: Ask, transformer: str) -> int:
    ratios = numbers(ask(f"{transformer}.taps"))
    return round((ratios[min(1, len(ratios) - 1)] - 1.0) / TAP_STEP)
