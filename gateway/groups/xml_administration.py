"""Payloads of group administration, and group definitions in replies and events."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from gateway.groups.administration import (
    ChangeGroupRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    GroupDefinition,
    QueryGroupsRequest,
    StatedCapability,
    SynchroniseGroupRequest,
)
from gateway.groups.messages import Address, Quantity
from gateway.groups.xml_function import Function
from gateway.groups.xml_values import (
    WireError,
    add,
    child,
    clean,
    put_value,
    tag,
    text_of,
    value_in,
)
from gateway.model.der import Range

_STATED = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)


def put_definition(parent: etree._Element, definition: GroupDefinition) -> None:
    """A group's definition as a child."""
    element = add(parent, "Group")
    element.set("id", definition.group_id)
    element.set("version", str(definition.version))
    element.set("configured", "true" if definition.configured else "false")
    if definition.description:
        add(element, "Description", clean(definition.description))
    _put_members(element, definition.members)
    _put_capability(element, definition.capability)


def read_definitions(parent: etree._Element) -> tuple[GroupDefinition, ...]:
    """Every definition that an element holds.

    Raises:
        WireError: a minimum above its maximum, or a wrong unit.
    """
    return tuple(
        GroupDefinition(
            group_id=element.get("id", "").strip(),
            version=int(element.get("version", "")),
            members=_members(element),
            capability=_capability(element),
            description=element.findtext(tag("Description"), ""),
            configured=element.get("configured", "").strip() == "true",
        )
        for element in parent.iterfind(tag("Group"))
    )


def _put_creation(element: etree._Element, request: CreateGroupRequest) -> None:
    if request.description:
        add(element, "Description", clean(request.description))
    _put_members(element, request.members)
    _put_capability(element, request.capability)


def _read_creation(element: etree._Element, address: Address) -> CreateGroupRequest:
    return CreateGroupRequest(
        address=address,
        members=_members(element),
        capability=_capability(element),
        description=element.findtext(tag("Description"), ""),
    )


def _put_change(element: etree._Element, request: ChangeGroupRequest) -> None:
    add(element, "Version", str(request.version))
    if request.description is not None:
        add(element, "Description", clean(request.description))
    for name, members in (
        ("Add", request.add),
        ("Remove", request.remove),
        ("Members", request.members),
    ):
        if members:
            _put_members(add(element, name), members)
    if request.capability is not None:
        _put_capability(add(element, "StatedCapability"), request.capability)


def _read_change(element: etree._Element, address: Address) -> ChangeGroupRequest:
    added, removed = element.find(tag("Add")), element.find(tag("Remove"))
    members = element.find(tag("Members"))
    stated = element.find(tag("StatedCapability"))
    return ChangeGroupRequest(
        address=address,
        version=int(text_of(element, "Version")),
        add=() if added is None else _members(added),
        remove=() if removed is None else _members(removed),
        members=None if members is None else _members(members),
        capability=None if stated is None else _capability(stated),
        description=element.findtext(tag("Description")),
    )


def _put_version(
    element: etree._Element, request: DeleteGroupRequest | SynchroniseGroupRequest
) -> None:
    add(element, "Version", str(request.version))


def _read_deletion(element: etree._Element, address: Address) -> DeleteGroupRequest:
    return DeleteGroupRequest(address=address, version=int(text_of(element, "Version")))


def _read_synchronisation(element: etree._Element, address: Address) -> SynchroniseGroupRequest:
    return SynchroniseGroupRequest(address=address, version=int(text_of(element, "Version")))


def _put_query(element: etree._Element, request: QueryGroupsRequest) -> None:
    if request.member:
        add(element, "Member", request.member)


def _read_query(element: etree._Element, address: Address) -> QueryGroupsRequest:
    return QueryGroupsRequest(address=address, member=text_of(element, "Member"))


def _put_members(element: etree._Element, members: Iterable[str]) -> None:
    for member in members:
        add(element, "Member", member)


def _members(element: etree._Element) -> tuple[str, ...]:
    return tuple((found.text or "").strip() for found in element.iterfind(tag("Member")))


def _put_capability(element: etree._Element, capability: StatedCapability) -> None:
    for quantity in _STATED:
        bounds = capability.of(quantity)
        if bounds is not None:
            found = add(element, "Capability")
            found.set("quantity", quantity)
            put_value(found, "Minimum", quantity, bounds.minimum)
            put_value(found, "Maximum", quantity, bounds.maximum)


def _capability(element: etree._Element) -> StatedCapability:
    bounds: dict[Quantity, Range] = {}
    for found in element.iterfind(tag("Capability")):
        quantity = Quantity(found.get("quantity", "").strip())
        low = value_in(child(found, "Minimum"), quantity)
        high = value_in(child(found, "Maximum"), quantity)
        if quantity in bounds:
            raise WireError(found, f"the capability of {quantity} is stated twice")
        if low is None or high is None or low > high:
            raise WireError(found, f"Minimum {low} is above Maximum {high}")
        bounds[quantity] = Range(low, high)
    return StatedCapability(
        power_w=bounds.get(Quantity.ACTIVE_POWER),
        reactive_power_var=bounds.get(Quantity.REACTIVE_POWER),
    )


#: Noun to how its function travels.
ADMINISTRATION = {
    "GroupCreation": Function("create", _read_creation, _put_creation),
    "GroupChange": Function("change", _read_change, _put_change),
    "GroupDeletion": Function("delete", _read_deletion, _put_version),
    "GroupQuery": Function("get", _read_query, _put_query),
    "GroupSynchronisation": Function("get", _read_synchronisation, _put_version),
}
