"""Dispatch while connected (SS1) and on the way to zero (T1): P and Q at the POI."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.apps.microgrid.capability import capability_now
from gateway.apps.microgrid.loads import next_pickup
from gateway.apps.microgrid.requests import Requests, reactive_power_at
from gateway.apps.microgrid.sharing import share
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.state import Held, Result
from gateway.apps.microgrid.targets import CONNECTED_GROUP, Targets
from gateway.model.der import Range

#: Share of a battery's rating with which its reserve is made good.
_REFILL = 0.25


@dataclass(frozen=True, slots=True)
class Wanted:
    """Set points at the POI before the sources are asked: None leaves P or Q to itself."""

    power_w: float | None
    reactive_power_var: float | None
    result: Result


def connected(now: Situation, requests: Requests, planned_w: float | None) -> Targets:
    """The order while connected.

    Args:
        now: the cycle.
        requests: what is asked at the POI.
        planned_w: what the economic plan has the batteries give together; None without one.
    """
    wanted, held = bounded(now, requests)
    idle_w = _idle_w(now, planned_w)
    target_w = _target_w(now, wanted, _limit(now, requests), idle_w)
    targets = share(now, target_w, wanted.reactive_power_var, idle_w).targets(now)
    pickup = next_pickup(now, now.config.agreement.import_w + now.seen.given_w)
    settled = now.lasts_s(now.state.stepped_ms) >= now.config.pace.settle_s
    return replace(
        targets,
        settings=CONNECTED_GROUP,
        loads={pickup.name: True} if pickup is not None and settled else {},
        held=held,
        result=wanted.result,
        target_w=target_w,
    )


def to_zero(now: Situation) -> Targets:
    """The order of a planned islanding: nothing through the POI, then open it."""
    shares = share(now, 0.0, 0.0)
    small = now.lasts_s(now.state.small_since_ms) >= now.config.pace.zero_s
    return replace(shares.targets(now), close_poi=False if small else None)


def bounded(now: Situation, requests: Requests) -> tuple[Wanted, Held]:
    """What is asked, within limit, agreement and capability, and what will be held of it."""
    can = capability_now(now)
    limit = _limit(now, requests)
    asked_w, power_w = requests.power_w, None
    if asked_w is not None:
        power_w = can.power_w.clip(limit.clip(asked_w))
    rating_va = now.config.agreement.apparent_power_va
    poi = now.seen.poi
    asked_var = reactive_power_at(requests, rating_va, poi.bus_pu, power_w or poi.power_w or 0.0)
    reactive_var = None if asked_var is None else can.reactive_power_var.clip(asked_var)
    held_limit = _held_limit(requests.limit_w, can.power_w)
    clipped = (power_w, reactive_var, held_limit) != (asked_w, asked_var, requests.limit_w)
    held = Held(power_w, reactive_var, held_limit)
    result = Result.CLIPPED if clipped else Result.OK
    return Wanted(power_w, reactive_var, result), held


def _limit(now: Situation, requests: Requests) -> Range:
    """What may flow at the POI by agreement and by the limit asked for."""
    low, high = -now.config.agreement.import_w, now.config.agreement.export_w
    if requests.limit_w is not None:
        if requests.limit_w >= 0:
            high = min(high, requests.limit_w)
        else:
            low = max(low, requests.limit_w)
    return Range(low, max(low, high))


def _held_limit(limit_w: float | None, can: Range) -> float | None:
    """The limit that is in force: no lower export, or import, than can be reached."""
    if limit_w is None:
        return None
    return max(limit_w, can.minimum) if limit_w >= 0 else min(limit_w, can.maximum)


def _target_w(now: Situation, wanted: Wanted, limit: Range, idle_w: float) -> float | None:
    """P to hold at the POI; None where nothing asked or agreed stands in the way of any."""
    target_w = wanted.power_w
    if target_w is None:
        natural_w = _natural_w(now, idle_w)
        if natural_w is None or limit.clip(natural_w) == natural_w:
            return None
        target_w = limit.clip(natural_w)
    return _ramped(now, target_w)


def _natural_w(now: Situation, idle_w: float) -> float | None:
    """What would flow at the POI if nobody asked: batteries idle, renewables all they have."""
    seen = now.seen
    if seen.poi.power_w is None:
        return None
    hidden_w = sum(r.possible_w - r.power_w for r in seen.renewables.values())
    batteries_w = sum(s.power_w for s in seen.storages.values())
    return seen.poi.power_w + hidden_w + idle_w - batteries_w


def _ramped(now: Situation, wanted_w: float) -> float:
    """Towards what is wanted, no faster than agreed."""
    ramp = now.config.agreement.ramp_w_per_s
    start_w = now.state.target_w if now.state.target_w is not None else now.seen.poi.power_w
    if not ramp or start_w is None:
        return wanted_w
    step_w = ramp * now.elapsed_s
    return min(max(wanted_w, start_w - step_w), start_w + step_w)


def _idle_w(now: Situation, planned_w: float | None) -> float:
    """What the batteries give when nobody asks: the plan's, and the reserve is made good."""
    reserve, batteries = now.config.reserve, now.seen.storages.values()
    refill_w = sum(_REFILL * s.power_min_w for s in batteries if s.soc_pct < reserve.connected_pct)
    return refill_w or (planned_w or 0.0)
