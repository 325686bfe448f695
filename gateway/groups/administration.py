"""Administration of groups as typed messages: definitions, and what creates and changes them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.groups.terms import Address, Quantity
from gateway.model.der import Range

#: Group id of a message about no group in particular; no group may have it.
ANY_GROUP = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCapability:
    """What a group is said to be able to do, whatever its members could.

    Attributes:
        power_w, reactive_power_var: bounds at the point of reference; None for no bound.
    """

    power_w: Range | None = None
    reactive_power_var: Range | None = None

    def of(self, quantity: Quantity) -> Range | None:
        """The bounds of one quantity."""
        known = {
            Quantity.ACTIVE_POWER: self.power_w,
            Quantity.REACTIVE_POWER: self.reactive_power_var,
        }
        return known.get(quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDefinition:
    """What a group is.

    Attributes:
        group_id: its id in messages.
        version: counts its changes from 1.
        members: its devices.
        capability: what is stated of it.
        description: free text.
        configured: it stands in the site's configuration and no message changes it.
    """

    group_id: str
    version: int
    members: tuple[str, ...]
    capability: StatedCapability = StatedCapability()
    description: str = ""
    configured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGroupRequest:
    """Make a group of devices of the site."""

    address: Address
    members: tuple[str, ...]
    capability: StatedCapability = StatedCapability()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroupRequest:
    """Change a group.

    Attributes:
        version: the one the change starts from; refused where it is not the present one.
        add, remove: members.
        members: take the place of the present ones; None leaves them to ``add`` and ``remove``.
        capability: takes the place of the present one; None leaves it.
        description: the same; None leaves it.
    """

    address: Address
    version: int
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    members: tuple[str, ...] | None = None
    capability: StatedCapability | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGroupRequest:
    """Remove a group whose present version is ``version``."""

    address: Address
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryGroupsRequest:
    """Definitions: of one group, of those with a member, or (``ANY_GROUP``, no member) of all."""

    address: Address
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchroniseGroupRequest:
    """Say which version of a group is known (0: none) and be told the present definition."""

    address: Address
    version: int


#: Requests that change what groups there are.
AdministrationRequest = CreateGroupRequest | ChangeGroupRequest | DeleteGroupRequest
