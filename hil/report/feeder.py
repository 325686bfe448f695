"""The feeder as drawn: where buses stand and what joins them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

_REDIRECT = re.compile(r"^Redirect\s+(\S+)", re.IGNORECASE | re.MULTILINE)
_LINE = re.compile(r"^New Line\.(\S+).*?bus1=(\w+)\S*\s+bus2=(\w+)\S*(.*)$", re.IGNORECASE)
_TRANSFORMER = re.compile(r"^New Transformer\.(\S+)(.*)$", re.IGNORECASE)
_BUSES = re.compile(r"buses=\[(\w+)\S*\s+(\w+)", re.IGNORECASE)
_WINDING_BUS = re.compile(r"^~.*\bbus=(\w+)", re.IGNORECASE)
_CAPACITOR = re.compile(r"^New Capacitor\.(\S+)\s+bus1=(\w+)", re.IGNORECASE)
_GENERATOR = re.compile(r"^New Generator\.der_(\S+)\s+bus1=(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Branch:
    """Something between two buses; ``kind`` is line, switch, regulator or transformer.

    A switch has the name of its line.
    """

    first: str
    second: str
    kind: str
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A one-line diagram.

    Attributes:
        places: bus to position in drawing units.
        branches: what joins buses, each pair once.
        equipment: bus to the names of capacitors and DERs at it.
    """

    places: dict[str, tuple[float, float]]
    branches: tuple[Branch, ...]
    equipment: dict[str, tuple[str, ...]]


def load_drawing(master: Path) -> Drawing:
    """Read a feeder's ``.dss`` master, what it redirects to, and the places of their buses.

    Places stand in ``NAME_buses.csv`` or ``NAME_xy.csv`` beside ``NAME.dss``.

    Only the few statements of our own feeder files are understood; OpenDSS itself is not asked,
    so that a report can be made from logs alone.

    Raises:
        OSError: a file is missing.
    """
    files = _chain(master)
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    lines = [line.strip() for line in text.splitlines()]
    places = {}
    tables = [f.with_name(f"{f.stem}_{what}.csv") for f in files for what in ("buses", "xy")]
    for table in filter(Path.is_file, tables):
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                places[row["bus"]] = (float(row["x"]), float(row["y"]))
    return Drawing(places, tuple(dict.fromkeys(_branches(lines))), _equipment(lines))


def _chain(master: Path) -> list[Path]:
    """A master and what it redirects to, the innermost first."""
    found = _REDIRECT.search(master.read_text(encoding="utf-8"))
    return [*(_chain(master.with_name(found.group(1))) if found else ()), master]


def _branches(lines: list[str]) -> list[Branch]:
    found: list[Branch] = []
    windings: list[str] = []
    for line in lines:
        if match := _LINE.match(line):
            name, first, second, rest = match.groups()
            is_switch = "switch=yes" in rest.lower()
            kind = ("switch", name) if is_switch else ("line",)
            found.append(Branch(first, second, *kind))
        elif match := _TRANSFORMER.match(line):
            windings = []
            if buses := _BUSES.search(match.group(2)):
                found.append(Branch(buses.group(1), buses.group(2), "regulator"))
        elif match := _WINDING_BUS.match(line):
            windings.append(match.group(1))
            if len(windings) == 2:
                found.append(Branch(windings[0], windings[1], "transformer"))
    return found


def _equipment(lines: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        match = _CAPACITOR.match(line) or _GENERATOR.match(line)
        if match:
            found.setdefault(match.group(2), []).append(match.group(1))
    return {bus: tuple(names) for bus, names in found.items()}
