"""What groups behind the POI say, kept as long as it is fresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.apps.microgrid.state import GroupSeen
from gateway.groups.messages import GroupReply, Quantity
from gateway.model.der import Range

#: A group that has not been heard for so long is not counted on.
_FRESH_MS = 10_000


def heard(
    known: Mapping[str, GroupSeen], replies: Sequence[GroupReply], now_ms: int
) -> dict[str, GroupSeen]:
    """What each group last said; one that is silent for long is left out."""
    groups = {n: seen for n, seen in known.items() if now_ms - seen.at_ms <= _FRESH_MS}
    for reply in replies:
        present = {p.quantity: p.value for p in reply.present if p.good}
        power_w = present.get(Quantity.ACTIVE_POWER)
        reactive_var = present.get(Quantity.REACTIVE_POWER)
        now = {r.quantity: r.now for r in reply.ranges}
        power = now.get(Quantity.ACTIVE_POWER) or (
            None if power_w is None else Range(power_w, power_w)
        )
        reactive = now.get(Quantity.REACTIVE_POWER)
        if power_w is None or power is None:
            continue
        groups[reply.group_id] = GroupSeen(
            at_ms=now_ms,
            power_w=power_w,
            reactive_power_var=reactive_var or 0.0,
            power_min_w=power.minimum,
            power_max_w=power.maximum,
            reactive_power_max_var=0.0 if reactive is None else reactive.maximum,
        )
    return groups
