"""What the microgrid can give at its POI: now, and by the agreement."""

from __future__ import annotations

import math

from gateway.apps.microgrid.config import Agreement
from gateway.apps.microgrid.situation import Situation
from gateway.model.der import Capability, Range


def agreed(agreement: Agreement) -> Capability:
    """The ratings at the POI."""
    return Capability(
        Range(-agreement.import_w, agreement.export_w),
        Range(-agreement.reactive_power_var, agreement.reactive_power_var),
        agreement.apparent_power_va,
    )


def source_range_w(now: Situation) -> Range:
    """Real power all sources together can give now while connected, the reserve kept."""
    seen, reserve = now.seen, now.config.reserve
    least = sum(-s.charge_w(reserve.full_pct) for s in seen.storages.values())
    most = sum(s.discharge_w(reserve.connected_pct) for s in seen.storages.values())
    for generator in seen.generators.values():
        if generator.ready or generator.running:
            most += generator.power_max_w
    most += sum(r.possible_w for r in seen.renewables.values())  # least: all of it limited away
    least += sum(group.power_min_w for group in seen.groups.values())
    most += sum(group.power_max_w for group in seen.groups.values())
    return Range(least, most)


def capability_now(now: Situation) -> Capability:
    """P and Q at the POI that can be held now: sources less load, within the agreement.

    Nothing while the POI is not closed.
    """
    rated = agreed(now.config.agreement)
    if now.seen.poi.closed is not True or now.seen.poi.power_w is None:
        return Capability(Range(0.0, 0.0), Range(0.0, 0.0), rated.apparent_power_va)
    given = source_range_w(now)
    # what flows besides the sources is the load and the losses, whatever the meters miss
    besides_w = now.seen.poi.power_w - now.seen.given_w
    power = _inside(Range(given.minimum + besides_w, given.maximum + besides_w), rated.power_w)
    reactive = _reactive(now, rated.reactive_power_var)
    return Capability(power, reactive, rated.apparent_power_va)


def _reactive(now: Situation, rated: Range) -> Range:
    seen = now.seen
    spare = [
        min(s.reactive_power_max_var, math.sqrt(max(s.rating_va**2 - s.power_w**2, 0.0)))
        for s in seen.storages.values()
    ]
    most = math.fsum(spare) + sum(g.reactive_power_max_var for g in seen.groups.values())
    given_var = sum(s.reactive_power_var for s in seen.storages.values())
    given_var += sum(group.reactive_power_var for group in seen.groups.values())
    besides_var = (seen.poi.reactive_power_var or 0.0) - given_var
    return _inside(Range(besides_var - most, besides_var + most), rated)


def _inside(wanted: Range, rated: Range) -> Range:
    return Range(rated.clip(wanted.minimum), rated.clip(wanted.maximum))
