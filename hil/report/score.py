"""The score of a run against the same scenario without control, from the truth logs.

``rules`` says how everything is measured; the report repeats it word for word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hil.report.record import Exchange, Recording
from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU, Column, Run

#: Control cycles a dispatch may take.
DISPATCH_CYCLES = 2
#: What the issue allows, % of the POI rating.
DISPATCH_LIMIT_PCT = 5.0
#: A limit's grace (the controller slews), simulated s, and its tolerance, share of the rating.
LIMIT_GRACE_S, LIMIT_TOLERANCE = 5.0, 0.01
#: All nodes have to be inside within this many simulated seconds.
INSIDE_WITHIN_S = 60.0

_RULES = (
    """Everything is scored on the plant's own truth log, not on what devices measure or the gateway
    believes. A node is out below {low:.2f} or above {high:.2f} pu.""",
    """Without control: the plant alone on the same scenario and seed; taps and capacitors stay
    where they start, DERs give what the sun gives at unity power factor, the microgrid keeps its
    schedule.""",
    """A dispatch's error is the largest difference between the power at {name}'s POI and what was
    asked, from two control cycles ({cycles_s:.0f} s simulated) after the request was sent until
    the set point ends, in % of the POI rating ({kva:.0f} kVA). Settled: from when on it stays
    within {allowed:.0f} %.""",
    """A limit is held when the POI's power stays inside it, within {tolerance:.0%} of the rating,
    from {grace_s:.0f} s simulated after the reply until it ends.""",
)

Value = float | int | bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One exchange and its effect at the POI.

    Attributes:
        error_pct: of a dispatch, by the rule above; None where nothing could be measured.
        settled_s: simulated seconds from request until the error is 5 % and stays so.
        held: whether a limit was held.
        before: POI power when the request was sent, W or var.
    """

    exchange: Exchange
    error_pct: float | None = None
    settled_s: float | None = None
    held: bool | None = None
    before: float | None = None


def measure(run: Run, recording: Recording) -> tuple[Measured, ...]:
    """Measure every exchange at the POI."""
    return tuple(_measure(run, recording, exchange) for exchange in recording.exchanges)


def rules(recording: Recording) -> tuple[str, ...]:
    """How the score is made, for whoever reads it."""
    name, rating_va = recording.poi
    cycles_s = DISPATCH_CYCLES * recording.cycle_s
    return tuple(
        " ".join(text.split()).format(
            low=BAND_LOW_PU,
            high=BAND_HIGH_PU,
            name=name,
            cycles_s=cycles_s,
            kva=rating_va / 1e3,
            allowed=DISPATCH_LIMIT_PCT,
            tolerance=LIMIT_TOLERANCE,
            grace_s=LIMIT_GRACE_S,
        )
        for text in _RULES
    )


def _measure(run: Run, recording: Recording, exchange: Exchange) -> Measured:
    name, rating_va = recording.poi
    if exchange.value is None or exchange.until_s is None or exchange.result == "FAILED":
        return Measured(exchange)
    reactive = exchange.function == "dispatch-q"
    actual = (run.reactive_power_var if reactive else run.power_w)[name]
    before = float(actual[run.at(exchange.sent_s)])
    if exchange.function == "limit":
        during = run.window(exchange.answered_s + LIMIT_GRACE_S, exchange.until_s)
        inside = _inside_limit(actual[during], exchange.value, LIMIT_TOLERANCE * rating_va)
        return Measured(exchange, held=inside if during.any() else None, before=before)
    error_pct = 100.0 * np.abs(actual - exchange.value) / rating_va
    late = run.window(exchange.sent_s + DISPATCH_CYCLES * recording.cycle_s, exchange.until_s)
    whole = run.window(exchange.sent_s, exchange.until_s)
    return Measured(
        exchange,
        error_pct=round(float(error_pct[late].max()), 3) if late.any() else None,
        settled_s=_settled(run.time_s[whole] - exchange.sent_s, error_pct[whole]),
        before=before,
    )


def _inside_limit(power_w: Column, limit_w: float, tolerance_w: float) -> bool:
    """Positive limits bound export, negative ones import."""
    if limit_w >= 0:
        return bool((power_w <= limit_w + tolerance_w).all())
    return bool((power_w >= limit_w - tolerance_w).all())


