"""The report of an outage: a page to read and a file for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.report import html
from hil.report.feeder import Drawing
from hil.report.outage import RULES, OutageRun, Value, outage_score, outage_verdict
from hil.report.outage_figures import Panel, draw_customers, draw_supply
from hil.report.sequence import Event, OutageRecord, flisr_says, sequence
from hil.report.style import styled, svg


def write_outage_report(
    folder: Path, ours: OutageRun, theirs: OutageRun, record: OutageRecord, drawing: Drawing
) -> dict[str, Value]:
    """Write both files and return the score.

    Args:
        folder: exists; ``report.html`` and ``report.json`` in it are replaced.
        ours: the truth with the gateway.
        theirs: the truth without, same scenario, seed and time.
        record: what was seen meanwhile.
        drawing: the feeder.

    Raises:
        OSError: the folder cannot be written.
    """
    score = outage_score(ours, theirs, record.repaired_s, record.status)
    events, others = sequence(ours, record), sequence(theirs)
    parts = [
        *_opening(record, score),
        *_pictures(ours, theirs, record, drawing),
        *_account(record),
        *_events("What happened, with the gateway", events),
        *_events("The same without it: relays, and a crew by hand", others),
        html.heading("How it was measured"),
        html.bullets([*RULES, *_assumed(record), *record.notes]),
    ]
    page = html.page(f"Tieline: {record.title}", parts)
    (folder / "report.html").write_text(page, encoding="utf-8")
    told: dict[str, Any] = {
        "score": score,
        "sequence": [asdict(event) for event in events],
        "sequence_without": [asdict(event) for event in others],
        "customers_out": _changes(ours),
        "customers_out_without": _changes(theirs),
        "flisr": record.flisr,
        "messages": list(record.messages),
        "assumed": list(_assumed(record)),
        "links": record.status.get("links"),
        "dnp3": record.status.get("dnp3"),
    }
    (folder / "report.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return score


def _opening(record: OutageRecord, score: dict[str, Value]) -> list[str]:
    good, sentence = outage_verdict(score)
    took_s = score["lockout_to_last_restored_s"]
    by_hand_s = score["lockout_to_last_restored_without_s"]
    entries = [
        html.Tile(
            f"{score['cmi_without']:.0f} → {score['cmi']:.0f}",
            "customer minutes interrupted: without → with the gateway",
        ),
        html.Tile(
            "never" if took_s is None else f"{took_s:.0f} s",
            "from lockout to the last restored before the repair"
            + ("" if by_hand_s is None else f"; by hand {by_hand_s:.0f} s"),
        ),
        html.Tile(
            f"{score['customers_out_max']} → {_shown(score['customers_out_restored'])}",
            "customers out: most → until the repair",
        ),
        html.Tile(
            str(score["customers_out_at_end"]),
            "customers out at the end",
            score["customers_out_at_end"] == 0,
        ),
        html.Tile(
            str(score["closed_onto_fault"]),
            "switches closed onto the fault",
            score["closed_onto_fault"] == 0,
        ),
        html.Tile(str(score["paralleled"]), "loops or joined sources", score["paralleled"] == 0),
        html.Tile(str(score["switch_operations"]), "movements of switches, relays' included"),
        html.Tile(str(score["commands_sent"]), "commands taken by devices"),
    ]
    return [
        html.heading(f"Tieline on {record.title}", 1),
        html.paragraph(
            f"{score['simulated_s']:.0f} simulated seconds at {record.time_scale:g} a second, the "
            "wait for the crew in longer steps; emulated devices answering in real bytes.",
            "sub",
        ),
        html.paragraph(sentence, f"verdict {'good' if good else 'bad'}"),
        html.tiles(entries),
    ]


def moments(run: OutageRun, repaired_s: float) -> dict[str, int]:
    """Positions worth a picture, by name: before, out, isolated, restored, at the end."""
    found = {"Before": 0}
    if run.lockout_s is None:
        found["Most out"] = int(run.customers_out.argmax())
    else:
        found["Locked out"] = run.at(run.lockout_s)
    back = run.restorations(repaired_s or float(run.time_s[-1]))
    if back:
        found["Isolated"] = max(back[0] - 1, 0)
        found["Restored"] = back[-1]
    else:
        found["At the end"] = len(run.steps) - 1
    return found


def _pictures(
    ours: OutageRun, theirs: OutageRun, record: OutageRecord, drawing: Drawing
) -> list[str]:
    zones = frozenset(zone for step in ours.steps for zone in step["zones"])
    shown = moments(ours, record.repaired_s)
    panels = [
        Panel(
            title=f"{name}, {ours.time_s[i]:.0f} s\n{ours.customers_out[i]:.0f} customers out",
            live=frozenset(ours.steps[i]["zones"]),
            closed={switch: bool(column[i]) for switch, column in ours.switches.items()},
            fault_bus=record.fault_bus if ours.steps[i]["faults"] else "",
        )
        for name, i in shown.items()
    ]
    marks = {name.lower(): float(ours.time_s[i]) for name, i in shown.items() if i}
    with styled():
        drawn = svg(draw_supply(drawing, panels, zones), "supply", "; ".join(shown))
        plot = svg(draw_customers(ours, theirs, marks), "customers", "Customers out over time")
    return [
        html.heading("The feeder"),
        html.figure(
            drawn,
            "Solid green: supplied; broken red: not. A filled square is a closed switch, a hollow "
            "one an open switch; the cross is the fault.",
        ),
        html.heading("Customers out"),
        html.figure(plot, "Same scenario, same seed: with the gateway and without it."),
    ]


def _account(record: OutageRecord) -> list[str]:
    """What FLISR says of itself at the end."""
    if record.flisr is None:
        return [
            html.paragraph("The gateway gives no account of FLISR: nothing was restored by it.")
        ]
    steps = record.flisr.get("steps", ())
    said = [f"{at_s:.0f} s: {words}" for at_s, words in flisr_says(steps)]
    alarms = [f"alarm: {text}" for text in record.flisr.get("alarms", ())]
    return [html.heading("FLISR's own account"), html.bullets([*said, *alarms])]


def _events(title: str, events: Iterable[Event]) -> list[str]:
    rows = [(f"{e.at_s:.0f}", e.who, e.what, e.customers_out) for e in events]
    headers = ("at, s", "who", "what", "customers out")
    return [html.heading(title), html.table(title, headers, rows, (0, 3))]


def _assumed(record: OutageRecord) -> tuple[str, ...]:
    if not record.by_hand:
        return ()
    return (f"Without the gateway, assumed: {'; '.join(record.by_hand)}.",)


def _changes(run: OutageRun) -> list[list[float]]:
    """Time and customers out at each change, and at the end."""
    found: list[list[float]] = []
    for time_s, out in zip(run.time_s, run.customers_out, strict=True):
        if not found or found[-1][1] != out:
            found.append([float(time_s), float(out)])
    return [*found, [float(run.time_s[-1]), float(run.customers_out[-1])]]


def _shown(value: Value) -> str:
    return "-" if value is None else str(value)
