"""Groups within groups: what a site file may not say."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.errors import ConfigIssue
from gateway.profiles.text import TomlText
from gateway.site.config import SiteFile

#: Groups within groups within groups: deeper than this nobody can follow.
MOST_LEVELS = 4


def check_nesting(
    text: TomlText, file: SiteFile, devices: Mapping[str, object]
) -> list[ConfigIssue]:
    """Circles, depth, and remote members without a DERMS."""
    issues = []
    groups = {
        name: tuple(m for m in group.members if m in file.groups and m not in devices)
        for name, group in file.groups.items()
    }
    for name, inner in groups.items():
        place = ("groups", name, "members")
        path = _circle(groups, (name,))
        if path:
            message = f"group {name!r} is a member of itself: {' > '.join(path)}"
            issues.append(text.issue(place, message, "take one of them out"))
        elif (levels := _levels(groups, name)) > MOST_LEVELS:
            message = f"group {name!r} has {levels} levels of groups"
            issues.append(text.issue(place, message, f"use {MOST_LEVELS} at most"))
        for member in inner:
            if file.groups[member].backend == "remote" and file.derms is None:
                message = f"member {member!r} is a group of another box"
                issues.append(text.issue(place, message, "add [derms], which holds such groups"))
    return issues


def _circle(groups: Mapping[str, tuple[str, ...]], path: tuple[str, ...]) -> tuple[str, ...]:
    """The way from a group back to itself; empty where there is none."""
    for member in groups[path[-1]]:
        if member == path[0]:
            return (*path, member)
        if member not in path and (found := _circle(groups, (*path, member))):
            return found
    return ()


def _levels(groups: Mapping[str, tuple[str, ...]], name: str, seen: tuple[str, ...] = ()) -> int:
    inner = [member for member in groups[name] if member not in (*seen, name)]
    return 1 + max((_levels(groups, member, (*seen, name)) for member in inner), default=0)
