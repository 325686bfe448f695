"""A group of the site as the utility's IEEE 2030.5 EndDevice: its controls are group functions.

What is in force over 2030.5 is asked of the group with the utility's rank, function by function;
the router settles conflicts, and what became of each mode goes back as a response.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.groups.backend import Asker, PointGroup
from gateway.groups.messages import (
    Address,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    DispatchRequest,
    GroupReply,
    GroupRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
)
from gateway.links.sep2.client import Effective, ModeOutcome, ModeSetting, Outcome, Taken
from gateway.model.clock import Clock
from gateway.model.command import Priority
from gateway.model.der import Excitation, Range

#: Asks a group function: request, on whose behalf, which peer.
AskGroup = Callable[[GroupRequest, Asker, str], Awaitable[GroupReply]]
#: Makes a function's request out of its mode's value; ValueError where it cannot be said.
Make = Callable[["UtilityDevice", ModeSetting], GroupRequest]
#: Makes the request that ends a mode.
End = Callable[["UtilityDevice"], GroupRequest]

_PCT_OF_MAX_W, _PCT_OF_MAX_VAR, _PCT_OF_AVAILABLE_VAR = 1, 2, 3
_REFERENCES: Mapping[int, CurveReference] = MappingProxyType(
    {
        _PCT_OF_MAX_W: CurveReference.MAX_ACTIVE_POWER,
        _PCT_OF_MAX_VAR: CurveReference.MAX_REACTIVE_POWER,
        _PCT_OF_AVAILABLE_VAR: CurveReference.AVAILABLE_REACTIVE_POWER,
    }
)
#: A function that fails is asked again after this; an operator lets go without telling us.
RETRY_S = 10.0
_HOLDS = (Taken.TAKEN, Taken.PARTLY)
#: What a refusal says where the members lack the function altogether.
_LACKS = ("has no ", "cannot limit", "at most")


@dataclass(frozen=True, slots=True)
class _Function:
    """A group function and the modes that ask for it or end it; the first that is set counts."""

    name: str
    modes: Mapping[str, tuple[Make, End]]


@dataclass(slots=True)
class _Asked:
    """What was asked last of one function, and how that ended.

    Attributes:
        overridden: it was taken, and somebody of higher rank holds the points now.
    """

    mode: str
    setting: ModeSetting
    outcome: ModeOutcome
    tried_s: float
    overridden: bool = False


@dataclass(slots=True)
class UtilityDevice:
    """One group as an EndDevice.

    Args:
        group: its points.
        ask: carries group functions out.
        peer: who commands, for records: the utility's name.
        clock: time.
    """

    group: PointGroup
    ask: AskGroup
    peer: str
    clock: Clock
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def asker(self) -> Asker:
        """On whose behalf: the utility's rank at the arbiter."""
        return Asker(f"sep2:{self.peer}", Priority.UTILITY_2030_5)

    async def apply(self, effective: Effective) -> Outcome:
        """Ask for what is in force, end what is not any more; says what became of each mode."""
        chosen = {f.name: _chosen(f, effective) for f in _FUNCTIONS}
        for name in list(self._asked):  # what ends first makes room for what begins
            if chosen.get(name) is None:
                await self._end(name)
        for function in _FUNCTIONS:
            mode = chosen[function.name]
            if mode is not None:
                await self._hold(function, mode, effective.modes[mode])
        return self._outcome(effective, chosen)

    async def watch(self, effective: Effective) -> Outcome | None:
        """Look whether what was asked still holds, and ask again for what was refused.

        Returns:
            The new outcome where anything changed: an operator took over, or let go.
        """
        before = {name: asked.outcome.taken for name, asked in self._asked.items()}
        now_s = self.clock.monotonic_s()
        for function in _FUNCTIONS:
            asked = self._asked.get(function.name)
            if asked is None:
                continue
            if asked.overridden or asked.outcome.taken in _HOLDS:
                self._look(asked)
            elif asked.outcome.taken is Taken.REFUSED and now_s - asked.tried_s >= RETRY_S:
                del self._asked[function.name]
                await self._hold(function, asked.mode, asked.setting)
        if before == {name: asked.outcome.taken for name, asked in self._asked.items()}:
            return None
        return self._outcome(effective, {f.name: _chosen(f, effective) for f in _FUNCTIONS})

    def _look(self, asked: _Asked) -> None:
        """Whether somebody else holds a function's points: our claim waits below theirs then."""
        others = self.group.holders(_ROLES[asked.mode]) - {self.asker.name, "default"}
        if others and not asked.overridden:
            reason = f"held by {', '.join(sorted(others))}"
            asked.outcome, asked.overridden = ModeOutcome(Taken.REFUSED, reason), True
        elif not others and asked.overridden:
            asked.outcome, asked.overridden = ModeOutcome(Taken.TAKEN), False

    async def _hold(self, function: _Function, mode: str, setting: ModeSetting) -> None:
        held = self._asked.get(function.name)
        if held is not None and held.mode == mode and held.setting.value == setting.value:
            held.setting = setting  # the same value from another control: nothing to ask
            return
        try:
            request = function.modes[mode][0](self, setting)
        except ValueError as error:
            outcome = ModeOutcome(Taken.NOT_SUPPORTED, str(error))
        else:
            outcome = _told(await self.ask(request, self.asker, self.peer))
        self._asked[function.name] = _Asked(mode, setting, outcome, self.clock.monotonic_s())

    async def _end(self, name: str) -> None:
        asked = self._asked.pop(name)
        if asked.overridden or asked.outcome.taken in _HOLDS:
            await self.ask(_ENDINGS[asked.mode](self), self.asker, self.peer)

    def _outcome(self, effective: Effective, chosen: Mapping[str, str | None]) -> Outcome:
        found = {
            asked.mode: asked.outcome
            for name, asked in self._asked.items()
            if chosen.get(name) == asked.mode
        }
        for function in _FUNCTIONS:
            for mode in function.modes:
                if mode in effective.modes and mode not in found:
                    other = chosen[function.name] or "another mode"
                    reason = f"{other} asks for the same"
                    found[mode] = ModeOutcome(Taken.NOT_SUPPORTED, reason)
        return Outcome(found)

    def address(self) -> Address:
        """Envelope of a request of the utility's."""
        now_ms = self.clock.utc_ms()
        return Address(
            message_id=f"sep2-{self.group.group_id}-{now_ms}-{next(self._numbers)}",
            dms_id=self.peer,
            group_id=self.group.group_id,
            time_ms=now_ms,
        )

    def rated(self, quantity: Quantity) -> Range:
        """Nameplate of the group.

        Raises:
            ValueError: it is not known.
        """
        entry = self.group.ranges(quantity)
        if entry is None or entry.nameplate is None:
            raise ValueError(f"the rating of {self.group.group_id} is not known")
        return entry.nameplate


