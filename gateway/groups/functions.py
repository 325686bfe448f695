"""Carrying out one set-point function on one group, now, and saying what is held."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.groups import settings, writes
from gateway.groups.allocation import allocate
from gateway.groups.backend import Applied, Order, PointGroup
from gateway.groups.der_points import DerView
from gateway.groups.messages import (
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    GroupReply,
    Held,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    RampRateRequest,
    SetPointRequest,
    VoltageRegulationRequest,
    WattCurveRequest,
)
from gateway.groups.replies import failed, outcome, same
from gateway.groups.schedule import is_end
from gateway.groups.settle import Settler
from gateway.groups.write import UnsupportedError, Write, points_of
from gateway.model.clock import Clock
from gateway.model.der import Range

#: How long a controller may take to show what it holds.
CONFIRM_S = 2.0
#: Member to its writes, or to why it has none.
Plan = dict[str, list[Write] | str]
_NO_SUCH = "the group has no such function"


class FunctionRunner:
    """Runs set-point functions.

    Args:
        settler: waits for what controllers show.
        clock: stamps replies.
    """

    def __init__(self, settler: Settler, clock: Clock) -> None:
        self._settler = settler
        self._clock = clock

    async def run(self, group: PointGroup, request: SetPointRequest, order: Order) -> GroupReply:
        """Carry out a request whose time has come."""
        if isinstance(request, RampRateRequest):
            return await self._ramp(group, request, order)
        ending = _ending(request)
        if ending is not None:
            return await self._end(group, request, order, *ending)
        match request:
            case LimitRequest():
                return await self._limit(group, request, order)
            case DispatchRequest():
                return await self._dispatch(group, request, order)
            case _:
                return await self._each(group, request, order)

    async def _dispatch(
        self, group: PointGroup, request: DispatchRequest, order: Order
    ) -> GroupReply:
        letter, wanted = _letter(request), request.schedule[0][1]
        plan, parts = self._dispatch_plan(group, request)
        applied = await group.apply(plan, order)
        expected = sum(part for name, part in parts.items() if name in applied.taken)
        shown = await self._shown(group, f"held_{letter}", expected, applied)
        held = Held(quantity=request.quantity, requested=wanted, held=shown)
        return outcome(request.address, self._clock.utc_ms(), applied, held)

    async def _limit(self, group: PointGroup, request: LimitRequest, order: Order) -> GroupReply:
        limit_w = request.limit_w or 0.0
        applied = await group.apply(self._limit_plan(group, request), order)
        signed = limit_w if request.direction.value == "EXPORT" else -limit_w
        shown = await self._shown(group, "held_limit", signed, applied)
        if applied.refusals:  # whoever did not take its part is bound by nothing
            shown = None
        held = Held(
            quantity=Quantity.ACTIVE_POWER,
            requested=limit_w,
            held=None if shown is None else abs(shown),
        )
        return outcome(request.address, self._clock.utc_ms(), applied, held)

    def _dispatch_plan(
        self, group: PointGroup, request: DispatchRequest
    ) -> tuple[Plan, dict[str, float]]:
        letter, wanted = _letter(request), request.schedule[0][1]
        parts, _ = group.share(wanted, request.quantity)
        return self._plan(group, lambda view: self._part(view, letter, parts)), parts

    def _limit_plan(self, group: PointGroup, request: LimitRequest) -> Plan:
        limit_w = request.limit_w or 0.0
        plates = {name: view.nameplate() for name, view in group.views.items()}
        ratings = {n: Range(0.0, p.power_w.maximum) for n, p in plates.items() if p is not None}
        # above the sum of ratings the limit binds nobody; one controller takes it as it is
        parts = (
            allocate(limit_w, ratings) if len(group.views) > 1 else dict.fromkeys(ratings, limit_w)
        )

        def make(view: DerView) -> list[Write]:
            if view.der.name not in parts:
                raise UnsupportedError("its rating has not been read")
            return writes.limit(view, parts[view.der.name], request.direction)

        return self._plan(group, make)

    async def _ramp(self, group: PointGroup, request: RampRateRequest, order: Order) -> GroupReply:
        """Every member the same part of its rating a second."""
        if request.up_w_per_s is None and request.down_w_per_s is None:
            ders = [view.der for view in group.views.values()]
            points = [point for der in ders for point in points_of(der, settings.RAMP_ROLES)]
            if not points:
                return failed(request.address, self._clock.utc_ms(), _NO_SUCH)
            applied = await group.restore(points, order)
            return outcome(request.address, self._clock.utc_ms(), applied)
        applied = await group.apply(self._ramp_plan(group, request), order)
        return outcome(request.address, self._clock.utc_ms(), applied)

    def _ramp_plan(self, group: PointGroup, request: RampRateRequest) -> Plan:
        plates = {name: view.nameplate() for name, view in group.views.items()}
        ratings = {n: p.power_w.maximum for n, p in plates.items() if p is not None}
        whole = sum(ratings.values())

        def make(view: DerView) -> list[Write]:
            if not ratings.get(view.der.name):
                raise UnsupportedError("its rating has not been read")
            return settings.ramp(view, request, ratings[view.der.name] / whole)

        return self._plan(group, make)

    async def _each(self, group: PointGroup, request: SetPointRequest, order: Order) -> GroupReply:
        """Functions that say the same to every member."""
        make, held = _same_for_all(request)
        applied = await group.apply(self._plan(group, make), order)
        return outcome(request.address, self._clock.utc_ms(), applied, held)

    async def _end(
        self,
        group: PointGroup,
        request: SetPointRequest,
        order: Order,
        quantity: Quantity | None,
        stems: tuple[str, ...],
    ) -> GroupReply:
        ders = [view.der for view in group.views.values()]
        both = [(der, stem) for der in ders for stem in stems]
        enables = [point for der, stem in both for point in points_of(der, [f"{stem}_enable"])]
        set_points = [point for der, stem in both for point in writes.claimed(der, stem)]
        rivals = [point for der, stem in both for point in writes.rivals(der, stem)]
        if not enables:
            return failed(request.address, self._clock.utc_ms(), _NO_SUCH)
        applied = await group.end(enables, set_points, rivals, order)
        held = None if quantity is None else _asked(quantity, None)
        return outcome(request.address, self._clock.utc_ms(), applied, held)

    def faults(self, group: PointGroup, request: SetPointRequest) -> list[str]:
        """Why a request could not be carried out whole now; writes nothing."""
        if is_end(request):
            return []
        plan: Plan
        beyond: list[str] = []
        match request:
            case DispatchRequest(schedule=((_, wanted), *_), quantity=quantity):
                plan, _ = self._dispatch_plan(group, request)
                _, able = group.share(wanted, quantity)
                beyond = [] if same(wanted, able) else [f"asked {wanted:g}, {able:g} can be held"]
            case LimitRequest():
                plan = self._limit_plan(group, request)
            case RampRateRequest():
                plan = self._ramp_plan(group, request)
            case _:
                plan = self._plan(group, _same_for_all(request)[0])
        refused = [f"{name}: {told}" for name, told in plan.items() if isinstance(told, str)]
        return refused + beyond

    def _plan(self, group: PointGroup, make: Callable[[DerView], list[Write]]) -> Plan:
        plan: Plan = {}
        for name, view in group.views.items():
            try:
                plan[name] = make(view) if view.online else "is not online"
            except UnsupportedError as error:
                plan[name] = str(error)
        return plan

    def _part(self, view: DerView, letter: str, parts: dict[str, float]) -> list[Write]:
        if view.der.name not in parts:
            raise UnsupportedError("its capability is not known")
        return writes.dispatch(view, letter, parts[view.der.name])

    async def _shown(
        self, group: PointGroup, role: str, expected: float, applied: Applied
    ) -> float | None:
        """What a controller says it holds; what was sent where it has no such point."""
        shows = [view for n, view in group.views.items() if n in applied.taken]
        if not shows or not all(view.der.has(role) for view in shows):
            return expected

        def total() -> float | None:
            values = [view.value(role) for view in shows]
            known = [value for value in values if value is not None]
            return sum(known) if len(known) == len(values) else None

        await self._settler.until(lambda: same(expected, total()), CONFIRM_S)
        return total()


def _ending(  # noqa: PLR0911 - one return a function
    request: SetPointRequest,
) -> tuple[Quantity | None, tuple[str, ...]] | None:
    """Quantity and role stems of the function a request ends; None where it starts one."""
    match request:
        case LimitRequest(limit_w=None):
            return Quantity.ACTIVE_POWER, ("limit",)
        case DispatchRequest(schedule=(), quantity=quantity):
            return quantity, (_letter(request),)
        case PowerFactorRequest(power_factor=None):
            return Quantity.POWER_FACTOR, ("pf",)
        case CurveRequest(points=()):
            return Quantity.REACTIVE_POWER, ("curve",)
        case VoltageRegulationRequest(voltage_pct=None):
            return Quantity.REACTIVE_POWER, ("v", "curve")
        case WattCurveRequest(points=(), kind=kind):
            return Quantity.ACTIVE_POWER, settings.WATT_STEMS[kind][:1]
        case PriceRequest(schedule=()):
            return None, ("price",)
        case _:
            return None


def _letter(request: DispatchRequest) -> str:
    return "p" if request.quantity is Quantity.ACTIVE_POWER else "q"


def _same_for_all(  # noqa: PLR0911 - one return a function
    request: SetPointRequest,
) -> tuple[Callable[[DerView], list[Write]], Held | None]:
    match request:
        case PowerFactorRequest(power_factor=float(magnitude), excitation=excitation):
            make = partial(writes.power_factor, magnitude=magnitude, excitation=excitation)
            return make, _asked(Quantity.POWER_FACTOR, magnitude)
        case CurveRequest():
            return partial(writes.curve, request=request), _asked(Quantity.REACTIVE_POWER, None)
        case VoltageRegulationRequest():
            make = partial(settings.regulate, request=request)
            return make, _asked(Quantity.REACTIVE_POWER, None)
        case WattCurveRequest():
            make = partial(settings.watt_curve, request=request)
            return make, _asked(Quantity.ACTIVE_POWER, None)
        case PriceRequest():
            return partial(settings.price, request=request), None
        case ConnectRequest(connect=wanted):
            return partial(writes.connect, wanted=wanted), _asked(Quantity.CONNECTED, float(wanted))
        case IslandRequest(action=action):
            return partial(writes.island, action=action), _asked(Quantity.STATE, None)
        case _:
            raise AssertionError(f"{type(request).__name__} is not the same for every member")


def _asked(quantity: Quantity, value: float | None) -> Held:
    return Held(quantity=quantity, requested=value, held=value)
