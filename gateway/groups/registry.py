"""Which groups there are: the site's own, which no message changes, and those made by message.

Whatever is changed is kept first: what could not be kept did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.groups.administration import (
    ANY_GROUP,
    AdministrationRequest,
    ChangeGroupRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    GroupDefinition,
)

#: Groups made by message, and members of one of them, at most.
MAX_GROUPS, MAX_MEMBERS = 200, 1000


class RefusedChangeError(Exception):
    """A change that must not be; says why."""


@dataclass(frozen=True, slots=True)
class MadeGroups:
    """Groups made by message, as they are kept.

    Attributes:
        groups: by id.
        retired: last version of each that was deleted: one of the same name counts on from it.
    """

    groups: Mapping[str, GroupDefinition] = field(default_factory=dict)
    retired: Mapping[str, int] = field(default_factory=dict)


class GroupRegistry:
    """Keeps the definitions of all groups.

    Args:
        configured: the site's own, by id.
        candidates: each device of the site, with why it cannot be a member, or an empty text.
        made: those made by message before this start.
        keep: keeps those made by message. Raises OSError where it cannot.
    """

    def __init__(
        self,
        configured: Iterable[GroupDefinition],
        candidates: Mapping[str, str],
        made: MadeGroups,
        keep: Callable[[MadeGroups], None],
    ) -> None:
        self._configured = {definition.group_id: definition for definition in configured}
        self._candidates = dict(candidates)
        self._made = made
        self._keep = keep

    @property
    def definitions(self) -> dict[str, GroupDefinition]:
        """Every group by id, the site's own first."""
        return {**self._configured, **self._made.groups}

    @property
    def made(self) -> MadeGroups:
        """Those made by message."""
        return self._made

    def judge(self, request: AdministrationRequest, made: MadeGroups) -> MadeGroups:
        """What a change would make of ``made``; changes nothing.

        Raises:
            RefusedChangeError: why it must not be.
        """
        group_id = request.address.group_id
        if group_id in self._configured:
            raise RefusedChangeError(f"{group_id} stands in the site's configuration: read-only")
        if group_id == ANY_GROUP:
            raise RefusedChangeError(f"{ANY_GROUP!r} cannot name a group")
        match request:
            case CreateGroupRequest():
                definition = self._created(request, made)
            case ChangeGroupRequest():
                definition = self._changed(request, _present(made, group_id, request.version))
            case DeleteGroupRequest():
                old = _present(made, group_id, request.version)
                left = {name: kept for name, kept in made.groups.items() if name != group_id}
                retired = {**made.retired, group_id: old.version}
                while len(retired) > MAX_GROUPS:
                    del retired[next(iter(retired))]
                return MadeGroups(left, retired)
        return MadeGroups({**made.groups, group_id: definition}, made.retired)

    def put(self, made: MadeGroups) -> None:
        """Keep what :meth:`judge` made, then hold it.

        Raises:
            RefusedChangeError: it could not be kept: nothing has changed.
        """
        try:
            self._keep(made)
        except OSError as error:
            raise RefusedChangeError(f"the groups cannot be kept: {error.strerror}") from error
        self._made = made

    def _created(self, request: CreateGroupRequest, made: MadeGroups) -> GroupDefinition:
        group_id = request.address.group_id
        if group_id in made.groups:
            version = made.groups[group_id].version
            raise RefusedChangeError(f"{group_id} is there already, version {version}")
        if len(made.groups) >= MAX_GROUPS:
            raise RefusedChangeError(f"there are {MAX_GROUPS} groups made by message already")
        self._check_members(request.members)
        return GroupDefinition(
            group_id=group_id,
            version=made.retired.get(group_id, 0) + 1,
            members=request.members,
            capability=request.capability,
            description=request.description,
        )

    def _changed(self, request: ChangeGroupRequest, old: GroupDefinition) -> GroupDefinition:
        both = set(request.add) & set(request.remove)
        strangers = [name for name in request.remove if name not in old.members]
        again = [name for name in request.add if name in old.members]
        for names, fault in (
            (sorted(both), "added and removed"),
            (strangers, "no member"),
            (again, "a member already"),
        ):
            if names:
                raise RefusedChangeError(f"{', '.join(names)}: {fault}")
        left = tuple(name for name in old.members if name not in request.remove)
        members = (*left, *request.add)
        if request.members is not None:
            if request.add or request.remove:
                raise RefusedChangeError("members are replaced, or added and removed, not both")
            members = request.members
        self._check_members(members)
        new = replace(old, members=members)
        if request.capability is not None:
            new = replace(new, capability=request.capability)
        if request.description is not None:
            new = replace(new, description=request.description)
        return replace(new, version=old.version + 1)

    def _check_members(self, members: tuple[str, ...]) -> None:
        if not members:
            raise RefusedChangeError("a group needs a member")
        if len(members) > MAX_MEMBERS:
            raise RefusedChangeError(f"a group has {MAX_MEMBERS} members at most")
        if len(set(members)) < len(members):
            raise RefusedChangeError("a member is named twice")
        faults = [
            f"{name}: {fault}"
            for name in members
            if (fault := self._candidates.get(name, "no device of this site"))
        ]
        if faults:
            raise RefusedChangeError("; ".join(faults))


def _present(made: MadeGroups, group_id: str, version: int) -> GroupDefinition:
    """The present definition, which a request says it knows."""
    present = made.groups.get(group_id)
    if present is None:
        raise RefusedChangeError(f"no group {group_id!r} was made by message")
    if version != present.version:
        reason = f"version {version} of {group_id} is stale: it is at {present.version}"
        raise RefusedChangeError(f"{reason}; synchronise first")
    return present
