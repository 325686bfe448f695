"""What the utility's master saw over DNP3, against what was true."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hil.report import html
from hil.report.record import Northbound
from hil.report.run import Run
from hil.report.style import ASKED, INK, blank, styled, svg, time_axis

_UNITS = {"p": "W", "q": "var", "s": "VA", "hz": "Hz", "soc": "%", "p_avail_max": "W",
          "p_avail_min": "W", "p_max_rtg": "W"}  # fmt: skip
_NAMES = {
    "p": "active power", "q": "reactive power", "s": "apparent power", "hz": "frequency",
    "soc": "state of charge", "p_avail_max": "most active power available now",
    "p_avail_min": "least active power available now", "p_max_rtg": "nameplate active power",
}  # fmt: skip


def summary(seen: Northbound) -> dict[str, Any]:
    """The master's run in figures; lags in wall seconds, None where no event came."""
    lags_s = seen.lags_s
    return {
        "points": sum(seen.points.values()),
        "polls": seen.polls,
        "events": seen.events,
        "newest_lag_s_median": round(float(np.median(lags_s)), 2) if lags_s else None,
        "newest_lag_s_max": round(max(lags_s), 2) if lags_s else None,
        "lost_points": seen.lost,
        "fault": seen.fault,
    }


def head_difference_pct(seen: Northbound, truth: Run) -> float | None:
    """Median difference of the feeder head's power as seen, at its source times, in % of the truth.

    None where no event of it came within the run.
    """
    times_s = np.array(seen.head_time_s)
    inside = (times_s >= truth.time_s[0]) & (times_s <= truth.time_s[-1])
    if not inside.any():
        return None
    true_w = np.interp(times_s[inside], truth.time_s, truth.head_w)
    scale_w = max(float(np.abs(truth.head_w).max()), 1.0)
    off = np.abs(np.array(seen.head_w)[inside] - true_w) / scale_w
    return round(100.0 * float(np.median(off)), 3)


def northbound_part(seen: Northbound | None, truth: Run) -> dict[str, Any] | None:
    """The part ``northbound`` of ``report.json``."""
    if seen is None:
        return None
    return {
        **summary(seen),
        "points_by_outstation": {str(address): count for address, count in seen.points.items()},
        "head_difference_pct": head_difference_pct(seen, truth),
        "der": seen.der,
        "controls": [asdict(control) for control in seen.controls],
    }


def draw_head(seen: Northbound, truth: Run) -> Figure:
    """The feeder head's power: true, and as the master was told."""
    figure = blank(3.0)
    axes = figure.subplots()
    axes.plot(
        seen.head_time_s, np.array(seen.head_w) / 1e3, color=ASKED, linestyle="none", marker="o",
        markersize=5, alpha=0.45, markeredgewidth=0,
        label="events at the utility's master, at their source's time",
    )  # fmt: skip
    axes.plot(truth.time_s, truth.head_w / 1e3, color=INK, linewidth=1.2, label="true")
    axes.set_title("Feeder head: P, kW (positive into the feeder)")
    axes.legend(loc="best", fontsize=9)
    time_axis(axes, float(truth.time_s[-1]))
    return figure


def section(seen: Northbound | None, truth: Run) -> list[str]:
    """The report's section; nothing where there was no master."""
    if seen is None:
        return []
    with styled():
        picture = svg(draw_head(seen, truth), "head", "Feeder head power, true and as events")
    off = head_difference_pct(seen, truth)
    caption = "What the gateway passed on is what its meters measured, noise included"
    caption += "." if off is None else f": half of the events within {off:g} % of the largest P."
    controls = [
        (f"{c.at_s:.0f}", c.point, c.asked, c.status, f"{c.round_trip_ms:.0f}")
        for c in seen.controls
    ]
    der = [(_NAMES[name], f"{value:g}", _UNITS[name]) for name, value in seen.der.items()]
    parts = [
        html.heading("What the utility's master saw over DNP3"),
        html.paragraph(_told(seen)),
        html.figure(picture, caption),
    ]
    if controls:
        headers = ("at, s", "point", "asked", "status", "ms")
        parts += [
            html.paragraph(
                "Its controls, selected before they are operated: each goes the way of every other "
                "command, arbiter and interlock, and the standard's status comes back."
            ),
            html.table("Controls of the utility's master", headers, controls, (0, 4)),
        ]
    if der:
        parts += [
            html.paragraph("The microgrid, shown beside the feeder as one DER of the DER profile:"),
            html.table("The microgrid as a DER", ("", "value", "unit"), der, (1,)),
        ]
    return parts


def _told(seen: Northbound) -> str:
    told = summary(seen)
    points = " and ".join(f"{count} points of {a}" for a, count in sorted(seen.points.items()))
    text = f"An integrity poll read {points or 'nothing'}; then {seen.polls} event polls, a second "
    text += f"apart, brought {seen.events} events with their source's time"
    if seen.lags_s:
        text += f", the newest {told['newest_lag_s_median']:.2f} s old when it came (median; "
        text += f"{told['newest_lag_s_max']:.2f} s at most)"
    text += f". Points flagged as lost at the end: {seen.lost}."
    return text + (f" The connection was lost once more: {seen.fault}." if seen.fault else "")
