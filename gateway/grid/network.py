"""The feeder as a graph: buses, branches, loads, sources and DERs, read once from its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Branch:
    """A line, transformer or series reactor between two buses.

    Attributes:
        name: the element's name in the model, ``class.name`` in lower case.
        ends: its two buses, as the model has them.
        phases: phases it carries.
        r_ohm, x_ohm: positive sequence, whole length; a transformer's at its second winding.
        rating_a: continuous current a phase, a transformer's at its first winding; 0 where the
            model states none.
    """

    name: str
    ends: tuple[str, str]
    phases: tuple[int, ...]
    r_ohm: float
    x_ohm: float
    rating_a: float

    def other(self, bus: str) -> str:
        """The bus at the far end."""
        return self.ends[1] if bus == self.ends[0] else self.ends[0]


@dataclass(frozen=True, slots=True)
class Network:
    """What a feeder model holds, whatever its switches' positions.

    Attributes:
        base_kv: nominal line-to-line voltage by bus.
        branches: by name.
        open_branches: those that the model's own file leaves open.
        loads_va: nominal P + jQ consumed, by bus, all phases.
        sources: bus of every voltage source, by its name.
        ders: bus of every generator, by its name.
        capacitors: bus of every capacitor, by its name.
    """

    base_kv: Mapping[str, float]
    branches: Mapping[str, Branch]
    open_branches: frozenset[str]
    loads_va: Mapping[str, complex]
    sources: Mapping[str, str]
    ders: Mapping[str, str]
    capacitors: Mapping[str, str] = field(default_factory=dict)
