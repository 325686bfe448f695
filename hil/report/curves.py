"""Figures over time: the voltage band, taps and capacitors."""

from __future__ import annotations

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU, Run
from hil.report.style import (
    HIGH,
    INK,
    OUTSIDE_TINT,
    PHASE,
    PHASE_NAME,
    SOFT,
    blank,
    time_axis,
)

_REGULATOR_PHASE = {"a": "1", "b": "2", "c": "3"}


def draw_band(uncontrolled: Run, controlled: Run) -> Figure:
    """Every node's voltage without and with control, and how many are out."""
    figure = blank(7.6)
    without, with_loop, count = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.3]}
    )
    low = min(float(uncontrolled.voltage_pu.min()), float(controlled.voltage_pu.min()))
    high = max(float(uncontrolled.voltage_pu.max()), float(controlled.voltage_pu.max()))
    limits = (min(low, BAND_LOW_PU) - 0.008, max(high, BAND_HIGH_PU) + 0.008)
    for axes, run, title in (
        (without, uncontrolled, "Without control: voltage of every node, pu"),
        (with_loop, controlled, "With the loop: voltage of every node, pu"),
    ):
        _voltages(axes, run)
        axes.set_ylim(*limits)
        axes.set_title(title)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5, fontsize=9)
    _counts(count, uncontrolled, controlled)
    time_axis(count, float(controlled.time_s[-1]))
    return figure


def _voltages(axes: Axes, run: Run) -> None:
    axes.axhspan(BAND_HIGH_PU, 2.0, color=OUTSIDE_TINT, zorder=0)
    axes.axhspan(0.0, BAND_LOW_PU, color=OUTSIDE_TINT, zorder=0)
    for edge in (BAND_LOW_PU, BAND_HIGH_PU):
        axes.axhline(edge, color=HIGH, linewidth=1.4, linestyle=(0, (5, 2)))
    for number, node in enumerate(run.nodes):
        colour = PHASE[node.rpartition(".")[2]]
        axes.plot(run.time_s, run.voltage_pu[:, number], color=colour, linewidth=0.7, alpha=0.55)
    for extreme in (run.voltage_pu.min(axis=1), run.voltage_pu.max(axis=1)):
        axes.plot(run.time_s, extreme, color=INK, linewidth=1.6)


def _legend() -> list[Line2D]:
    phases = [Line2D([], [], color=c, label=f"phase {PHASE_NAME[p]}") for p, c in PHASE.items()]
    extreme = Line2D([], [], color=INK, linewidth=1.6, label="lowest and highest")
    edge = Line2D([], [], color=HIGH, linestyle=(0, (5, 2)), label="0.95 and 1.05 pu")
    return [*phases, extreme, edge]


def _counts(axes: Axes, uncontrolled: Run, controlled: Run) -> None:
    axes.fill_between(uncontrolled.time_s, uncontrolled.nodes_out, step="post", color="#c9ced4")
    axes.fill_between(controlled.time_s, controlled.nodes_out, step="post", color=HIGH)
    axes.set_title("Nodes outside the band (grey: without control; red: with the loop)")
    axes.set_ylim(0, max(int(uncontrolled.nodes_out.max()), int(controlled.nodes_out.max()), 1) + 1)


def draw_equipment(controlled: Run) -> Figure:
    """Taps and capacitors; the light lines are where they would have stayed."""
    figure = blank(4.4)
    taps, caps = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1.2]})
    for name, position in controlled.taps.items():
        colour = PHASE[_REGULATOR_PHASE[name]]
        taps.step(controlled.time_s, position, where="post", color=colour, linewidth=2.0)
        taps.axhline(position[0], color=colour, linewidth=1.0, linestyle=":", alpha=0.8)
    _name_ends(taps, controlled)
    taps.set_title("Regulator taps by phase (dotted: where each started and would have stayed)")
    taps.yaxis.get_major_locator().set_params(integer=True)
    names = list(controlled.caps)
    for row, name in enumerate(names):
        _switch(caps, controlled, name, row)
    caps.set_yticks(range(len(names)), names)
    caps.set_ylim(len(names) - 0.5, -0.5)
    caps.grid(visible=False)
    caps.set_title("Capacitors")
    time_axis(caps, float(controlled.time_s[-1]))
    return figure


def _name_ends(axes: Axes, run: Run) -> None:
    """Phases at the right edge, those that end on the same tap side by side."""
    ends: dict[float, list[str]] = {}
    for name, position in run.taps.items():
        ends.setdefault(float(position[-1]), []).append(name)
    for tap, names in ends.items():
        place = (float(run.time_s[-1]), tap)
        for number, name in enumerate(names):
            axes.annotate(
                name.upper(),
                place,
                xytext=(5 + 10 * number, 0),
                textcoords="offset points",
                color=PHASE[_REGULATOR_PHASE[name]],
                fontweight="bold",
                va="center",
                annotation_clip=False,
            )


def _switch(axes: Axes, run: Run, name: str, row: int) -> None:
    """A bar while closed, a thin line while open, each said in words where it begins."""
    time_s, closed = run.time_s, run.caps[name]
    edges = [0, *(i for i in range(1, len(closed)) if closed[i] != closed[i - 1]), len(closed) - 1]
    for first, last in pairwise(edges):
        start_s, end_s = float(time_s[first]), float(time_s[last])
        if end_s <= start_s:
            continue
        is_closed = closed[first] > 0.5
        height = 0.56 if is_closed else 0.08
        axes.barh(
            row, end_s - start_s, left=start_s, height=height, color=INK if is_closed else SOFT
        )
        if end_s - start_s > 0.08 * float(time_s[-1]):
            axes.text(
                start_s + 0.006 * float(time_s[-1]),
                row - (0.0 if is_closed else 0.25),
                "closed" if is_closed else "open",
                va="center",
                fontsize=9,
                color="white" if is_closed else SOFT,
            )
