"""Loading device profiles: ``<name>.toml`` with ``<name>.csv`` beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.dnp3 import dnp3_issues
from gateway.profiles.profile import DeviceProfile, ProfilePoint
from gateway.profiles.registers import parse_type
from gateway.profiles.text import CsvRow, TomlText, read_csv, read_toml
from gateway.profiles.validate import validate_row, validate_toml

_COMMON = ("unit", "min", "max", "deadband", "poll", "description")
_COLUMNS = {
    "modbus": (("point", "kind", "table", "register", "type"), ("scale", "offset", *_COMMON)),
    "sunspec": (("point", "kind", "model", "name"), _COMMON),
    "dnp3": (("point", "kind", "index"), ("type", "scale", "offset", "mode", "feedback", *_COMMON)),
    "sep2": (("point", "kind", "resource", "name"), ("phase", "bit", "scale", *_COMMON)),
    "own": (("point", "kind"), _COMMON),
}


def load_profile(folder: Path, name: str) -> DeviceProfile:
    """Load one profile.

    Raises:
        ConfigError: with every fault of both files.
    """
    text = read_toml(folder / f"{name}.toml")
    issues: list[ConfigIssue] = []
    head = validate_toml(DeviceProfile, text, issues)
    protocol = head.protocol if head else text.data.get("protocol")
    if protocol not in _COLUMNS:
        raise ConfigError(issues)
    rows = read_csv(folder / f"{name}.csv", *_COLUMNS[protocol])
    points = [(row, validate_row(ProfilePoint, row, issues)) for row in rows]
    valid = [(row, point) for row, point in points if point is not None]
    if head is not None:
        issues += _point_issues(head, valid)
        if head.protocol == "dnp3":
            issues += dnp3_issues(head, text, valid)
        issues += _name_issues(head, text, {point.point for _, point in valid})
    if issues or head is None:
        raise ConfigError(issues)
    return head.model_copy(update={"points": tuple(point for _, point in valid)})


def _point_issues(
    profile: DeviceProfile, points: Iterable[tuple[CsvRow, ProfilePoint]]
) -> list[ConfigIssue]:
    issues, seen = [], dict[str, int]()
    for row, point in points:
        if point.point in seen:
            message = f"point {point.point!r} stands already at line {seen[point.point]}"
            issues.append(row.issue("point", message, "rename one of them"))
        seen.setdefault(point.point, row.line)
        if point.poll not in profile.poll:
            message = f"poll group {point.poll!r} is not in {profile.name}.toml"
            issues.append(row.issue("poll", message, f"add [poll.{point.poll}] with period_s"))
        if point.kind.is_output and point.table in ("input", "discrete"):
            message = f"{point.kind} {point.point!r} cannot be written in table {point.table!r}"
            issues.append(row.issue("table", message, "use holding or coil, or make it an input"))
        issues += _address_issues(profile, row, point)
    return issues


def _address_issues(profile: DeviceProfile, row: CsvRow, point: ProfilePoint) -> list[ConfigIssue]:
    """What is wrong with where a point lies."""
    if profile.protocol != "modbus":
        return []
    bits = point.table in ("coil", "discrete")
    if point.type is None and not bits:
        return [row.issue("type", f"point {point.point!r} has no type", "name a register type")]
    if point.type is not None:
        try:
            parse_type(point.type)
        except ValueError as error:
            return [row.issue("type", str(error), "name a register type, e.g. int16")]
    return []


def _name_issues(profile: DeviceProfile, text: TomlText, names: set[str]) -> list[ConfigIssue]:
    remedy = f"name a point of {profile.name}.csv"
    issues = [
        text.issue(("der", role), f"role {role!r} names no point {point!r}", remedy)
        for role, point in profile.der.items()
        if point not in names
    ]
    issues += [
        text.issue(("presets", role, point), f"preset names no point {point!r}", remedy)
        for role, values in profile.presets.items()
        for point in values
        if point not in names
    ]
    issues += [
        text.issue(("locals", output), f"locals names no point {name!r}", remedy)
        for output, local in profile.locals_.items()
        for name in (output, local)
        if name not in names
    ]
    if profile.local is not None and profile.local not in names:
        issues.append(text.issue(("local",), f"local names no point {profile.local!r}", remedy))
    return issues
