"""The one-line diagram with every node's voltage, two moments side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from hil.report.feeder import Drawing
from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU
from hil.report.style import HIGH, INK, LOW, PHASE_NAME, SOFT, blank

#: Drawing units: a row of text, half a bus's box, and how much further apart buses stand upright.
_ROW, _HALF_WIDTH, _STRETCH = 0.34, 0.74, 1.18
_BRANCH_STYLE: dict[str, Any] = {
    "line": {"color": SOFT, "linewidth": 2.2},
    "switch": {"color": SOFT, "linewidth": 2.2, "linestyle": (0, (2, 1.2))},
    "transformer": {"color": "#9a6700", "linewidth": 3.2},
    "regulator": {"color": "#0550ae", "linewidth": 3.2},
}
_FILL = {HIGH: "#fff0f0", LOW: "#f5effb", SOFT: "#f4faf5"}
#: The regulators' source side: the substation holds it, nothing on the feeder moves it.
_SOURCE: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 9,
    "fontweight": "bold",
    "bbox": {"boxstyle": "square,pad=0.35", "facecolor": "#eaeef2", "edgecolor": SOFT},
}
_SHOWN_NAMES = {"cap675": "capacitor", "cap611": "capacitor"}


def draw_oneline(
    drawing: Drawing, panels: Mapping[str, Mapping[str, float]], regulator_note: Mapping[str, str]
) -> Figure:
    """One panel a title.

    Args:
        drawing: the feeder.
        panels: title to voltage by node, pu.
        regulator_note: title to what to write beside the regulator.
    """
    figure = blank(7.4)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, voltages) in zip(all_axes, panels.items(), strict=True):
        _panel(axes, drawing, voltages, regulator_note.get(title, ""))
        axes.set_title(title, fontsize=12)
    return figure


def _panel(axes: Axes, drawing: Drawing, voltages: Mapping[str, float], note: str) -> None:
    axes.axis("off")
    by_bus: dict[str, dict[str, float]] = {}
    for node, voltage in voltages.items():
        bus, _, phase = node.partition(".")
        by_bus.setdefault(bus, {})[phase] = voltage
    shown = {bus: (x, _STRETCH * y) for bus, (x, y) in drawing.places.items() if bus in by_bus}
    source = next((b.first for b in drawing.branches if b.kind == "regulator"), "")
    for branch in drawing.branches:
        if branch.first in shown and branch.second in shown:
            (x1, y1), (x2, y2) = shown[branch.first], shown[branch.second]
            axes.plot([x1, x2], [y1, y2], zorder=1, **_BRANCH_STYLE[branch.kind])
            if branch.kind == "regulator" and note:
                axes.text(x2 + 0.95, y2, note, fontsize=9, va="center", color=SOFT)
    for bus, place in shown.items():
        if bus == source:
            axes.text(*place, f"substation {bus}", **_SOURCE)
            continue
        _bus(axes, bus, place, by_bus[bus], drawing.equipment.get(bus, ()))
    xs = [x for x, _ in shown.values()]
    ys = [y for _, y in shown.values()]
    axes.set_xlim(min(xs) - 1.0, max(xs) + 1.0)
    axes.set_ylim(min(ys) - 1.3, max(ys) + 0.3)


def _bus(
    axes: Axes,
    bus: str,
    place: tuple[float, float],
    voltages: Mapping[str, float],
    equipment: tuple[str, ...],
) -> None:
    x, y = place
    rows = sorted(voltages.items())
    top = y + _ROW * (len(rows) + 1) / 2
    worst = max(voltages.values(), key=lambda v: max(v - BAND_HIGH_PU, BAND_LOW_PU - v))
    edge = _mark(worst)[1]
    axes.add_patch(_box(x, top, len(rows) + 1, edge if edge != INK else SOFT))
    axes.text(x, top - _ROW * 0.5, bus, ha="center", va="center", fontsize=9, fontweight="bold")
    for number, (phase, voltage) in enumerate(rows, 1):
        mark, colour = _mark(voltage)
        axes.text(
            x,
            top - _ROW * (number + 0.45),
            f"{PHASE_NAME[phase]} {voltage:.3f}{mark}",
            ha="center",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="bold" if mark else "normal",
        )
    if equipment:
        _names(axes, x, top - _ROW * (len(rows) + 1) - 0.08, equipment)


def _names(axes: Axes, x: float, y: float, equipment: tuple[str, ...]) -> None:
    """What stands at a bus, over whatever line runs there."""
    axes.text(
        x,
        y,
        "\n".join(_SHOWN_NAMES.get(name, name) for name in equipment),
        ha="center",
        va="top",
        fontsize=8,
        color=SOFT,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    )


def _box(x: float, top: float, rows: int, edge: str) -> FancyBboxPatch:
    return FancyBboxPatch(
        (x - _HALF_WIDTH, top - _ROW * rows),
        2 * _HALF_WIDTH,
        _ROW * rows,
        boxstyle="round,pad=0.02,rounding_size=0.08",
        facecolor=_FILL[edge],
        edgecolor=edge,
        linewidth=2.0 if edge != SOFT else 1.0,
        zorder=2,
    )


def _mark(voltage: float) -> tuple[str, str]:
    """Arrow and colour of a voltage: never by colour alone."""
    if voltage > BAND_HIGH_PU:
        return " ▲", HIGH
    if voltage < BAND_LOW_PU:
        return " ▼", LOW
    return "", INK
