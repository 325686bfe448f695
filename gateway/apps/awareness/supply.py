"""Which zones have no source, and what they would draw."""

from __future__ import annotations

from collections.abc import Collection

from gateway.apps.awareness.limits import Since, supply_key
from gateway.apps.awareness.report import Unsupplied
from gateway.grid.network import Network
from gateway.grid.topology import Buses, energised, load_va


def unsupplied(
    network: Network,
    areas: Collection[Buses],
    open_branches: Collection[str],
    load_share: float,
    since: Since,
    now_ms: int,
) -> tuple[Unsupplied, ...]:
    """Zones with load and no source, the largest first.

    Args:
        network: the feeder.
        areas: its zones.
        open_branches: all that are open now.
        load_share: of nominal, as fitted.
        since: of the last look.
        now_ms: UTC ms.
    """
    live = energised(network, open_branches)
    found = []
    for buses in areas:
        load_w = load_share * load_va(network, buses - live).real
        if load_w <= 0.0:
            continue
        zone = next(bus for bus in network.base_kv if bus in buses)
        ders = tuple(name for name, bus in network.ders.items() if bus in buses)
        began_ms = since.get(supply_key(zone), now_ms)
        found.append(Unsupplied(zone, len(buses), load_w / 1e3, ders, began_ms))
    return tuple(sorted(found, key=lambda one: -one.load_kw))
