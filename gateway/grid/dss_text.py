"""Answers of an engine of the ``.dss`` language, read.

Engines agree on the answers to ``? class.name.property``, but for how they write lists and truth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.grid.powerflow import PHASES

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where an element's end is connected: its bus, and its nodes without ground."""

    bus: str
    numbers: tuple[int, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """``bus.phase`` of each conductor."""
        return tuple(f"{self.bus}.{number}" for number in self.numbers)

    @property
    def phases(self) -> tuple[int, ...]:
        """Its phases, in the order of connection."""
        return tuple(number for number in self.numbers if number in PHASES)


def terminal(spec: str, phases: int) -> Terminal:
    """Read ``bus.1.2``; a bus without nodes has the first so many."""
    bus, *given = spec.lower().split(".")
    numbers = [int(node) for node in given] or range(1, phases + 1)
    return Terminal(bus, tuple(number for number in numbers if number))


def numbers(text: str) -> list[float]:
    """Values of a list as the engines write it."""
    return [float(word) for word in words(text)]


def elements_of(ask: Ask, names: Iterable[str], kind: str) -> Iterator[str]:
    """Enabled elements of a class, from all ``class.name``."""
    for name in names:
        if name.startswith(f"{kind}.") and ask(f"{name}.enabled").lower() in ("yes", "true"):
            yield name


def element_terminal(ask: Ask, element: str) -> Terminal:
    """Where a one-ended element is connected."""
    return terminal(ask(f"{element}.bus1"), int(ask(f"{element}.phases")))


def words(text: str) -> list[str]:
    """Words of a list as the engines write it."""
    return re.split(r"[,\s]+", text.strip("[]() ,"))
