"""Answering group administration: definitions told, groups made and taken away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace

from gateway.groups.administration import (
    ANY_GROUP,
    AdministrationRequest,
    ChangeGroupRequest,
    DeleteGroupRequest,
    GroupDefinition,
    QueryGroupsRequest,
    SynchroniseGroupRequest,
)
from gateway.groups.backend import Asker, PointGroup
from gateway.groups.messages import Address, ErrorLevel, GroupReply, Result
from gateway.groups.registry import GroupRegistry, MadeGroups, RefusedChangeError
from gateway.groups.remote import RemoteGroup
from gateway.groups.replies import failed, refusal, reply
from gateway.model.clock import Clock

#: Elements of definitions that one reply may have: with more, its reader would refuse it.
_MAX_ELEMENTS = 1600
#: Elements of a definition beside its members, at most.
_FRAME = 8

#: Told of each change: the group's id, and what it is now; None where it is no more.
Listener = Callable[[str, GroupDefinition | None], None]


class Administrator:
    """Carries out administration on the groups of a service.

    Args:
        registry: definitions.
        groups: the service's groups, changed in place.
        build: makes a group of its definition.
        clock: stamps replies.

    Attributes:
        listeners: told of each change.
    """

    def __init__(
        self,
        registry: GroupRegistry,
        groups: MutableMapping[str, PointGroup | RemoteGroup],
        build: Callable[[GroupDefinition], PointGroup],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._groups = groups
        self._build = build
        self._clock = clock
        self.listeners: list[Listener] = []
        for definition in registry.made.groups.values():
            groups[definition.group_id] = build(definition)

    @property
    def made(self) -> MadeGroups:
        """Groups made by message, as they stand."""
        return self._registry.made

    def judge(
        self, request: AdministrationRequest, asker: Asker, held: Iterable[str], made: MadeGroups
    ) -> MadeGroups:
        """What a change would make of ``made``; changes nothing.

        Raises:
            RefusedChangeError: why it must not be.
        """
        if not asker.administrator:
            raise RefusedChangeError(f"{asker.name} is no administrator of groups here")
        after = self._registry.judge(request, made)
        regroups = isinstance(request, DeleteGroupRequest) or (
            isinstance(request, ChangeGroupRequest)
            and bool(request.add or request.remove or request.members)
        )
        if regroups and (functions := ", ".join(held)):
            raise RefusedChangeError(f"set points are held ({functions}): end them first")
        return after

    def change(
        self, request: AdministrationRequest, asker: Asker, held: Iterable[str]
    ) -> GroupReply:
        """Make, change or remove a group.

        Args:
            request: what is asked.
            asker: on whose behalf.
            held: functions the group carries out now or is to; members stay while there are any.
        """
        address, now_ms = request.address, self._clock.utc_ms()
        try:
            after = self.judge(request, asker, held, self._registry.made)
            self._put(after)
        except RefusedChangeError as error:
            return failed(address, now_ms, str(error))
        present = after.groups.get(address.group_id)
        bare = reply(address, now_ms, Result.OK)
        return bare if present is None else replace(bare, groups=(present,))

    def undo(self) -> Callable[[], Awaitable[str]]:
        """What brings the definitions of now back; it says why it could not, or nothing."""
        before = self._registry.made

        async def bring_back() -> str:
            try:
                self._restore(before)
            except RefusedChangeError as error:
                return str(error)
            return ""

        return bring_back

    def _restore(self, before: MadeGroups) -> None:
        """Put definitions back; each that was changed since counts its version on."""
        now = self._registry.made
        counted = {}
        for group_id, old in before.groups.items():
            new = now.groups.get(group_id)
            last = new.version if new is not None else now.retired.get(group_id, old.version)
            counted[group_id] = old if new == old else replace(old, version=last + 1)
        retired = dict(before.retired)
        retired |= {n: d.version for n, d in now.groups.items() if n not in before.groups}
        self._put(MadeGroups(counted, retired))

    def query(self, request: QueryGroupsRequest) -> GroupReply:
        """Definitions of one group, of those with a member, or of all."""
        address, now_ms = request.address, self._clock.utc_ms()
        known = self._registry.definitions
        if address.group_id != ANY_GROUP and address.group_id not in known:
            return _unknown(address, now_ms, known)
        found = [
            definition
            for name, definition in known.items()
            if address.group_id in (ANY_GROUP, name)
            and (not request.member or request.member in definition.members)
        ]
        if not found and request.member:
            return failed(address, now_ms, f"no group has the member {request.member!r}")
        told: list[GroupDefinition] = []
        size = 0
        for definition in found:
            size += _FRAME + len(definition.members)
            if size > _MAX_ELEMENTS and told:
                break
            told.append(definition)
        left = [definition.group_id for definition in found[len(told) :]]
        bare = replace(reply(address, now_ms, Result.OK), groups=tuple(told))
        if not left:
            return bare
        reason = f"{len(left)} more, too many for one reply; ask for each: {', '.join(left)}"
        return replace(bare, result=Result.PARTIAL, errors=(refusal(reason),))

    def synchronise(self, request: SynchroniseGroupRequest) -> GroupReply:
        """The present definition; the reply says where the asker's version is another."""
        address, now_ms = request.address, self._clock.utc_ms()
        known = self._registry.definitions
        present = known.get(address.group_id)
        if present is None:
            return _unknown(address, now_ms, known)
        bare = replace(reply(address, now_ms, Result.OK), groups=(present,))
        if request.version == present.version:
            return bare
        reason = f"version {present.version} here, {request.version} there"
        return replace(bare, errors=(refusal(reason, ErrorLevel.INFORM),))

    def _put(self, after: MadeGroups) -> None:
        before = self._registry.made.groups
        self._registry.put(after)
        for group_id in {**before, **after.groups}:
            present = after.groups.get(group_id)
            if before.get(group_id) == present:
                continue
            if present is None:
                self._groups.pop(group_id, None)
            else:
                self._groups[group_id] = self._build(present)
            for told in self.listeners:
                told(group_id, present)


def _unknown(address: Address, now_ms: int, known: Iterable[str]) -> GroupReply:
    names = ", ".join(known) or "none"
    return failed(address, now_ms, f"no group {address.group_id!r}; known: {names}")
