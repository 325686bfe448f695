"""What a DNP3 device profile must keep to, beside what every profile must."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from gateway.model.errors import ConfigIssue
from gateway.model.point import PointKind
from gateway.profiles.profile import DeviceProfile, ProfilePoint
from gateway.profiles.text import CsvRow, TomlText

#: Type of an analog output to the variation of its command (group 41).
ANALOG_OUTPUT_VARIATION: Mapping[str, int] = MappingProxyType(
    {"int32": 1, "int16": 2, "float32": 3, "float64": 4}
)
#: How a binary output is commanded.
BINARY_OUTPUT_STYLES = ("latch", "pulse", "trip-close")
#: What an output is where its profile does not say.
DEFAULT_TYPES: Mapping[PointKind, str] = MappingProxyType(
    {PointKind.AO: "int32", PointKind.BO: "latch"}
)

Rows = Sequence[tuple[CsvRow, ProfilePoint]]


def dnp3_issues(profile: DeviceProfile, text: TomlText, rows: Rows) -> list[ConfigIssue]:
    """Every fault of a DNP3 profile's own kind."""
    names = {point.point for _, point in rows}
    return [
        *_poll_issues(profile, text),
        *_index_issues(rows),
        *(issue for row, point in rows for issue in _output_issues(row, point, names)),
    ]


def _poll_issues(profile: DeviceProfile, text: TomlText) -> Iterable[ConfigIssue]:
    for name, group in profile.poll.items():
        if not group.classes:
            message = f"[poll.{name}] of a DNP3 profile names no classes"
            yield text.issue(("poll", name), message, "add classes = [1, 2, 3]")


def _index_issues(rows: Rows) -> Iterable[ConfigIssue]:
    taken: dict[tuple[PointKind, int], int] = {}
    for row, point in rows:
        if point.index is None:
            continue  # the row's own validation says so
        line = taken.setdefault((point.kind, point.index), row.line)
        if line != row.line:
            message = f"{point.kind} {point.index} is taken by line {line}"
            yield row.issue("index", message, "choose the point's own index")


def _output_issues(row: CsvRow, point: ProfilePoint, names: Iterable[str]) -> Iterable[ConfigIssue]:
    known: Mapping[PointKind, Iterable[str]] = {
        PointKind.AO: ANALOG_OUTPUT_VARIATION,
        PointKind.BO: BINARY_OUTPUT_STYLES,
    }
    if point.type is not None and point.type not in known.get(point.kind, ()):
        allowed = ", ".join(known.get(point.kind, ())) or "leave the cell empty"
        yield row.issue("type", f"{point.kind} has no type {point.type!r}", f"use: {allowed}")
    if not point.kind.is_output and (point.mode or point.feedback):
        yield row.issue("mode", f"{point.kind} takes no commands", "leave mode and feedback empty")
    if point.feedback is not None and point.feedback not in names:
        message = f"feedback names no point {point.feedback!r}"
        yield row.issue("feedback", message, "name a point of this profile")
