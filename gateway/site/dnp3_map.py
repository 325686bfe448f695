"""``maps/dnp3.csv`` and its index lock: which point stands at which index, for good."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.links.dnp3.objects import EVENT_GROUP, OBJECTS, STATIC_GROUP, PointType
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.model.point import PointKind
from gateway.profiles.text import CsvRow, read_csv
from gateway.profiles.validate import Strict, validate_row
from gateway.site.dnp3_tables import Dnp3MapRow
from gateway.site.maps import load_rows, no_point
from gateway.site.site import SitePoint

#: Texts an octet string may show.
TEXTS = ("site.name", "site.title", "gateway.version")
#: Kinds of point that an object can show: an output's read-back is an input to those above.
_SHOWS: Mapping[str, tuple[PointKind, ...]] = MappingProxyType(
    {
        "BI": (PointKind.BI, PointKind.BO),
        "DBI": (PointKind.DBI,),
        "CTR": (PointKind.CTR,),
        "AI": (PointKind.AI, PointKind.AO, PointKind.CTR),
        "BO": (PointKind.BO,),
        "AO": (PointKind.AO,),
    }
)
_REQUIRED = ("point", "object", "index")
_OPTIONAL = ("class", "static", "event", "deadband", "scale", "offset")
_LOCK_COLUMNS = ("object", "index", "point")

Index = tuple[str, int]


class LockRow(Strict):
    """A row of the lock file: an index once released, and whose it is."""

    object: str
    index: int
    point: str


def load_dnp3_map(
    path: Path,
    lock_path: Path,
    points: Mapping[str, SitePoint],
    masters: Collection[str],
    issues: list[ConfigIssue],
) -> tuple[Dnp3MapRow, ...]:
    """The outstation's map, held to its lock: a released index belongs to its point for good.

    Appends unknown points and masters, taken indices and indices that moved to ``issues``.
    """
    taken: dict[Index, int] = {}
    locked = read_lock(lock_path, issues)
    place_of = {(entry.object, entry.point): entry.index for entry in locked.values()}

    def check(row: CsvRow, parsed: Dnp3MapRow) -> None:
        place = (parsed.object_, parsed.index)
        line = taken.setdefault(place, row.line)
        if line != row.line:
            message = f"{parsed.object_} {parsed.index} is taken by line {line}"
            issues.append(row.issue("index", message, "choose a free index"))
        issues.extend(_lock_issues(row, parsed, locked, place_of))
        for name in parsed.deadband.keys() - {"", *masters}:
            remedy = f"use one of: {', '.join(masters)}"
            issues.append(row.issue("deadband", f"there is no master {name!r}", remedy))
        if parsed.scale == 0:
            issues.append(row.issue("scale", "scale must not be 0", "mend the value"))
        if parsed.object_ == "OS":
            if parsed.point not in TEXTS:
                message = f"there is no text {parsed.point!r}"
                issues.append(row.issue("point", message, f"use one of: {', '.join(TEXTS)}"))
            return
        point = points.get(parsed.point)
        if point is None:
            issues.append(no_point(row, "point", parsed.point))
        else:
            _check_point(row, parsed, point, issues)

    return load_rows(path, Dnp3MapRow, (_REQUIRED, _OPTIONAL), check, issues)


def _check_point(
    row: CsvRow, parsed: Dnp3MapRow, point: SitePoint, issues: list[ConfigIssue]
) -> None:
    kind, own = point.spec.kind, point.spec.deadband
    if kind not in _SHOWS[parsed.object_]:
        fitting = ", ".join(name for name, kinds in _SHOWS.items() if kind in kinds)
        message = f"{parsed.point} is {kind}, {parsed.object_} cannot show it"
        issues.append(row.issue("object", message, f"use: {fitting}"))
    for deadband in parsed.deadband.values():
        if deadband < own:
            message = f"deadband {deadband:g} is below the point's own {own:g}"
            remedy = "changes below a point's own deadband are not reported: lower that first"
            issues.append(row.issue("deadband", message, remedy))
    kind_of = PointType(parsed.object_)
    for column, group in (("static", STATIC_GROUP[kind_of]), ("event", EVENT_GROUP[kind_of])):
        variation = getattr(parsed, column)
        if variation is not None and (group, variation) not in OBJECTS:
            known = ", ".join(str(v) for g, v in OBJECTS if g == group)
            message = f"there is no group {group} variation {variation}"
            issues.append(row.issue(column, message, f"use one of: {known}"))


def _lock_issues(
    row: CsvRow,
    parsed: Dnp3MapRow,
    locked: Mapping[Index, LockRow],
    place_of: Mapping[tuple[str, str], int],
) -> Iterable[ConfigIssue]:
    entry = locked.get((parsed.object_, parsed.index))
    released = place_of.get((parsed.object_, parsed.point))
    if entry is not None and entry.point != parsed.point:
        message = f"{parsed.object_} {parsed.index} was released for {entry.point}"
        remedy = f"masters know it as that: give {parsed.point} an index of its own"
        yield row.issue("index", message, remedy)
    elif released is not None and released != parsed.index:
        message = f"{parsed.point} was released as {parsed.object_} {released}"
        yield row.issue("index", message, f"put it back to index {released}")


def unreleased(lock_path: Path, rows: Iterable[Dnp3MapRow]) -> tuple[Dnp3MapRow, ...]:
    """Rows whose index is not in the lock yet."""
    locked = read_lock(lock_path, [])
    return tuple(row for row in rows if (row.object_, row.index) not in locked)


def read_lock(path: Path, issues: list[ConfigIssue]) -> dict[Index, LockRow]:
    """Released indices; none where there is no lock file yet."""
    if not path.is_file():
        return {}
    try:
        rows = read_csv(path, _LOCK_COLUMNS, ())
    except ConfigError as error:
        issues.extend(error.issues)
        return {}
    parsed = [validate_row(LockRow, row, issues) for row in rows]
    return {(entry.object, entry.index): entry for entry in parsed if entry is not None}


def release(path: Path, rows: Iterable[Dnp3MapRow]) -> int:
    """Add the map's indices to the lock file; what it holds already stays.

    Returns:
        How many were added.

    Raises:
        ConfigError: the present lock file cannot be read.
        OSError: it cannot be written.
    """
    issues: list[ConfigIssue] = []
    locked = read_lock(path, issues)
    if issues:
        raise ConfigError(issues)
    before = len(locked)
    for row in rows:
        entry = LockRow(object=row.object_, index=row.index, point=row.point)
        locked.setdefault((row.object_, row.index), entry)
    draft = path.with_suffix(".tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_LOCK_COLUMNS)
        writer.writerows((e.object, e.index, e.point) for _, e in sorted(locked.items()))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)  # a lock is whole or the old one
    return len(locked) - before
