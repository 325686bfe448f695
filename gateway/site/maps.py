"""``maps/*.csv``: the northbound register map and the feeder's bindings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.registers import TYPE_FACTS, parse_type
from gateway.profiles.text import CsvRow, read_csv
from gateway.profiles.validate import validate_row
from gateway.site.config import ModbusMapRow, NetworkRow
from gateway.site.site import SitePoint

Row = TypeVar("Row", bound=BaseModel)
#: Unit of irradiance points, and the element of one that is for all plants without their own.
IRRADIANCE_UNIT, SITE = "W/m2", "site"


def load_modbus_map(
    path: Path, points: Mapping[str, SitePoint], issues: list[ConfigIssue]
) -> tuple[ModbusMapRow, ...]:
    """The northbound register map; appends unknown points and overlaps to ``issues``."""
    taken: dict[tuple[str, int], int] = {}

    def check(row: CsvRow, parsed: ModbusMapRow) -> None:
        point = points.get(parsed.point)
        if point is None:
            issues.append(no_point(row, "point", parsed.point))
            return
        if point.spec.kind.is_output and parsed.table in ("input", "discrete"):
            message = f"{parsed.point} takes commands; table {parsed.table!r} cannot be written"
            issues.append(row.issue("table", message, "use holding or coil"))
        for register in range(parsed.register_, parsed.register_ + _width(row, parsed, issues)):
            if (parsed.table, register) in taken:
                line = taken[parsed.table, register]
                message = f"{parsed.table} {register} is taken by line {line}"
                issues.append(row.issue("register", message, "choose a free register"))
                break
            taken[parsed.table, register] = row.line

    optional = ("type", "scale", "offset")
    return load_rows(path, ModbusMapRow, (("point", "table", "register"), optional), check, issues)


def load_network(
    path: Path,
    points: Mapping[str, SitePoint],
    devices: Collection[str],
    groups: Collection[str],
    issues: list[ConfigIssue],
) -> tuple[NetworkRow, ...]:
    """The feeder's bindings; appends unknown points, devices and groups to ``issues``."""
    known: dict[str, tuple[Collection[str], str]] = {
        "der": (devices, "device"),
        "switch": (devices, "device"),
        "group": (groups, "group"),
    }

    lit: list[tuple[CsvRow, NetworkRow]] = []

    def check(row: CsvRow, parsed: NetworkRow) -> None:
        if parsed.role == "irradiance":
            lit.append((row, parsed))
        names, word = known.get(parsed.role, (points, "point"))
        if parsed.source not in names:
            remedy = f"name a {word} of this site"
            issues.append(row.issue("source", f"there is no {word} {parsed.source!r}", remedy))
        if parsed.command is not None:
            commanded = points.get(parsed.command)
            if commanded is None:
                issues.append(no_point(row, "command", parsed.command))
            elif not commanded.spec.kind.is_output:
                message = f"{parsed.command} is {commanded.spec.kind}, it takes no commands"
                issues.append(row.issue("command", message, "name an AO or BO point"))

    optional = ("command", "curtail")
    rows = load_rows(path, NetworkRow, (("role", "element", "source"), optional), check, issues)
    plants = {row.element for row in rows if row.role in ("der", "group")}
    for row, parsed in lit:
        issues += _irradiance_faults(row, parsed, {SITE, *plants, *groups}, points)
    return rows


def _irradiance_faults(
    row: CsvRow, parsed: NetworkRow, known: Collection[str], points: Mapping[str, SitePoint]
) -> Iterator[ConfigIssue]:
    if parsed.element not in known:
        message = f"irradiance is for no DER or group {parsed.element!r}"
        yield row.issue("element", message, f"name one of this table, a group, or {SITE!r}")
    point = points.get(parsed.source)
    if point is not None and point.spec.unit != IRRADIANCE_UNIT:
        message = f"{parsed.source} is in {point.spec.unit!r}"
        yield row.issue("source", message, f"name a point in {IRRADIANCE_UNIT}")


def load_rows(
    path: Path,
    model: type[Row],
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    check: Callable[[CsvRow, Row], None],
    issues: list[ConfigIssue],
) -> tuple[Row, ...]:
    """Rows of a map file that are valid by themselves; ``check`` sees each with its place."""
    try:
        rows = read_csv(path, *columns)
    except ConfigError as error:
        issues.extend(error.issues)
        return ()
    parsed_rows = []
    for row in rows:
        parsed = validate_row(model, row, issues)
        if parsed is not None:
            check(row, parsed)
            parsed_rows.append(parsed)
    return tuple(parsed_rows)


def _width(row: CsvRow, parsed: ModbusMapRow, issues: list[ConfigIssue]) -> int:
    if parsed.table in ("coil", "discrete"):
        return 1
    try:
        return TYPE_FACTS[parse_type(parsed.type or "")[0]].words
    except (ValueError, KeyError) as error:
        issues.append(row.issue("type", str(error), "name a register type, e.g. int16"))
        return 1


def no_point(row: CsvRow, column: str, name: str) -> ConfigIssue:
    """What is said of a cell that names no point of the site."""
    return row.issue(column, f"there is no point {name!r}", "tieline points lists them")
