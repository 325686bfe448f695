"""Groups made by message, kept in a file of the data folder: whole, or as it was before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from gateway.groups.administration import ANY_GROUP, GroupDefinition, StatedCapability
from gateway.groups.registry import MAX_GROUPS, MAX_MEMBERS, MadeGroups
from gateway.model.der import Range
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.validate import Strict

GROUP_FILE = "groups.json"
_REMEDY = "bring back a good copy, or remove the file to start with the configured groups alone"

_GroupId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@\-]{0,63}$")]
_Bounds = tuple[float, float] | None


class _Entry(Strict):
    id: _GroupId
    version: Annotated[int, Field(ge=1)]
    members: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_MEMBERS)]
    power_w: _Bounds = None
    reactive_power_var: _Bounds = None
    description: Annotated[str, Field(max_length=300)] = ""


class _File(Strict):
    format: Literal[1]
    groups: Annotated[tuple[_Entry, ...], Field(max_length=MAX_GROUPS)]
    retired: dict[_GroupId, Annotated[int, Field(ge=1)]]


def load_groups(path: Path, candidates: Mapping[str, str], taken: set[str]) -> MadeGroups:
    """The groups in a file; none where there is no file.

    Args:
        path: the file.
        candidates: each device of the site, with why it cannot be a member, or an empty text.
        taken: ids of the site's own groups.

    Raises:
        ConfigError: with every fault found.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return MadeGroups()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([ConfigIssue(str(path), 0, 0, f"cannot be read: {error}")]) from error
    try:
        file = _File.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        issue = ConfigIssue(str(path), error.lineno, error.colno, f"not JSON: {error.msg}", _REMEDY)
        raise ConfigError([issue]) from error
    except ValidationError as error:
        raise ConfigError([_issue(path, f) for f in error.errors(include_url=False)]) from error
    faults = [fault for entry in file.groups for fault in _faults(entry, candidates, taken)]
    names = [entry.id for entry in file.groups]
    faults += [f"group {name!r} stands there twice" for name in names if names.count(name) > 1]
    if faults:
        raise ConfigError([ConfigIssue(str(path), 0, 0, fault, _REMEDY) for fault in faults])
    return MadeGroups({entry.id: _definition(entry) for entry in file.groups}, dict(file.retired))


def keep_groups(path: Path, made: MadeGroups) -> None:
    """Write the groups; what the file held before stays until all of it is on the disk.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "format": 1,
        "groups": [_entry(definition).model_dump() for definition in made.groups.values()],
        "retired": dict(made.retired),
    }
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _faults(entry: _Entry, candidates: Mapping[str, str], taken: set[str]) -> list[str]:
    faults = [
        f"member {name!r} of {entry.id!r}: {fault}"
        for name in entry.members
        if (fault := candidates.get(name, "no device of this site"))
    ]
    if entry.id in taken or entry.id == ANY_GROUP:
        faults.append(f"group {entry.id!r} has the name of a group of the configuration")
    if len(set(entry.members)) < len(entry.members):
        faults.append(f"a member of {entry.id!r} is named twice")
    stated = (entry.power_w, entry.reactive_power_var)
    faults += [
        f"a capability of {entry.id!r} has its minimum above its maximum"
        for bounds in stated
        if bounds is not None and bounds[0] > bounds[1]
    ]
    return faults


def _issue(path: Path, fault: object) -> ConfigIssue:
    known = fault if isinstance(fault, dict) else {}
    place = ".".join(str(part) for part in known.get("loc", ()))
    return ConfigIssue(str(path), 0, 0, f"{place}: {known.get('msg', fault)}", _REMEDY)


def _definition(entry: _Entry) -> GroupDefinition:
    return GroupDefinition(
        group_id=entry.id,
        version=entry.version,
        members=entry.members,
        capability=StatedCapability(
            power_w=None if entry.power_w is None else Range(*entry.power_w),
            reactive_power_var=None
            if entry.reactive_power_var is None
            else Range(*entry.reactive_power_var),
        ),
        description=entry.description,
    )


def _entry(definition: GroupDefinition) -> _Entry:
    stated = definition.capability
    return _Entry(
        id=definition.group_id,
        version=definition.version,
        members=definition.members,
        power_w=_bounds(stated.power_w),
        reactive_power_var=_bounds(stated.reactive_power_var),
        description=definition.description,
    )


def _bounds(interval: Range | None) -> _Bounds:
    return None if interval is None else (interval.minimum, interval.maximum)
