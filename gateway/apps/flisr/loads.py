"""Load of each zone from what flowed over its switches before the fault."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apps.flisr.graph import Edges, Graph, feed

#: Loads are believed between these shares of nominal; outside, the meters are doubted instead.
_LEAST, _MOST = 0.1, 2.5


def zone_factors(
    graph: Graph, closed: Edges, flows_va: Mapping[int, complex], injected_w: Mapping[int, float]
) -> tuple[float, ...]:
    """Load of every zone as a share of its nominal.

    What comes in over the switch that feeds a zone, and from its DERs, less what goes on. Where a
    meter is missing, the share is that of everything beyond the nearest metered switch upstream.

    Args:
        graph: zones with nominal loads.
        closed: edges closed at the time.
        flows_va: P + jQ away from the substation by edge.
        injected_w: by DERs, by zone.
    """
    fed = feed(graph, closed)
    shares = [1.0] * len(graph.zones)
    if fed is None:
        return tuple(shares)
    beyond: dict[int, list[int]] = {}
    above: dict[int, int] = {}
    for zone, through in zip(fed.order, fed.through, strict=True):
        if through >= 0:
            above[zone] = graph.far(through, zone)
            beyond.setdefault(above[zone], []).append(zone)
    feeds = dict(zip(fed.order, fed.through, strict=True))
    for zone in fed.order:
        inherited = shares[above[zone]] if zone in above else 1.0
        # the smallest part around this zone whose borders are all metered
        part, out_w, todo = [zone], 0.0, list(beyond.get(zone, ()))
        while todo:
            child = todo.pop()
            flow = flows_va.get(feeds[child])
            if flow is None:
                part.append(child)
                todo += beyond.get(child, ())
            else:
                out_w += flow.real
        coming = flows_va.get(feeds[zone])
        nominal_w = sum(graph.zones[n].load_va.real for n in part)
        if coming is None or nominal_w <= 0.0:
            shares[zone] = inherited
            continue
        load_w = coming.real - out_w + sum(injected_w.get(n, 0.0) for n in part)
        shares[zone] = min(max(load_w / nominal_w, _LEAST), _MOST)
    return tuple(shares)
