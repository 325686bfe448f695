"""The site's points: every device's profile expanded, the site's overrides laid over."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.model.point import PointSpec
from gateway.points.interlock import InterlockRule
from gateway.profiles.profile import ProfilePoint
from gateway.profiles.text import CsvRow, read_csv
from gateway.profiles.validate import validate_row
from gateway.site.config import OverrideRow
from gateway.site.site import Device, SitePoint

_OPTIONAL = (
    "omit", "act", "min", "max", "deadband", "max_age_s", "rate_per_min", "event_class", "requires",
)  # fmt: skip

#: A value may miss this many polls before it is stale, and is never stale sooner than this.
MISSED_POLLS, SHORTEST_AGE_S = 3, 1.5


def expand_points(
    folder: Path, devices: Mapping[str, Device], issues: list[ConfigIssue]
) -> tuple[dict[str, Device], tuple[SitePoint, ...]]:
    """Every device with the points it has, and every point.

    Appends every fault of ``points.csv`` to ``issues``.
    """
    overrides = _overrides(folder / "points.csv", issues)
    omitted = {name for name, (_, override) in overrides.items() if override.omit}
    points: list[SitePoint] = []
    for device in devices.values():
        for source in device.profile.points:
            _, override = overrides.pop(f"{device.name}.{source.point}", (None, _NOTHING))
            if not override.omit:
                points.append(_expand(device, source, override))
    for row, override in overrides.values():
        message = f"there is no point {override.point!r}"
        issues.append(row.issue("point", message, "tieline points lists them"))
    trimmed = {name: _without(device, omitted) for name, device in devices.items()}
    return trimmed, tuple(replace(p, device=trimmed[p.device.name]) for p in points)


def _without(device: Device, omitted: Collection[str]) -> Device:
    """The device as if its profile did not know the points it does not have."""
    profile = device.profile
    gone = {p.point for p in profile.points if f"{device.name}.{p.point}" in omitted}
    if not gone:
        return device
    presets = {
        role: {point: value for point, value in values.items() if point not in gone}
        for role, values in profile.presets.items()
    }
    known = profile.model_copy(
        update={
            "points": tuple(p for p in profile.points if p.point not in gone),
            "der": {role: point for role, point in profile.der.items() if point not in gone},
            "presets": presets,
        }
    )
    return replace(device, profile=known)


_NOTHING = OverrideRow.model_validate({"point": "-"})


def _overrides(path: Path, issues: list[ConfigIssue]) -> dict[str, tuple[CsvRow, OverrideRow]]:
    if not path.is_file():
        return {}
    try:
        rows = read_csv(path, ("point",), _OPTIONAL)
    except ConfigError as error:
        issues.extend(error.issues)
        return {}
    found: dict[str, tuple[CsvRow, OverrideRow]] = {}
    for row in rows:
        parsed = validate_row(OverrideRow, row, issues)
        if parsed is None:
            continue
        if parsed.point in found:
            message = f"point {parsed.point!r} stands already at line {found[parsed.point][0].line}"
            issues.append(row.issue("point", message, "keep one row"))
        found.setdefault(parsed.point, (row, parsed))
    return found


def _expand(device: Device, source: ProfilePoint, override: OverrideRow) -> SitePoint:
    period_s = device.periods_s[source.poll]
    max_age_s = override.max_age_s or max(MISSED_POLLS * period_s, SHORTEST_AGE_S)
    spec = PointSpec(
        id=f"{device.name}.{source.point}",
        kind=source.kind,
        unit=source.unit,
        minimum=_first(override.minimum, source.minimum, -math.inf),
        maximum=_first(override.maximum, source.maximum, math.inf),
        deadband=_first(override.deadband, source.deadband),
        max_age_s=max_age_s,
        event_class=2 if override.event_class is None else override.event_class,
        act=bool(override.act),
        rate_per_min=override.rate_per_min or 0,
    )
    return SitePoint(spec, device, source, _rule(device, spec, override))


def _rule(device: Device, spec: PointSpec, override: OverrideRow) -> InterlockRule | None:
    if not spec.kind.is_output:
        return None
    local = device.profile.local_of(spec.id.partition(".")[2])
    # the read-back: nothing is sent before the device itself has shown what it holds
    requires = (spec.id, *(override.requires or "").split())
    return InterlockRule(requires, None if local is None else f"{device.name}.{local}")


def _first(*candidates: float | None) -> float:
    return next(candidate for candidate in candidates if candidate is not None)
