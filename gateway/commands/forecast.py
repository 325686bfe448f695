"""``tieline forecast``: what a running site expects of DERs, groups and load, and its scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer
from rich.table import Table

from gateway.commands.common import SiteArgument, console, fail
from gateway.commands.query import AsOption, JsonOption, query

_SCORES = ("source", "in", "model", "samples", "MAE, kW", "bias, kW", "inside", "pinball, kW")


def forecast(folder: SiteArgument, name: AsOption = "dms", as_json: JsonOption = False) -> None:
    """Show forecasts at every horizon with 80 % intervals, and how good each model was."""
    told = query(folder, name, "/forecasts")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    if not told:
        fail(f"{folder} has no [dms]: nothing is forecast. What to do: add it to site.toml")
    out = console()
    expected = Table("source", "now, kW", "in", "expected, kW", "80 % of the time", "by", "note")
    for source, predictions in told["forecasts"].items():
        whose = (source, _kw(told["present"][source]))
        for number, one in enumerate(predictions, 1):
            ahead_s = (one["time_ms"] - told["time_ms"]) / 1000
            expected.add_row(
                *whose, _time(ahead_s), _kw(one["nominal"]), _band(one["band"]), one["model"],
                one["note"], end_section=number == len(predictions),
            )  # fmt: skip
            whose = ("", "")  # a source is named once
    if expected.row_count:
        out.print(expected)
    else:
        out.print("nothing is known yet of any source: the first good samples are waited for")
    scores = Table(*_SCORES)
    for row in told["scores"]:
        scores.add_row(*_score(row))
    if scores.row_count:
        out.print(scores)
    if told["fault"]:
        out.print(told["fault"])


def _score(row: Mapping[str, Any]) -> tuple[str, ...]:
    inside = row["coverage"]
    return (
        row["source"],
        _time(row["horizon_s"]),
        row["model"],
        str(row["samples"]),
        _kw(row["mae"]),
        _kw(row["bias"]),
        "" if inside is None else f"{100 * inside:.0f} %",
        _kw(row["pinball"]),
    )


def _band(band: Mapping[str, float] | None) -> str:
    return "unknown" if band is None else f"{_kw(band['minimum'])} .. {_kw(band['maximum'])}"


def _kw(watts: float | None) -> str:
    text = "" if watts is None else f"{watts / 1e3:,.1f}"
    return "0.0" if text == "-0.0" else text


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
