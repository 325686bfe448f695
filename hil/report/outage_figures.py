"""Figures of an outage: the feeder with what is supplied, and customers out over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hil.report.feeder import Branch, Drawing
from hil.report.outage import OutageRun
from hil.report.style import GRID, HIGH, INK, INSIDE, SOFT, blank

_LIVE: dict[str, Any] = {"color": INSIDE, "linewidth": 1.9}
_DEAD: dict[str, Any] = {"color": HIGH, "linewidth": 1.1, "linestyle": (0, (2, 1.6))}
_COLUMNS = 2
#: First simulated seconds, shown enlarged beside the whole.
_ZOOM_S = 300.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One moment of the feeder.

    Attributes:
        title: above it.
        live: zones that are supplied, each by a bus of it.
        closed: position by switch.
        fault_bus: where a fault is; empty where there is none.
    """

    title: str
    live: frozenset[str]
    closed: Mapping[str, bool]
    fault_bus: str = ""


def draw_supply(drawing: Drawing, panels: Sequence[Panel], zones: frozenset[str]) -> Figure:
    """The feeder at several moments: solid green is supplied, broken red is not.

    Args:
        drawing: the feeder.
        panels: moments, side by side.
        zones: every zone by a bus of it; what is in none is a source's own.
    """
    rows = -(-len(panels) // _COLUMNS)
    figure = blank(4.5 * rows)
    cells = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, panel in zip(cells, panels, strict=False):
        _panel(axes, drawing, panel, zones)
        axes.set_title(panel.title, fontsize=11)
    for axes in cells[len(panels) :]:
        axes.axis("off")
    return figure


def dead_buses(drawing: Drawing, live: frozenset[str], zones: frozenset[str]) -> frozenset[str]:
    """Buses of zones that are not supplied."""
    joined: dict[str, set[str]] = {}
    for branch in drawing.branches:
        if branch.kind != "switch":
            joined.setdefault(branch.first, set()).add(branch.second)
            joined.setdefault(branch.second, set()).add(branch.first)
    waiting = list(zones - live)
    dead: set[str] = set()
    while waiting:
        bus = waiting.pop()
        if bus not in dead:
            dead.add(bus)
            waiting += joined.get(bus, ())
    return frozenset(dead)


def _panel(axes: Axes, drawing: Drawing, panel: Panel, zones: frozenset[str]) -> None:
    axes.axis("off")
    axes.set_aspect("equal")
    dead = dead_buses(drawing, panel.live, zones)
    for branch in drawing.branches:
        places = [drawing.places.get(bus) for bus in (branch.first, branch.second)]
        if places[0] is None or places[1] is None:
            continue
        (x1, y1), (x2, y2) = places[0], places[1]
        if branch.kind == "switch":
            _switch(axes, branch, ((x1, y1), (x2, y2)), panel.closed.get(branch.name, True))
            continue
        axes.plot([x1, x2], [y1, y2], zorder=1, **(_DEAD if branch.first in dead else _LIVE))
    for bus, names in drawing.equipment.items():
        if ders := [name for name in names if not name.startswith("cap")]:
            x, y = drawing.places[bus]
            axes.plot([x], [y], "o", color="#0550ae", markersize=5, zorder=4)
            axes.annotate(", ".join(ders), (x, y), (6, -10), textcoords="offset points",
                          fontsize=7.5, color="#0550ae")  # fmt: skip
    if panel.fault_bus in drawing.places:
        x, y = drawing.places[panel.fault_bus]
        axes.plot([x], [y], "X", color=HIGH, markersize=12, zorder=5)


def _switch(
    axes: Axes, branch: Branch, ends: tuple[tuple[float, float], tuple[float, float]], closed: bool
) -> None:
    """A filled square is closed, a hollow one open; open switches are not joined."""
    (x1, y1), (x2, y2) = ends
    if closed:
        axes.plot([x1, x2], [y1, y2], color=INK, linewidth=1.4, zorder=2)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    face = INK if closed else "white"
    axes.plot([x], [y], "s", markersize=6, color=INK, markerfacecolor=face, zorder=3)
    label = branch.name.removeprefix("sw")
    axes.annotate(label, (x, y), (0, 6), textcoords="offset points", ha="center", fontsize=8)


def draw_customers(ours: OutageRun, theirs: OutageRun, marks: Mapping[str, float]) -> Figure:
    """Customers out with and without: the first minutes, and the whole.

    Args:
        ours: with the gateway.
        theirs: without.
        marks: moments by name, simulated seconds.
    """
    figure = blank(4.2)
    near, whole = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    end_s = float(ours.time_s[-1])
    for axes, last_s in ((near, min(_ZOOM_S, end_s)), (whole, end_s)):
        unit, name = (1.0, "s") if last_s <= _ZOOM_S else (60.0, "min")
        axes.step(theirs.time_s / unit, theirs.customers_out, where="post", color=HIGH,
                  linewidth=1.6, linestyle=(0, (4, 2)), label="without")  # fmt: skip
        axes.step(ours.time_s / unit, ours.customers_out, where="post", color=INK,
                  linewidth=2.0, label="with the gateway")  # fmt: skip
        for text, at_s in marks.items():
            if at_s <= last_s:
                axes.axvline(at_s / unit, color=GRID, linewidth=1.2, zorder=0)
                if axes is near:
                    axes.text(at_s / unit, 1.01, text, fontsize=8, color=SOFT, rotation=35,
                              transform=axes.get_xaxis_transform())  # fmt: skip
        axes.set_xlim(0, last_s / unit)
        axes.set_ylim(0, 1.08 * max(ours.customers, 1))
        axes.set_xlabel(f"simulated time, {name}")
    near.set_ylabel("customers out")
    whole.legend(loc="upper right", fontsize=9)
    return figure
