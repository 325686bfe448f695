"""The feeder before a fault, isolated and restored, drawn by who has voltage."""

from __future__ import annotations

import csv
import html

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gateway.apps.flisr.graph import Edges, feed, live_zones
from gateway.commands.svg import inline
from gateway.grid.network import Network
from gateway.grid.topology import energised
from gateway.site.flisr_case import FlisrCase
from gateway.site.flisr_study import FlisrStudy, Outcome

_LIVE, _OTHER, _DARK, _FAULT = "#0B5FA5", "#C77700", "#B8BDC6", "#B00020"
_SIZE_IN = (15.0, 4.8)
Places = dict[str, tuple[float, float]]


def page(case: FlisrCase, study: FlisrStudy, outcome: Outcome, element: str) -> str:
    """One HTML page: three drawings of the feeder, and the switching in order."""
    network = study.engine.network
    places = _beside(network, _coordinates(case)) or _layout(network)
    isolated = outcome.before - outcome.task.blocked
    tripped = study.graph.edges[outcome.tripped].name
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    views = (
        ("Before", outcome.before),
        (f"Fault of {element} isolated, {tripped} open", isolated - {outcome.tripped}),
        ("Restored", outcome.restoration.candidate.closed),
    )
    for axes, (title, closed) in zip(figure.subplots(1, 3), views, strict=True):
        _draw(axes, study, places, closed, outcome)
        axes.set_title(title, loc="left")
    rows = "".join(
        f"<tr><td>{number}<td>{step.action}<td>{html.escape(step.target)}"
        f"<td>{html.escape(step.purpose)}"
        for number, step in enumerate(outcome.steps, 1)
    )
    title = f"{html.escape(case.path.stem)}: fault of {html.escape(element)}"
    served_kw = outcome.restoration.candidate.estimate.served_w / 1e3
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:15px sans-serif;margin:2em}td,th{padding:2px 12px;text-align:left}"
        f"svg{{max-width:100%;height:auto}}</style><body><h1>{title}</h1>"
        f"<p>{served_kw:,.0f} kW served. Blue: fed by the feeder's own source; orange: by another; "
        "grey: no voltage; red: the faulted zone. Filled squares are closed switches, empty ones "
        f"open.</p>{inline(figure)}<table><tr><th>step<th>action<th>switch<th>why{rows}</table>"
        "</body></html>\n"
    )


def _draw(axes: Axes, study: FlisrStudy, places: Places, closed: Edges, outcome: Outcome) -> None:
    graph, network = study.graph, study.engine.network
    switches = {edge.branch: number for number, edge in enumerate(graph.edges)}
    is_open = {edge.branch for n, edge in enumerate(graph.edges) if n not in closed}
    other_open = network.open_branches - switches.keys()
    live = energised(network, is_open | other_open, [s.name for s in graph.sources])
    own = energised(network, is_open | other_open, [graph.sources[0].name])
    fed = live_zones(feed(graph, closed))
    gone = outcome.task.dead - fed
    dead = {bus for zone in gone for bus in graph.zones[zone].buses}
    dead |= {edge.poi_bus for edge in graph.edges if edge.poi_bus and edge.ends[1] in gone}
    for name, branch in network.branches.items():
        first, second = (places.get(bus) for bus in branch.ends)
        if first is None or second is None:
            continue
        number = switches.get(name)
        shut = number is None or number in closed
        ink = _ink(branch.ends, live, own, dead) if shut else _DARK
        axes.plot(*zip(first, second, strict=True), color=ink, lw=1.6, ls="-" if shut else ":")
        if number is not None and (not graph.edges[number].both_ends or not shut):
            middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
            axes.plot(*middle, "s", ms=6, mfc="black" if shut else "white", mec="black", zorder=3)
            label = graph.edges[number].name
            axes.annotate(label, middle, (4, 4), textcoords="offset points", fontsize=8)
    for bus in network.loads_va:
        if bus in places:
            axes.plot(*places[bus], ".", ms=4, zorder=2, color=_ink((bus,), live, own, dead))
    axes.set_aspect("equal", adjustable="datalim")
    axes.axis("off")


def _ink(buses: tuple[str, ...], live: frozenset[str], own: frozenset[str], dead: set[str]) -> str:
    if all(bus in dead for bus in buses):
        return _FAULT
    if not all(bus in live for bus in buses):
        return _DARK
    return _LIVE if all(bus in own for bus in buses) else _OTHER


def _coordinates(case: FlisrCase) -> Places:
    if case.file.coordinates is None:
        return {}
    path = case.path.parent / case.file.coordinates
    with path.open(encoding="utf-8", newline="") as file:
        return {row["bus"]: (float(row["x"]), float(row["y"])) for row in csv.DictReader(file)}


def _beside(network: Network, places: Places) -> Places:
    """Buses without coordinates a little off the neighbour that has some."""
    width = max((x for x, _ in places.values()), default=0.0) - min(
        (x for x, _ in places.values()), default=0.0
    )
    found = dict(places)
    for branch in network.branches.values():
        for bus in branch.ends:
            if bus not in found and branch.other(bus) in places:
                x, y = places[branch.other(bus)]
                found[bus] = (x + 0.05 * width, y)
    return found


def _layout(network: Network) -> Places:
    """Depth to the right, branches beside each other, the longest straight on."""
    children: dict[str, list[str]] = {}
    seen = dict.fromkeys(network.sources.values())
    order = list(seen)
    for bus in order:
        for name, branch in network.branches.items():
            far = branch.other(bus)
            if name in network.open_branches or bus not in branch.ends or far in seen:
                continue
            seen[far] = None
            children.setdefault(bus, []).append(far)
            order.append(far)
    reach: dict[str, int] = {}
    for bus in reversed(order):
        reach[bus] = 1 + max((reach[child] for child in children.get(bus, ())), default=0)
    places: Places = {}
    row = 0.0
    for source in network.sources.values():
        todo = [(source, 0.0, row)]
        while todo:
            bus, x, y = todo.pop()
            places[bus] = (x, y)
            for n, child in enumerate(sorted(children.get(bus, ()), key=lambda c: -reach[c])):
                if n:
                    row -= 2.0
                todo.append((child, x + 1.0, y if not n else row))
        row -= 2.0
    return places
