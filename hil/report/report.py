"""The report of a run: ``report.html`` and ``report.json``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hil.report import csip, html
from hil.report.curves import draw_band, draw_equipment
from hil.report.feeder import Drawing
from hil.report.northbound import northbound_part, section
from hil.report.oneline import draw_oneline
from hil.report.powers import draw_ders, draw_poi
from hil.report.record import Recording
from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU, Run
from hil.report.score import (
    DISPATCH_LIMIT_PCT,
    INSIDE_WITHIN_S,
    Measured,
    Value,
    demo_score,
    feeder_score,
    measure,
    rules,
)
from hil.report.style import styled, svg

#: Messages shown; a long run's first and last are told, the middle is counted.
_SHOWN_MESSAGES = 120
_SCORE_ROWS = (
    ("nodes_out_max", "most nodes outside the band at one time"),
    ("nodes_out_after_60s_max", "the same, after the first 60 s"),
    ("nodes_out_at_end", "nodes outside at the end"),
    ("node_seconds_out", "node-seconds outside"),
    ("first_time_all_inside_s", "first time all nodes inside, s"),
    ("inside_for_good_from_s", "all inside for good from, s"),
    ("voltage_min_pu", "lowest voltage, pu"),
    ("voltage_max_pu", "highest voltage, pu"),
    ("loss_kwh", "losses, kWh"),
    ("tap_operations", "tap operations"),
    ("capacitor_operations", "capacitor operations"),
)


def write_report(
    folder: Path, controlled: Run, uncontrolled: Run, recording: Recording, drawing: Drawing
) -> dict[str, Value]:
    """Write both files and return the score.

    Args:
        folder: exists; ``report.html`` and ``report.json`` in it are replaced.
        controlled: the truth with the loop.
        uncontrolled: the truth without, same scenario and seed.
        recording: what was asked and seen meanwhile.
        drawing: the feeder's one-line diagram.

    Raises:
        OSError: the folder cannot be written.
    """
    measured = measure(controlled, recording)
    score = demo_score(controlled, uncontrolled, recording, measured)
    parts = [
        *_opening(recording, score),
        *_pictures(controlled, uncontrolled, recording, drawing),
        *_requests(measured, recording),
        *csip.section(recording.csip),
        *section(recording.northbound, controlled),
        *_scores(controlled, uncontrolled),
        *_method(recording),
    ]
    text = html.page(f"Tieline: {recording.title}", parts)
    (folder / "report.html").write_text(text, encoding="utf-8")
    told: dict[str, Any] = {
        "score": score,
        "controlled": feeder_score(controlled),
        "uncontrolled": feeder_score(uncontrolled),
        "requests": [asdict(entry) for entry in measured],
        "messages": list(recording.messages),
        "vvo": recording.status.get("vvo"),
        "links": recording.status.get("links"),
        "dnp3": recording.status.get("dnp3"),
        "csip": csip.csip_part(recording.csip),
        "northbound": northbound_part(recording.northbound, controlled),
    }
    (folder / "report.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return score


def verdict(score: dict[str, Value]) -> tuple[bool, str]:
    """Whether all went well, and one sentence on what happened."""
    without = f"Without control up to {score['nodes_out_uncontrolled_max']} nodes are outside "
    without += f"{BAND_LOW_PU:.2f} to {BAND_HIGH_PU:.2f} pu. "
    from_s = score["inside_for_good_from_s"]
    if from_s is None:
        loop = f"With the loop {score['nodes_out_at_end']} are still outside at the end."
    else:
        loop = f"With the loop all are inside after {from_s:.0f} s simulated and stay inside."
    good = from_s is not None and from_s <= INSIDE_WITHIN_S
    for quantity in ("p", "q"):
        error = score[f"group_{quantity}_error_pct"]
        good &= error is None or error <= DISPATCH_LIMIT_PCT
    return bool(good and score["limit_held"] is not False), without + loop


def _opening(recording: Recording, score: dict[str, Value]) -> list[str]:
    good, sentence = verdict(score)
    saved = _saved(score)
    entries = [
        html.Tile(
            f"{score['nodes_out_uncontrolled_max']} → {score['nodes_out_at_end']}",
            "nodes outside the band: most without control → at the end with the loop",
            score["nodes_out_at_end"] == 0,
        ),
        _error_tile(score["group_p_error_pct"], "P"),
        _error_tile(score["group_q_error_pct"], "Q"),
        html.Tile(
            {True: "held", False: "broken", None: "not asked"}[_truth(score["limit_held"])],
            "limit on real power at the microgrid's POI",
            _truth(score["limit_held"]),
        ),
        html.Tile(f"{saved:+.1f} %", "energy lost on the feeder, against without control"),
        html.Tile(str(score["commands_sent"]), "commands taken by devices"),
        html.Tile(str(score["group_messages"]), "group messages answered"),
        html.Tile(
            str(score["comm_lost_points"]),
            f"points lost at the end ({score['comm_lost_points_max']} at most)",
            score["comm_lost_points"] == 0,
        ),
    ]
    return [
        html.heading(f"Tieline on {recording.title}", 1),
        html.paragraph(
            f"{score['simulated_s']:.0f} simulated seconds at {recording.time_scale:g} a second; "
            "emulated devices answering in real bytes, a power flow the DMS does not know.",
            "sub",
        ),
        html.paragraph(sentence, f"verdict {'good' if good else 'bad'}"),
        html.tiles(entries),
    ]


def _truth(value: Value) -> bool | None:
    return None if value is None else bool(value)


def _saved(score: dict[str, Value]) -> float:
    without = score["loss_uncontrolled_kwh"] or 0.0
    return 100.0 * ((score["loss_kwh"] or 0.0) - without) / without if without else 0.0


def _error_tile(error_pct: Value, letter: str) -> html.Tile:
    what = f"largest error of a {letter} dispatch after two cycles, of the POI rating"
    if error_pct is None:
        return html.Tile("not asked", what)
    return html.Tile(f"{error_pct:.2f} %", what, error_pct <= DISPATCH_LIMIT_PCT)


def _pictures(
    controlled: Run, uncontrolled: Run, recording: Recording, drawing: Drawing
) -> list[str]:
    with styled():
        worst = _worst_moment(uncontrolled)
        time_s = float(uncontrolled.time_s[worst])
        here = controlled.at(time_s)
        titles = [
            f"Without control: {uncontrolled.nodes_out[worst]} nodes out",
            f"With the loop: {controlled.nodes_out[here]} nodes out",
        ]
        runs = ((uncontrolled, worst), (controlled, here))
        panels = {t: run.voltages_at(i) for t, (run, i) in zip(titles, runs, strict=True)}
        notes = {t: _taps(run, i) for t, (run, i) in zip(titles, runs, strict=True)}
        oneline = svg(draw_oneline(drawing, panels, notes), "oneline", "; ".join(titles))
        band = svg(draw_band(uncontrolled, controlled), "band", "Voltages of all nodes over time")
        gear = svg(draw_equipment(controlled), "gear", "Taps and capacitors over time")
        poi = svg(draw_poi(controlled, uncontrolled, recording), "poi", "Power at the POI")
        ders = svg(draw_ders(controlled, recording), "ders", "Power of each DER and its set point")
    return [
        html.heading(f"The feeder at its worst moment, {time_s:.0f} s"),
        html.figure(
            oneline,
            "True voltage of every node in pu, the moment at which the run without control was "
            "worst. ▲ above 1.05, ▼ below 0.95. Blue: regulator; brown: transformer; "
            "dashed: switch.",
        ),
        html.heading("The voltage band"),
        html.figure(band, "Same scenario, same seed. Shaded red: outside 0.95 to 1.05 pu."),
        html.heading("The microgrid at its point of interconnection"),
        html.figure(
            poi,
            "True power at the POI. Shaded: a request of the operator's side and how long it "
            "holds; bar: the value asked. Between them the DMS dispatches Q at lower priority.",
        ),
        html.heading("What the DMS moved"),
        html.figure(gear, "True positions; a regulator's tap changes the voltage by 0.625 %."),
        html.figure(ders, "True P and Q; the set point as the gateway reads it back."),
    ]


def _worst_moment(run: Run) -> int:
    """Most nodes out; of equals the one furthest out."""
    excess = np.maximum(run.voltage_pu - BAND_HIGH_PU, 0) + np.maximum(
        BAND_LOW_PU - run.voltage_pu, 0
    )
    return int(np.argmax(run.nodes_out + excess.sum(axis=1)))


def _taps(run: Run, position: int) -> str:
    taps = " ".join(f"{name.upper()} {int(tap[position]):+d}" for name, tap in run.taps.items())
    caps = "\n".join(
        f"{name} {'closed' if closed[position] else 'open'}" for name, closed in run.caps.items()
    )
    return f"taps {taps}\n{caps}"


def _requests(measured: tuple[Measured, ...], recording: Recording) -> list[str]:
    rows = [
        (
            f"{m.exchange.sent_s:.0f}",
            m.exchange.title,
            m.exchange.asked,
            m.exchange.result,
            m.exchange.answer,
            f"{m.exchange.round_trip_ms:.0f}",
            None if m.settled_s is None else f"{m.settled_s:.0f}",
            _effect(m),
        )
        for m in measured
    ]
    headers = ("at, s", "request", "asked", "result", "reply", "ms", "settled, s", "effect at POI")
    messages = recording.messages
    shown = messages[-_SHOWN_MESSAGES:]
    told = [
        (
            f"{entry['time_s']:.0f}",
            entry["direction"],
            entry["peer"],
            entry["group_id"],
            entry["function"],
            entry["result"],
            entry["summary"],
        )
        for entry in shown
    ]
    left_out = len(messages) - len(shown)
    note = f"The first {left_out} are left out here; report.json has all. " if left_out else ""
    return [
        html.heading("What the operator's side asked"),
        html.table("Group requests and their effect", headers, rows, (0, 5, 6)),
        html.heading("Every group message"),
        html.paragraph(f"{note}In: from outside over HTTPS; out: the DMS's own, the same service."),
        html.table(
            "Group messages",
            ("at, s", "", "peer", "group", "function", "result", "request → reply"),
            told,
            (0,),
        ),
    ]


def _effect(measured: Measured) -> str | None:
    if measured.held is not None:
        return "limit held" if measured.held else "limit broken"
    if measured.error_pct is None:
        return None
    return f"error at most {measured.error_pct:.2f} %"


def _scores(controlled: Run, uncontrolled: Run) -> list[str]:
    ours, theirs = feeder_score(controlled), feeder_score(uncontrolled)
    rows = [(text, theirs[key], ours[key]) for key, text in _SCORE_ROWS]
    return [
        html.heading("Score"),
        html.table("Score", ("", "without control", "with the loop"), rows, (1, 2)),
    ]


def _method(recording: Recording) -> list[str]:
    lines = [*rules(recording), *recording.notes]
    return [html.heading("How it was measured"), html.bullets(lines)]
