"""Groups within groups: what a site file may not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.errors import ConfigIssue
from gateway.profiles.text import TomlText
from gateway.site.config import GroupTable, SiteFile

#: Groups within groups within groups: deeper than this nobody can follow.
MOST_LEVELS = 4


def check_nesting(
    text: TomlText, file: SiteFile, devices: Mapping[str, object]
) -> list[ConfigIssue]:
    """Circles, depth, names that mean two things, and remote members without a DERMS."""
    issues = []
    for name, group in file.groups.items():
        place = ("groups", name, "members")
        path = _circle(file.groups, (name,))
        if path:
            message = f"group {name!r} is a member of itself: {' > '.join(path)}"
            issues.append(text.issue(place, message, "take one of them out"))
        elif (levels := _levels(file.groups, name)) > MOST_LEVELS:
            message = f"group {name!r} has {levels} levels of groups"
            issues.append(text.issue(place, message, f"use {MOST_LEVELS} at most"))
        for member in group.members:
            if member == name and member not in devices:
                message = f"group {name!r} is a member of itself: {name} > {name}"
                issues.append(text.issue(place, message, "take it out"))
            inner = file.groups.get(member)
            if inner is not None and inner.backend == "remote" and file.derms is None:
                message = f"member {member!r} is a group of another box"
                issues.append(text.issue(place, message, "add [derms], which holds such groups"))
    return issues


def _inner(groups: Mapping[str, GroupTable], name: str) -> Iterator[str]:
    # its own name is the device of that name
    return (member for member in groups[name].members if member in groups and member != name)


def _circle(groups: Mapping[str, GroupTable], path: tuple[str, ...]) -> tuple[str, ...]:
    """The way from a group back to itself; empty where there is none."""
    for member in _inner(groups, path[-1]):
        if member == path[0]:
            return (*path, member)
        if member not in path and (found := _circle(groups, (*path, member))):
            return found
    return ()


def _levels(groups: Mapping[str, GroupTable], name: str, seen: tuple[str, ...] = ()) -> int:
    inner = [member for member in _inner(groups, name) if member not in (*seen, name)]
    return 1 + max((_levels(groups, member, (*seen, name)) for member in inner), default=0)
