"""A restoration case: a feeder file, its switches and sources, and what its elements are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.model.errors import ConfigIssue
from gateway.profiles.validate import Strict
from gateway.site.case_file import CaseOf, FeederFile, no_file, read_case, twice


class CaseSource(Strict):
    """``[[source]]``: what a source of the feeder file may give."""

    name: str
    capacity_kw: Annotated[float, Field(gt=0)]


class CaseDer(Strict):
    """``[[der]]``: a synchronous machine, which drives fault current; for location only."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    bus: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    kv: Annotated[float, Field(gt=0)]
    kva: Annotated[float, Field(gt=0)]
    xd_pu: Annotated[float, Field(gt=0)] = 0.2


class CaseMicrogrid(Strict):
    """``[[microgrid]]``: what lies behind a POI; a fault of its name is a fault inside it.

    Attributes:
        name: its name, which no line or bus of the feeder has.
        bus: where its POI is.
        poi: for such a fault: ``late`` opens when asked, after the feeder's protection has
            tripped; ``first`` opens by its own relay, and the feeder does not trip; ``stuck``
            does not open at all.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    bus: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]
    poi: Literal["late", "first", "stuck"] = "late"


class FlisrCaseFile(FeederFile):
    """A case.

    Attributes:
        switches: lines that switch; ``all`` is every line, each with a switch at both ends.
        breakers: those that trip for a fault beyond them.
        regulators: where they stand: at ``neutral``, or ``settled`` as their controls leave them.
        cold_load_factor: load of what was out when voltage comes back, against before.
        sags: whether switches record the voltage that a fault leaves. It tells places apart where
            an indicator is silent, and what may be faulted in that case is then cut out as well.
        fault_ohm: resistance of the fault, each phase to ground.
        coordinates: ``bus,x,y`` rows for drawings, relative to the case file.
    """

    switches: Literal["all"] | tuple[str, ...]
    breakers: Annotated[tuple[str, ...], Field(min_length=1)]
    regulators: Literal["neutral", "settled"] = "settled"
    load_multiplier: Annotated[float, Field(gt=0, le=10)] = 1.0
    cold_load_factor: Annotated[float, Field(ge=1, le=5)] = 1.0
    voltage_min_pu: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.90
    voltage_max_pu: Annotated[float, Field(gt=1.0, lt=1.5)] = 1.10
    sags: bool = False
    fault_ohm: Annotated[float, Field(gt=0, le=100)] = 0.5
    coordinates: str | None = None
    source: tuple[CaseSource, ...] = ()
    der: tuple[CaseDer, ...] = ()
    microgrid: tuple[CaseMicrogrid, ...] = ()


FlisrCase = CaseOf[FlisrCaseFile]


def load_flisr_case(path: Path) -> FlisrCase:
    """Read and check a case file.

    Raises:
        ConfigError: with every fault found, each with file, line, column and what to do.
    """
    return read_case(path, FlisrCaseFile, _faults)


def changes(case: FlisrCase) -> tuple[str, ...]:
    """What a case changes in its feeder file, in that file's language."""
    machines = [
        f"new vsource.{der.name} bus1={der.bus} phases=3 basekv={der.kv} pu=1.0 r1=0.001 r0=0.001"
        f" x1={x_ohm:.6g} x0={x_ohm:.6g}"
        for der in case.file.der
        for x_ohm in (der.xd_pu * der.kv**2 / (der.kva / 1e3),)
    ]
    return (*machines, f"set loadmult={case.file.load_multiplier}")


def _faults(case: FlisrCase) -> Iterator[ConfigIssue]:
    file, text = case.file, case.text
    for key, name in (("feeder", file.feeder), ("coordinates", file.coordinates)):
        yield from no_file(case, key, name)
    if file.switches != "all":
        for breaker in file.breakers:
            if breaker not in file.switches:
                message = f"breaker {breaker!r} is no switch of the case"
                yield text.issue(("breakers",), message, "name one of the switches")
    for key, rows in (
        ("source", file.source),
        ("der", file.der),
        ("microgrid", file.microgrid),
    ):
        yield from twice(text, key, key, [row.name for row in rows])
