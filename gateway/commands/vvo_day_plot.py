"""The day's plots: voltages, power and taps, the feeder's own controls beside ours."""

from __future__ import annotations

import html
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gateway.commands.svg import inline
from gateway.site.vvo_day import DayRun

_INKS = ("#8A8F98", "#0B5FA5")
_LIMIT = "#B00020"
_SIZE_IN = (10.0, 9.0)


def page(name: str, runs: Sequence[DayRun], band_pu: tuple[float, float]) -> str:
    """One HTML page with one inline figure.

    Args:
        name: the case.
        runs: days to lay over each other, the first in grey.
        band_pu: limits of the voltages.
    """
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    volts, power, taps = figure.subplots(3, 1, sharex=True)
    for run, ink in zip(runs, _INKS, strict=True):
        hours = [step.hour for step in run.steps]
        lowest, highest = [s.v_min_pu for s in run.steps], [s.v_max_pu for s in run.steps]
        volts.fill_between(hours, lowest, highest, step="post", color=ink, alpha=0.35, lw=0)
        kilowatts = [step.power_kw for step in run.steps]
        power.step(hours, kilowatts, where="post", color=ink, label=_label(run))
        for name_of_tap in run.begin.taps:
            at = [step.taps[name_of_tap] for step in run.steps]
            taps.step(hours, at, where="post", color=ink, lw=1.0)
    for limit in band_pu:
        volts.axhline(limit, color=_LIMIT, lw=0.8, ls="--")
    _titled(volts, "Lowest to highest voltage", "pu")
    _titled(power, "Power at the head", "kW")
    _titled(taps, "Taps of every regulator", "steps")
    power.legend(frameon=False)
    taps.set_xlabel("hour of the day")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(name)}</title>'
        f"<body><h1>{html.escape(name)}: a day</h1>{inline(figure)}</body></html>\n"
    )


def _label(run: DayRun) -> str:
    return (
        f"{run.control}: {run.energy_kwh:,.0f} kWh, {run.tap_operations} tap and "
        f"{run.capacitor_operations} capacitor operations, {run.violations} node-steps out"
    )


def _titled(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.grid(visible=True, lw=0.4)
