"""Figures of power against set points: the POI and the DERs the DMS commands directly."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hil.report.record import Exchange, Recording, Samples
from hil.report.run import Column, Run
from hil.report.style import ASKED, GRID, HIGH, INK, PHASE, SOFT, blank, time_axis

_P_COLOUR, _Q_COLOUR = "#8a6d00", PHASE["1"]


def draw_poi(controlled: Run, uncontrolled: Run, recording: Recording) -> Figure:
    """P and Q at the microgrid's POI: what flowed, what was asked, limits, what VVO had held."""
    figure = blank(6.4)
    active, reactive = figure.subplots(2, 1, sharex=True)
    name, _ = recording.poi
    for axes, run, other, what in (
        (active, controlled.power_w, uncontrolled.power_w, "P, kW (export positive)"),
        (
            reactive,
            controlled.reactive_power_var,
            uncontrolled.reactive_power_var,
            "Q, kvar (injection positive)",
        ),
    ):
        axes.plot(
            uncontrolled.time_s, other[name] / 1e3, color="#a8b0b8", linewidth=1.2, label="without"
        )
        axes.plot(controlled.time_s, run[name] / 1e3, color=INK, linewidth=1.8, label="at the POI")
        axes.set_title(f"{name}: {what}")
    held = _asked_var(recording.samples, name)
    reactive.plot(
        recording.samples.time_s,
        held / 1e3,
        color=_Q_COLOUR,
        linewidth=1.3,
        linestyle="--",
        label="set point held",
    )
    for axes in (active, reactive):
        _widen(axes)
    for exchange in recording.exchanges:
        if exchange.until_s is not None and exchange.result != "FAILED":
            on_reactive = exchange.function in ("dispatch-q", "pf", "curve")
            _asked(reactive if on_reactive else active, exchange)
    for axes in (active, reactive):
        axes.legend(loc="lower left", ncols=4, fontsize=9)
    time_axis(reactive, float(controlled.time_s[-1]))
    return figure


def _widen(axes: Axes) -> None:
    """Room above for labels and below for the legend."""
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.22 * (high - low), high + 0.24 * (high - low))


def _asked(axes: Axes, exchange: Exchange) -> None:
    """A request's window, its value, and its name at the top."""
    end_s = exchange.until_s or exchange.sent_s
    colour = HIGH if exchange.function == "limit" else ASKED
    axes.axvspan(exchange.sent_s, end_s, color=colour, alpha=0.09, linewidth=0)
    if exchange.value is not None:
        value = exchange.value / 1e3
        axes.hlines(value, exchange.sent_s, end_s, color=colour, linewidth=2.4, zorder=5)
    axes.text(
        exchange.sent_s + 1,
        0.985,
        exchange.title.replace(" ", "\n", 1),
        transform=axes.get_xaxis_transform(),
        va="top",
        fontsize=8.5,
        color=colour,
        fontweight="bold",
    )


def draw_ders(controlled: Run, recording: Recording) -> Figure:
    """P and Q of every DER the DMS commands itself, Q against its set point."""
    name, _ = recording.poi
    ders = [der for der in controlled.power_w if der != name]
    columns = 3
    rows = -(-len(ders) // columns)
    figure = blank(2.7 * rows)
    cells = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    for axes, der in zip(cells, ders, strict=False):
        _der(axes, der, controlled, recording.samples)
        time_axis(axes, float(controlled.time_s[-1]), label=False)
    for axes in cells[len(ders) :]:
        axes.axis("off")
    handles, labels = cells[0].get_legend_handles_labels()
    place = cells[len(ders)] if len(ders) < len(cells) else figure
    place.legend(handles, labels, loc="center", fontsize=10)
    figure.supxlabel("simulated time, s", fontsize=10)
    return figure


def _der(axes: Axes, der: str, run: Run, samples: Samples) -> None:
    axes.axhline(0, color=GRID, linewidth=1.0)
    axes.plot(run.time_s, run.power_w[der] / 1e3, color=_P_COLOUR, linewidth=1.3, label="P, kW")
    axes.plot(
        run.time_s,
        run.reactive_power_var[der] / 1e3,
        color=_Q_COLOUR,
        linewidth=1.9,
        label="Q, kvar",
    )
    asked = _asked_var(samples, der)
    axes.plot(
        samples.time_s, asked / 1e3, color=ASKED, linestyle="--", linewidth=1.6, label="Q set point"
    )
    axes.set_title(der)
    axes.tick_params(colors=SOFT, labelsize=9)


def _asked_var(samples: Samples, der: str) -> Column:
    """A set point where there is one, else not a number; shape (samples,)."""
    values = samples.q_asked_var.get(der, [None] * len(samples.time_s))
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
