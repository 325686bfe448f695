"""The end of a demo in a few lines for a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from hil.report.csip import told
from hil.report.northbound import summary
from hil.report.outage import OutageRun, outage_verdict
from hil.report.record import Northbound, Recording
from hil.report.report import verdict
from hil.report.score import Value
from hil.report.sequence import OutageRecord, sequence


def print_summary(score: dict[str, Value], recording: Recording, folder: Path) -> None:
    """Verdict, score, what others saw and where the report is, on standard output."""
    good, sentence = verdict(score)
    console = Console(highlight=False)
    console.print(sentence, style="bold green" if good else "bold red")
    table = Table.grid(padding=(0, 2))
    seen = recording.northbound
    rows = [*_rows(score), *([] if seen is None else _above(seen))]
    if recording.csip:
        rows.append(("2030.5 inverters", told(recording.csip)))
    for what, value in rows:
        table.add_row(what, value)
    console.print(table)
    console.print(f"Report: {folder / 'report.html'} and report.json", soft_wrap=True)


def print_outage(
    score: dict[str, Value], record: OutageRecord, run: OutageRun, folder: Path
) -> None:
    """Verdict, sequence with times and customer minutes of an outage, on standard output."""
    good, sentence = outage_verdict(score)
    console = Console(highlight=False)
    console.print(sentence, style="bold green" if good else "bold red")
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in ("at, s", "who", "what", "customers out"):
        table.add_column(name, justify="right" if name in ("at, s", "customers out") else "left")
    for event in sequence(run, record):
        table.add_row(f"{event.at_s:.0f}", event.who, event.what, str(event.customers_out))
    console.print(table)
    figures = Table.grid(padding=(0, 2))
    for what, value in _outage_rows(score):
        figures.add_row(what, value)
    console.print(figures)
    if not score["flisr"]:
        console.print("The gateway gives no account of FLISR: nothing was restored by it.")
    console.print(f"Report: {folder / 'report.html'} and report.json", soft_wrap=True)


def _outage_rows(score: dict[str, Value]) -> list[tuple[str, str]]:
    by_hand = _seconds(score["lockout_to_last_restored_without_s"])
    most = score["customers_out_max"]
    return [
        (
            "customer minutes interrupted",
            f"{score['cmi']:.0f}, {score['cmi_without']:.0f} without the gateway",
        ),
        (
            "lockout to last restored",
            f"{_seconds(score['lockout_to_last_restored_s'])}, by hand {by_hand}",
        ),
        (
            "customers out",
            f"{most} of {score['customers']} at most, {score['customers_out_at_end']} at the end",
        ),
        ("closed onto the fault", str(score["closed_onto_fault"])),
        ("loops or joined sources", str(score["paralleled"])),
        (
            "messages and commands",
            f"{score['group_messages']} group messages, {score['commands_sent']} commands taken",
        ),
    ]


def _seconds(value: Value) -> str:
    return "never" if value is None else f"{value:.0f} s"


def _rows(score: dict[str, Value]) -> list[tuple[str, str]]:
    held = {True: "held", False: "broken", None: "not asked"}[
        None if score["limit_held"] is None else bool(score["limit_held"])
    ]
    most, end = score["nodes_out_uncontrolled_max"], score["nodes_out_at_end"]
    return [
        ("nodes outside the band", f"up to {most} without control, {end} at the end with the loop"),
        ("microgrid P dispatch, error", _percent(score["group_p_error_pct"])),
        ("microgrid Q dispatch, error", _percent(score["group_q_error_pct"])),
        ("limit at the POI", held),
        (
            "losses",
            f"{score['loss_kwh']} kWh, {score['loss_uncontrolled_kwh']} kWh without control",
        ),
        (
            "operations",
            f"{score['tap_operations']} taps, {score['capacitor_operations']} capacitors",
        ),
        (
            "messages and commands",
            f"{score['group_messages']} group messages, {score['commands_sent']} commands taken",
        ),
        ("points lost at the end", str(score["comm_lost_points"])),
    ]


def _percent(value: Value) -> str:
    return "not measured" if value is None else f"{value:.2f} % of the POI rating"


def _above(seen: Northbound) -> list[tuple[str, str]]:
    figures = summary(seen)
    lag = figures["newest_lag_s_median"]
    late = "" if lag is None else f", the newest {lag} s old"
    controls = ", ".join(f"{c.point} {c.asked}: {c.status}" for c in seen.controls)
    return [
        ("utility's master, DNP3", f"{figures['points']} points, {figures['events']} events{late}"),
        ("its controls", controls or "none tried"),
    ]
