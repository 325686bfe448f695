"""A group shown northbound as one DER of the DNP3 DER profile.

Its points are fed from what the group says of itself; its outputs are group functions: a set
point is kept until its function is enabled, and from then on each change is asked for anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from gateway.groups.backend import Asker, PointGroup
from gateway.groups.messages import (
    Address,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    Direction,
    DispatchRequest,
    GroupReply,
    GroupRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
)
from gateway.model.clock import Clock
from gateway.model.command import CommandMode, CommandStatus, Priority
from gateway.model.der import Excitation, Range
from gateway.model.point import PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.profiles.profile import DeviceProfile, ProfilePoint
from gateway.site.dnp3_der_view import shown_points

#: Asks a group function: request, on whose behalf, which master.
AskGroup = Callable[[GroupRequest, Asker, str], Awaitable[GroupReply]]

#: Unit codes of a curve's Y values to what 100 % means.
_REFERENCES: Mapping[int, CurveReference] = MappingProxyType(
    {
        2: CurveReference.MAX_REACTIVE_POWER,
        3: CurveReference.AVAILABLE_REACTIVE_POWER,
        4: CurveReference.MAX_ACTIVE_POWER,
    }
)
#: Outputs that are a function of their own when written, by name.
_ACTIONS = ("connect", "island", "stop")
#: Each enable, with the set points whose change asks for its function anew.
_FUNCTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "p_limit_ena": ("p_limit", "p_limit_charge"),
        "p_set_ena": ("p_set",),
        "q_set_ena": ("q_set",),
        "pf_ena": ("pf_set", "pf_ext"),
        "vv_ena": ("vv_index",),
    }
)
_REACTIVE = ("q_set_ena", "pf_ena", "vv_ena")
#: What outputs hold before anybody has set them; the rest hold 0.
_INITIAL = {"p_limit": 100.0, "p_limit_charge": 100.0, "pf_set": 1.0, "pf_cha": 1.0,
            "vv_select": 1.0, "vv_index": 1.0, "vv_type": 2.0, "vv_x_unit": 129.0,
            "vv_y_unit": 2.0, "permit_start": 1.0, "connect": 1.0}  # fmt: skip
_GOOD = int(Quality.ONLINE)
_UNKNOWN = int(Quality.COMM_LOST)


class GroupDer:
    """One group as a DER of the profile.

    Args:
        group: whose points and functions.
        profile: ``dnp3_der_an2018`` or ``dnp3_der_1815_2``; fixes indices and scaling.
        ask: carries group functions out.
        ranks: rank of each master's word; a master without one may only look.
        clock: the time everything gets.

    Attributes:
        points: points of the profile that a group can show; the others are left out.
        store: the DER's points, ids ``GROUP.point``, in that order.
    """

    def __init__(
        self,
        group: PointGroup,
        profile: DeviceProfile,
        ask: AskGroup,
        ranks: Mapping[str, Priority],
        clock: Clock,
    ) -> None:
        self.profile = profile
        self._group = group
        self._ask = ask
        self._ranks = dict(ranks)
        self._clock = clock
        self._numbers = itertools.count(1)
        self._held = {p.point: _INITIAL.get(p.point, 0.0) for p in profile.points if _is_output(p)}
        known = dict(shown_points(group, self._held))
        self.points = tuple(point for point in profile.points if point.point in known)
        self.store = PointStore([self._spec(point) for point in self.points], clock)
        self._all = np.arange(len(self.points), dtype=np.intp)
        self.refresh()

    def point_id(self, point: ProfilePoint) -> str:
        """Id of a profile point in :attr:`store`."""
        return f"{self._group.group_id}.{point.point}"

    def refresh(self) -> None:
        """Take over what the group says of itself now; call it about once a second."""
        shown = dict(shown_points(self._group, self._held))
        values = [shown.get(point.point) for point in self.points]
        self.store.update_block(
            self._all,
            np.array([np.nan if value is None else value for value in values], dtype=np.float64),
            np.array([_UNKNOWN if v is None else _GOOD for v in values], dtype=np.uint8),
            self._clock.utc_ms(),
            synchronised=True,
        )

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        """Whether an output could take a value: the answer to a select."""
        if master not in self._ranks:
            return CommandStatus.NOT_AUTHORIZED
        source = self.profile.point(point.partition(".")[2])
        if source is None or not _is_output(source):
            return CommandStatus.NOT_SUPPORTED
        low = -np.inf if source.minimum is None else source.minimum
        high = np.inf if source.maximum is None else source.maximum
        if not low <= value <= high:
            return CommandStatus.OUT_OF_RANGE
        return CommandStatus.SUCCESS

    async def operate(
        self,
        point: str,
        value: float,
        mode: CommandMode,  # noqa: ARG002 - a group's select is the check above
        master: str,
    ) -> CommandStatus:
        """Set an output, and ask for the group function that it enables, ends or changes."""
        status = self.check(point, value, master)
        if status is not CommandStatus.SUCCESS:
            return status
        name = point.partition(".")[2]
        before = self._held[name]
        self._held[name] = value
        for request in self._requests(name):
            status = await self._carry_out(request, master)
            if status is not CommandStatus.SUCCESS:
                self._held[name] = before  # what was refused is not held
                break
        else:
            self._end_rivals(name)
        self.refresh()
        return status

    def _end_rivals(self, name: str) -> None:
        """One function of reactive power at a time: the group has switched the others off."""
        if name in _REACTIVE and self._held[name]:
            for rival in _REACTIVE:
                if rival != name:
                    self._held[rival] = 0.0

    async def _carry_out(self, request: GroupRequest, master: str) -> CommandStatus:
        asker = Asker(f"dnp3:{master}", self._ranks[master])
        reply = await self._ask(request, asker, master)
        if reply.result is not Result.FAILED:
            return CommandStatus.SUCCESS  # in part as well: the read-backs say what is held
        said = " ".join(error.reason for error in reply.errors)
        return CommandStatus.BLOCKED if "islanded" in said else CommandStatus.DOWNSTREAM_FAIL

    def _requests(self, name: str) -> Sequence[GroupRequest]:
        """The group functions that setting an output asks for; none for a mere set point."""
        if name in _ACTIONS:
            return (self._action(name),)
        enable = next((e for e, own in _FUNCTIONS.items() if name == e or name in own), None)
        if enable is None or (name != enable and not self._held[enable]):
            return ()
        return self._function(enable, on=bool(self._held[enable]))

    def _action(self, name: str) -> GroupRequest:
        on, address = bool(self._held[name]), self._address()
        if name == "island":
            action = IslandAction.PLANNED if on else IslandAction.RECONNECT
            return IslandRequest(address=address, action=action)
        return ConnectRequest(address=address, connect=on if name == "connect" else not on)

    def _function(self, enable: str, *, on: bool) -> Sequence[GroupRequest]:
        held, address = self._held, self._address
        match enable:
            case "p_limit_ena":
                return self._limits(on=on)
            case "p_set_ena" | "q_set_ena":
                active = enable == "p_set_ena"
                quantity = Quantity.ACTIVE_POWER if active else Quantity.REACTIVE_POWER
                percent = held["p_set" if active else "q_set"]
                schedule = ((0.0, percent / 100.0 * self._rated(quantity).maximum),) if on else ()
                return (DispatchRequest(address=address(), quantity=quantity, schedule=schedule),)
            case "pf_ena":
                sign = Excitation.UNDER_EXCITED if held["pf_ext"] else Excitation.OVER_EXCITED
                factor = held["pf_set"] if on else None
                return (
                    PowerFactorRequest(address=address(), power_factor=factor, excitation=sign),
                )
            case _:
                return (self._curve(on=on),)

    def _limits(self, *, on: bool) -> Sequence[GroupRequest]:
        if not on:
            return (LimitRequest(address=self._address(), limit_w=None),)
        rated = self._rated(Quantity.ACTIVE_POWER)
        requests = [
            LimitRequest(
                address=self._address(), limit_w=self._held["p_limit"] / 100.0 * rated.maximum
            )
        ]
        if self._held["p_limit_charge"] < 100.0 and rated.minimum < 0:
            limit_w = -self._held["p_limit_charge"] / 100.0 * rated.minimum
            requests.append(
                LimitRequest(address=self._address(), limit_w=limit_w, direction=Direction.IMPORT)
            )
        return requests

    def _curve(self, *, on: bool) -> CurveRequest:
        held = self._held
        count = min(max(int(held["vv_points"]), 2), 4)
        points = tuple((held[f"vv_v{n}"], held[f"vv_q{n}"]) for n in range(1, count + 1))
        reference = _REFERENCES.get(int(held["vv_y_unit"]), CurveReference.MAX_REACTIVE_POWER)
        return CurveRequest(
            address=self._address(), points=points if on else (), reference=reference
        )

    def _address(self) -> Address:
        group = self._group.group_id
        now_ms = self._clock.utc_ms()
        return Address(
            message_id=f"dnp3-{group}-{now_ms}-{next(self._numbers)}",
            dms_id="dnp3",
            group_id=group,
            time_ms=now_ms,
        )

    def _rated(self, quantity: Quantity) -> Range:
        entry = self._group.ranges(quantity)
        known = None if entry is None else entry.nameplate
        return Range(0.0, 0.0) if known is None else known

    def _spec(self, point: ProfilePoint) -> PointSpec:
        return PointSpec(
            id=self.point_id(point),
            kind=point.kind,
            unit=point.unit,
            deadband=point.deadband,
            max_age_s=10.0,
            act=True,
        )


def _is_output(point: ProfilePoint) -> bool:
    return point.kind in (PointKind.AO, PointKind.BO)