def _settled(since_s: Column, error_pct: Column) -> float | None:
    """First time after which the error stays within what is allowed."""
    bad = np.flatnonzero(error_pct > DISPATCH_LIMIT_PCT)
    first = 0 if bad.size == 0 else int(bad[-1]) + 1
    return float(since_s[first]) if first < since_s.size else None


def feeder_score(run: Run) -> dict[str, Value]:
    """What one run did to the feeder."""
    out = run.nodes_out
    step_s = float(np.median(np.diff(run.time_s))) if run.time_s.size > 1 else 0.0
    later = run.time_s >= INSIDE_WITHIN_S
    return {
        "nodes_out_max": int(out.max()),
        "nodes_out_at_end": int(out[-1]),
        "nodes_out_after_60s_max": int(out[later].max()) if later.any() else None,
        "node_seconds_out": round(float(out.sum()) * step_s, 1),
        "first_time_all_inside_s": _first(run, out == 0),
        "inside_for_good_from_s": _for_good(run),
        "voltage_min_pu": round(float(run.voltage_pu.min()), 4),
        "voltage_max_pu": round(float(run.voltage_pu.max()), 4),
        "loss_kwh": round(float(run.loss_w.sum()) * step_s / 3.6e6, 3),
        "tap_operations": _moves(run.taps.values()),
        "capacitor_operations": _moves(run.caps.values()),
    }


def demo_score(
    controlled: Run, uncontrolled: Run, recording: Recording, measured: Iterable[Measured]
) -> dict[str, Value]:
    """The object ``tieline demo --json`` prints."""
    ours, theirs = feeder_score(controlled), feeder_score(uncontrolled)
    measured = tuple(measured)
    held = [entry.held for entry in measured if entry.held is not None]
    return {
        "nodes_out_uncontrolled_max": theirs["nodes_out_max"],
        "nodes_out_at_end": ours["nodes_out_at_end"],
        "nodes_out_after_60s_max": ours["nodes_out_after_60s_max"],
        "first_time_all_inside_s": ours["first_time_all_inside_s"],
        "inside_for_good_from_s": ours["inside_for_good_from_s"],
        "group_p_error_pct": _worst(measured, "dispatch-p", "error_pct"),
        "group_q_error_pct": _worst(measured, "dispatch-q", "error_pct"),
        "group_p_settled_s": _worst(measured, "dispatch-p", "settled_s"),
        "group_q_settled_s": _worst(measured, "dispatch-q", "settled_s"),
        "limit_held": all(held) if held else None,
        "comm_lost_points": int(recording.status.get("comm_lost_points", 0)),
        "comm_lost_points_max": max(recording.samples.lost, default=0),
        "group_messages": len(recording.messages),
        "group_requests": len(recording.exchanges),
        "commands_sent": int(recording.status.get("commands_sent", 0)),
        "tap_operations": ours["tap_operations"],
        "capacitor_operations": ours["capacitor_operations"],
        "loss_kwh": ours["loss_kwh"],
        "loss_uncontrolled_kwh": theirs["loss_kwh"],
        "node_seconds_out": ours["node_seconds_out"],
        "node_seconds_out_uncontrolled": theirs["node_seconds_out"],
        "voltage_min_pu": ours["voltage_min_pu"],
        "voltage_max_pu": ours["voltage_max_pu"],
        "simulated_s": float(controlled.time_s[-1]),
    }


def _worst(measured: Iterable[Measured], function: str, what: str) -> float | None:
    """The worst of one function; None where one could not be measured, or there was none."""
    values = [getattr(m, what) for m in measured if m.exchange.function == function]
    return None if not values or None in values else max(values)


def _first(run: Run, good: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float | None:
    found = np.flatnonzero(good)
    return float(run.time_s[found[0]]) if found.size else None


def _for_good(run: Run) -> float | None:
    """From when on every node stays inside; None where some node is out at the end."""
    bad = np.flatnonzero(run.nodes_out > 0)
    if bad.size == 0:
        return float(run.time_s[0])
    return float(run.time_s[bad[-1] + 1]) if bad[-1] + 1 < run.time_s.size else None


def _moves(positions: Iterable[Column]) -> int:
    return int(sum(np.abs(np.diff(column)).sum() for column in positions))
