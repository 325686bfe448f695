"""Tables of the one-page summary, as text, out of what a running gateway tells of its feeder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Rows of a table on the page; the whole is in ``--json``.
_ROWS = 10

_CLOSED = 0.5
_BASES = {"unknown": "unknown", "forecast": "forecast", "assumed": "the model's file"}

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A table."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def blocks(told: Mapping[str, Any], now_ms: int) -> list[Block]:
    """The page's tables, those without a row left out.

    Args:
        told: ``awareness`` of ``/status``, with a report.
        now_ms: of the status, UTC ms.
    """
    report = told["report"]
    found = [
        Block("Feeder", ("what", "value"), _feeder(report)),
        Block("Alarms", ("alarm",), tuple((text,) for text in _alarms(told))),
        Block(
            "Voltages out of band",
            ("node", "pu", "measured", "model", "since", "in doubt for"),
            tuple(_violation(one) for one in report["violations"][:_ROWS]),
        ),
        Block(
            "Without supply",
            ("zone at", "buses", "load, kW", "DERs", "since", "in doubt for"),
            tuple(_unsupplied(one) for one in report["unsupplied"][:_ROWS]),
        ),
        Block(
            "Loading",
            ("branch", "%", "rating, A", "overloaded since", "in doubt for"),
            tuple(_loading(one) for one in report["loadings"]),
        ),
        Block(
            "Headroom before the first limit, taps and switches as they are",
            ("bus", "generation, kW", "met first", "load, kW", "met first", "age", "in doubt for"),
            tuple(
                _headroom(one, now_ms)
                for one in sorted(report["headroom"], key=lambda one: float(one["hosting_kw"]))
            ),
        ),
        Block(
            "Not measured",
            ("what", "element", "rests on", "seen last"),
            tuple(_state(one) for one in report["not_measured"][:_ROWS]),
        ),
        Block(
            "Meters against the model",
            ("node", "error, pu", "mean", "sigma", "score", ""),
            tuple(_meter(one) for one in report["meters"][:_ROWS]),
        ),
    ]
    return [_without_blanks(block) for block in found if block.rows]


def _without_blanks(block: Block) -> Block:
    """A table without its last column where nothing stands in it."""
    if any(row[-1] for row in block.rows) or len(block.columns) == 1:
        return block
    rows = tuple(row[:-1] for row in block.rows)
    return Block(block.title, block.columns[:-1], rows)


def _alarms(told: Mapping[str, Any]) -> list[str]:
    fault = told["fault"].strip().splitlines()
    return [*told["alarms"], *([f"the last look failed: {fault[-1]}"] if fault else [])]


def _feeder(report: Mapping[str, Any]) -> tuple[Row, ...]:
    quality = report["quality"]
    rms = "" if quality["rms_pu"] is None else f", {quality['rms_pu']:.4f} pu rms"
    off_kw = quality["head_error_kw"]
    flow = "" if off_kw is None else f", head off by {off_kw:.1f} kW"
    rows = [
        ("looked at", _time(report["time_ms"])),
        ("power flow", "solved" if report["converged"] else "does not converge"),
        ("head", f"{report['head_kw']:,.1f} kW"),
        ("DERs", f"{report['der_kw']:,.1f} kW"),
        ("load", f"{report['load_kw']:,.1f} kW"),
        ("losses", f"{report['losses_kw']:,.1f} kW, {report['losses_pct']:.2f} %"),
        ("voltage", f"{_pu(report['voltage_min_pu'])} .. {_pu(report['voltage_max_pu'])} pu"),
        ("nodes out of band", str(report["nodes_out"])),
        ("branches overloaded", str(report["overloads"])),
        ("islands", str(report["islands"])),
        ("states", ", ".join(f"{n} {basis}" for basis, n in report["rests_on"].items() if n)),
        ("model", f"{quality['grade']}{rms}{flow}, {report['meters_good']} meters"),
    ]
    if report["voltage_imbalance_pct"] is not None:
        imbalance = f"{report['voltage_imbalance_pct']:.2f} % at {report['imbalance_bus']}"
        rows.append(("voltage imbalance", imbalance))
    if report["head_imbalance_pct"] is not None:
        rows.append(("head imbalance", f"{report['head_imbalance_pct']:.1f} %"))
    return tuple(rows)


def _violation(one: Mapping[str, Any]) -> Row:
    return (
        one["node"], _pu(one["voltage_pu"]), _pu(one["measured_pu"]), _pu(one["modelled_pu"]),
        _time(one["since_ms"]), one["doubt"],
    )  # fmt: skip


def _unsupplied(one: Mapping[str, Any]) -> Row:
    ders, load = ", ".join(one["ders"]), f"{one['load_kw']:,.1f}"
    return one["zone"], str(one["buses"]), load, ders, _time(one["since_ms"]), one["doubt"]


def _loading(one: Mapping[str, Any]) -> Row:
    since = "" if one["since_ms"] is None else _time(one["since_ms"])
    percent, rating = f"{one['loading_pct']:.0f}", f"{one['rating_a']:,.0f}"
    return one["branch"], percent, rating, since, one["doubt"]


def _headroom(one: Mapping[str, Any], now_ms: int) -> Row:
    return (
        one["bus"], f"{one['hosting_kw']:,.0f}", one["hosting_limit"], f"{one['load_kw']:,.0f}",
        one["load_limit"], f"{(now_ms - one['time_ms']) / 1000:.0f} s", one["doubt"],
    )  # fmt: skip


def _state(one: Mapping[str, Any]) -> Row:
    """A state as an operator would say it; a phase's loads follow the head's meter."""
    seen, kind = one["seen"], one["kind"]
    if seen is None:
        shown = "never" if one["basis"] == "unknown" and kind != "load" else ""
    elif kind == "der":
        shown = f"{seen / 1e3:,.1f} kW"
    else:
        shown = f"{seen:+.0f}" if kind == "tap" else "closed" if seen >= _CLOSED else "open"
    element = f"phase {one['element']}" if kind == "load" else one["element"]
    return kind, element, _BASES[one["basis"]], shown


def _meter(one: Mapping[str, Any]) -> Row:
    return (
        one["node"], f"{one['error_pu']:+.4f}", f"{one['mean_pu']:+.4f}", f"{one['sigma_pu']:.4f}",
        f"{one['score']:+.1f}", "doubtful" if one["suspect"] else "",
    )  # fmt: skip


def _pu(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _time(utc_ms: int) -> str:
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