def _chosen(function: _Function, effective: Effective) -> str | None:
    return next((mode for mode in function.modes if mode in effective.modes), None)


def _told(reply: GroupReply) -> ModeOutcome:
    reason = "; ".join(error.reason for error in reply.errors)
    if reply.result is Result.OK:
        return ModeOutcome(Taken.TAKEN)
    if reply.result is Result.PARTIAL:
        return ModeOutcome(Taken.PARTLY, reason)
    lacks = any(text in reason for text in _LACKS)
    return ModeOutcome(Taken.NOT_SUPPORTED if lacks else Taken.REFUSED, reason)


def _limit(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    most_w = device.rated(Quantity.ACTIVE_POWER).maximum
    return LimitRequest(address=device.address(), limit_w=setting.value / 10_000 * most_w)


def _limit_watts(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    return LimitRequest(address=device.address(), limit_w=max(setting.value.number, 0.0))


def _target_w(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    return _dispatch(device, Quantity.ACTIVE_POWER, setting.value.number)


def _fixed_w(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    rated = device.rated(Quantity.ACTIVE_POWER)
    full_w = rated.maximum if setting.value >= 0 else -rated.minimum
    return _dispatch(device, Quantity.ACTIVE_POWER, setting.value / 10_000 * full_w)


def _target_var(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    return _dispatch(device, Quantity.REACTIVE_POWER, setting.value.number)


def _fixed_var(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    share, reference = setting.value.value / 10_000, setting.value.ref_type
    if reference == _PCT_OF_MAX_W:
        full_var = device.rated(Quantity.ACTIVE_POWER).maximum
    elif reference == _PCT_OF_MAX_VAR:
        rated = device.rated(Quantity.REACTIVE_POWER)
        full_var = rated.maximum if share >= 0 else -rated.minimum
    elif reference == _PCT_OF_AVAILABLE_VAR:
        entry = device.group.ranges(Quantity.REACTIVE_POWER)
        if entry is None or entry.now is None:
            raise ValueError("the available reactive power is not known")
        full_var = entry.now.maximum if share >= 0 else -entry.now.minimum
    else:
        raise ValueError(f"reactive power in percent of reference {reference}")
    return _dispatch(device, Quantity.REACTIVE_POWER, share * full_var)


def _dispatch(device: UtilityDevice, quantity: Quantity, value: float) -> GroupRequest:
    # 0 s: until replaced; the client ends it when its event does
    return DispatchRequest(address=device.address(), quantity=quantity, schedule=((0.0, value),))


def _power_factor(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    under = setting.value.excitation  # true: absorbing
    return PowerFactorRequest(
        address=device.address(),
        power_factor=setting.value.number,
        excitation=Excitation.UNDER_EXCITED if under else Excitation.OVER_EXCITED,
    )


def _volt_var(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    curve = setting.curve
    if curve is None:
        raise ValueError("its curve was not found")
    if curve.y_ref_type not in _REFERENCES:
        raise ValueError(f"a curve in percent of reference {curve.y_ref_type}")
    x_unit, y_unit = 10.0**curve.x_multiplier, 10.0**curve.y_multiplier
    points = tuple((p.xvalue * x_unit, p.yvalue * y_unit) for p in curve.curve_data)
    request = CurveRequest(
        address=device.address(),
        points=points,
        reference=_REFERENCES[curve.y_ref_type],
        voltage_reference_pct=100.0 if curve.v_ref is None else curve.v_ref / 100.0,
    )
    if curve.open_loop_tms is not None:
        request = replace(request, response_s=curve.open_loop_tms / 100.0)
    return request


def _connect(device: UtilityDevice, setting: ModeSetting) -> GroupRequest:
    return ConnectRequest(address=device.address(), connect=setting.value)


def _no_curve(device: UtilityDevice) -> GroupRequest:
    return CurveRequest(address=device.address(), points=())


def _no_power_factor(device: UtilityDevice) -> GroupRequest:
    return PowerFactorRequest(address=device.address(), power_factor=None)


def _no_limit(device: UtilityDevice) -> GroupRequest:
    return LimitRequest(address=device.address(), limit_w=None)


def _no_watts(device: UtilityDevice) -> GroupRequest:
    return DispatchRequest(address=device.address(), quantity=Quantity.ACTIVE_POWER, schedule=())


def _no_vars(device: UtilityDevice) -> GroupRequest:
    return DispatchRequest(address=device.address(), quantity=Quantity.REACTIVE_POWER, schedule=())


def _connected(device: UtilityDevice) -> GroupRequest:
    return ConnectRequest(address=device.address(), connect=True)


_FUNCTIONS = (
    _Function(
        "connect",
        {"op_mod_connect": (_connect, _connected), "op_mod_energize": (_connect, _connected)},
    ),
    _Function(
        "limit",
        {"op_mod_max_lim_w": (_limit, _no_limit), "op_mod_gen_lim_w": (_limit_watts, _no_limit)},
    ),
    _Function(
        "p", {"op_mod_target_w": (_target_w, _no_watts), "op_mod_fixed_w": (_fixed_w, _no_watts)}
    ),
    _Function(
        "q",
        {
            "op_mod_target_var": (_target_var, _no_vars),
            "op_mod_fixed_var": (_fixed_var, _no_vars),
            "op_mod_fixed_pf_inject_w": (_power_factor, _no_power_factor),
            "op_mod_volt_var": (_volt_var, _no_curve),
        },
    ),
)
_ENDINGS: Mapping[str, End] = MappingProxyType(
    {mode: end for function in _FUNCTIONS for mode, (_, end) in function.modes.items()}
)
#: Points a mode claims, by their role.
_ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "op_mod_connect": ("connect", "disconnect"),
        "op_mod_energize": ("connect", "disconnect"),
        "op_mod_max_lim_w": ("limit", "limit_enable"),
        "op_mod_gen_lim_w": ("limit", "limit_enable"),
        "op_mod_target_w": ("p_set", "p_enable"),
        "op_mod_fixed_w": ("p_set", "p_enable"),
        "op_mod_target_var": ("q_set", "q_enable"),
        "op_mod_fixed_var": ("q_set", "q_enable"),
        "op_mod_fixed_pf_inject_w": ("pf_set", "pf_enable"),
        "op_mod_volt_var": ("curve_enable",),
    }
)
