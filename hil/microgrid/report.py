"""The report of a path: a page to read and a file for machines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.microgrid.record import Record
from hil.microgrid.rules import Verdict
from hil.report import html
from hil.report.style import blank, styled, svg

_HOW = (
    "Each box, the plant and its devices are processes of their own on this machine.",
    "Boxes meet over HTTPS with certificates, devices over Modbus, SunSpec and DNP3.",
    "Judged is the plant's own record, ten lines a simulated second, not what a box says.",
    "Software in the loop: no hardware was attached.",
)


def summary(record: Record, verdicts: tuple[Verdict, ...], sabotage: str) -> dict[str, Any]:
    """The score as it is printed and kept; ``passed`` at the top."""
    return {
        "passed": all(verdict.passed for verdict in verdicts),
        "title": record.scenario.title,
        "sabotage": sabotage,
        "rules": [
            {
                "rule": verdict.rule.name,
                "text": verdict.text,
                "limit": verdict.rule.limit,
                "value": None if math.isinf(verdict.value) else round(verdict.value, 4),
                "passed": verdict.passed,
            }
            for verdict in verdicts
        ],
        "asked": [asdict(one) for one in record.asked],
        "simulated_s": record.lines[-1]["time_s"] if record.lines else 0.0,
    }


def write_report(folder: Path, record: Record, score: dict[str, Any]) -> None:
    """Write ``report.html`` and ``report.json``.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "report.json").write_text(json.dumps(score, indent=1) + "\n", encoding="utf-8")
    rules = [
        ["passed" if rule["passed"] else "FAILED", rule["text"], _shown(rule["value"])]
        for rule in score["rules"]
    ]
    asked = [[f"{one.time_s:.1f}", one.text, f"{1e3 * one.took_s:.0f}"] for one in record.asked]
    scale = record.scenario.time_scale
    verdict = "every rule kept" if score["passed"] else "a rule broken"
    name = "" if not score["sabotage"] else f" (broken on purpose: {score['sabotage']})"
    parts = [
        html.heading(record.scenario.title + name, 1),
        html.paragraph(verdict),
        html.heading("Score"),
        html.table("Score", ["", "rule", "measured"], rules, [2]),
        html.heading("What the microgrid did"),
        html.figure(_figure(record), "The plant's own record; bars are what is switched on."),
        html.heading("What the DMS asked"),
        html.table("Asked", ["simulated s", "question and answer", "ms"], asked, [0, 2]),
        html.heading("How it was measured"),
        html.bullets([*_HOW, f"Simulated seconds a wall second: {scale:g}."]),
    ]
    page = html.page(f"Tieline: {record.scenario.title}{name}", parts)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _figure(record: Record) -> str:
    lines = record.lines
    times = [line["time_s"] for line in lines]
    with styled():
        figure = blank(8.4)
        power, volts, hertz, loads = figure.subplots(4, 1, sharex=True)
        series = ("poi_w", "battery_w", "diesel_w", "pv_w", "member_w")
        for key in series:
            values = [line[key] / 1e3 for line in lines]
            if any(values):
                power.plot(times, values, label=key.removesuffix("_w"))
        power.set_ylabel("kW, export positive")
        power.legend(loc="upper right", ncols=5)
        for key in ("bus_pu", "grid_pu"):
            volts.plot(times, [line[key] for line in lines], label=key.removesuffix("_pu"))
        volts.set_ylabel("pu")
        volts.legend(loc="lower right")
        hertz.plot(times, [line["bus_hz"] or math.nan for line in lines], label="bus")
        hertz.plot(times, [line["grid_hz"] or math.nan for line in lines], label="grid")
        hertz.set_ylabel("Hz")
        for number, name in enumerate(lines[0]["loads"] if lines else ()):
            on = [line["loads"][name] and line["bus_pu"] > 0.5 for line in lines]
            loads.fill_between(times, number, [number + 0.8 * bool(x) for x in on], step="post")
        loads.fill_between(
            times, -1, [-1 + 0.8 * bool(line["closed"]) for line in lines], step="post", color="0.4"
        )
        loads.set_yticks(
            [n - 0.6 for n in range(len(lines[0]["loads"]) + 1)] if lines else [],
            ["POI closed", *lines[0]["loads"]] if lines else [],
        )
        loads.set_xlabel("simulated s")
        text = "Power, voltage, frequency and what is switched on, over the run"
        return svg(figure, "microgrid", text)


def _shown(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"
