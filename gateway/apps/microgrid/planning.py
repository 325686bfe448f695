"""When the economic plan is made, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apps.microgrid.economic import Fleet, Market, plan
from gateway.apps.microgrid.plan import EconomicPlan
from gateway.apps.microgrid.requests import Requests
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.state import Phase

#: A plan is made anew this often, and at once where the price has changed.
EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is forecast: load and renewables, W, a value a step.

    Attributes:
        step_s: length of a step.
    """

    load_w: tuple[float, ...]
    renewable_w: tuple[float, ...]
    step_s: float


def planned(now: Situation, requests: Requests, outlook: Outlook | None) -> EconomicPlan | None:
    """The plan in force: the last one, or a new one when it is time; None without any price."""
    if now.state.phase is not Phase.SS1 or outlook is None or not outlook.load_w:
        return None
    prices = now.config.prices
    bought = prices.import_per_kwh if requests.price_per_kwh is None else requests.price_per_kwh
    if not bought and not prices.export_per_kwh and not prices.schedule:
        return None
    last = now.state.plan
    fresh = last is not None and now.lasts_s(last.made_ms) < EVERY_S
    if fresh and now.state.price_per_kwh == bought:
        return last
    market = _market(now, outlook, bought)
    return plan(market, _fleet(now), outlook.step_s, now.now_ms)


def price_now(now: Situation, requests: Requests) -> float:
    """Price of a kWh from the grid that the plan rests on."""
    told = requests.price_per_kwh
    return now.config.prices.import_per_kwh if told is None else told


def _market(now: Situation, outlook: Outlook, bought: float) -> list[Market]:
    prices, market = now.config.prices, []
    ahead: Sequence[tuple[float, float]] = tuple(
        zip(outlook.load_w, outlook.renewable_w, strict=True)
    )
    for number, (load_w, renewable_w) in enumerate(ahead):
        at_ms = now.now_ms + round(1000 * number * outlook.step_s)
        price = prices.at(at_ms, bought) if number else bought
        sold = min(prices.export_per_kwh, price)  # or the grid would be money for nothing
        market.append(Market(load_w, renewable_w, price, sold))
    return market


def _fleet(now: Situation) -> Fleet:
    seen, reserve, prices = now.seen, now.config.reserve, now.config.prices
    energy_wh = sum(s.points.energy_wh for s in seen.storages.values())
    stored_wh = sum(s.points.energy_wh * s.soc_pct / 100.0 for s in seen.storages.values())
    sets = [g for g in seen.generators.values() if g.ready or g.running]
    return Fleet(
        stored_wh=stored_wh,
        least_wh=energy_wh * reserve.connected_pct / 100.0,
        most_wh=energy_wh * reserve.full_pct / 100.0,
        charge_w=sum(-s.power_min_w for s in seen.storages.values()),
        discharge_w=sum(s.power_max_w for s in seen.storages.values()),
        generator_w=sum(g.power_max_w for g in sets),
        generator_per_kwh=min((g.points.cost_per_kwh for g in sets), default=0.0),
        wear_per_kwh=prices.wear_per_kwh,
        import_w=now.config.agreement.import_w,
        export_w=now.config.agreement.export_w,
    )
