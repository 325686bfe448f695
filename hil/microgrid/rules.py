"""Rules of the score: each a name, a sentence, and what it measures against its limit.

Pass bands of IEEE 2030.7 and 2030.8 as publicly known (edition not verified).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hil.microgrid.record import RATING_VA, Record
from hil.microgrid.relay import CONNECTED, ISLANDED, SYNC_DEG, SYNC_HZ, SYNC_PU
from hil.microgrid.scenario import Rule

#: A value that nothing was measured of: fails every rule.
_NEVER = math.inf
_LIVE_PU = 0.75


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rule.

    Attributes:
        text: a sentence; ``{limit}`` stands in it.
        measure: the value; never above the limit in a run that passes.
    """

    text: str
    measure: Callable[[Record, Rule], float]


def _worst(values: Callable[[Record, Rule], list[float]]) -> Callable[[Record, Rule], float]:
    """The largest of some values; no value at all fails."""

    def measure(record: Record, rule: Rule) -> float:
        return max(values(record, rule), default=_NEVER)

    return measure


def _off_asked(ask: str, field: Callable[[Mapping[str, Any]], float]) -> list[Any]:
    def values(record: Record, rule: Rule) -> list[float]:
        errors = []
        for line in record.within(rule):
            asked = record.last_asked(ask, line["time_s"])
            if asked is not None and asked.value is not None:
                errors.append(abs(field(line) - asked.value) / RATING_VA)
        return errors

    return [values]


def _count(holds: Callable[[Mapping[str, Any]], bool]) -> Callable[[Record, Rule], float]:
    """How many lines of the truth something holds in; an empty time fails."""

    def measure(record: Record, rule: Rule) -> float:
        lines = list(record.within(rule))
        return float(sum(holds(line) for line in lines)) if lines else _NEVER

    return measure


def _longest_s(holds: Callable[[Mapping[str, Any]], bool]) -> Callable[[Record, Rule], float]:
    """The longest time something holds without a break, s."""

    def measure(record: Record, rule: Rule) -> float:
        longest = run = 0.0
        lines = list(record.within(rule))
        for before, line in pairwise(lines):
            run = run + line["time_s"] - before["time_s"] if holds(line) else 0.0
            longest = max(longest, run)
        return longest if lines else _NEVER

    return measure


def _opening(record: Record, rule: Rule) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The lines before and after the POI opened first in a rule's time."""
    for before, line in pairwise(record.within(rule)):
        if before["closed"] and not line["closed"]:
            return before, line
    return None


def _opens_s(record: Record, rule: Rule) -> float:
    found = _opening(record, rule)
    if found is None:
        return _NEVER
    asked = record.last_asked("islanding", found[1]["time_s"])
    return _NEVER if asked is None else float(found[1]["time_s"]) - asked.time_s


def _open_share(record: Record, rule: Rule) -> float:
    found = _opening(record, rule)
    return _NEVER if found is None else abs(float(found[0]["poi_w"])) / RATING_VA


def _outside_sync(record: Record, rule: Rule) -> float:
    closings = record.lines[-1]["closings"] if record.lines else []
    mine = [c for c in closings if c[0] >= rule.from_s]
    if not mine:
        return _NEVER
    outside = [
        c
        for c in mine
        if not c[4] and (abs(c[1]) > SYNC_HZ or abs(c[2]) > SYNC_PU or abs(c[3]) > SYNC_DEG)
    ]
    return float(len(outside))


def _worse_than_best(record: Record, rule: Rule) -> float:
    """How many better loads are out that would have fitted into ``limit`` W, at the time's end.

    0 where what is served is the best by priority of all sets that fit.
    """
    lines = list(record.within(rule))
    if not lines:
        return _NEVER
    last = lines[-1]
    demand, names = last["demand_w"], list(last["loads"])
    served = tuple(last["loads"][n] and last["bus_pu"] > _LIVE_PU for n in names)
    fitting = (
        choice
        for choice in itertools.product((False, True), repeat=len(names))
        if sum(demand[n] for n, on in zip(names, choice, strict=True) if on) <= 0.97 * rule.limit
    )
    best = max(fitting)
    return 0.0 if served >= best else rule.limit + 1.0


def _restored_s(record: Record, rule: Rule) -> float:
    """From the time's start to all loads served."""
    for line in record.within(rule):
        if all(line["loads"].values()) and line["bus_pu"] > 0.9:
            return float(line["time_s"]) - rule.from_s
    return _NEVER


def _wrong_order(line: Mapping[str, Any]) -> bool:
    live = line["bus_pu"] > _LIVE_PU
    on = [live and closed for closed in line["loads"].values()]
    return any(later and not sooner for sooner, later in pairwise(on))


def _wrong_settings(line: Mapping[str, Any]) -> bool:
    return bool(line["settings"] != (CONNECTED if line["closed"] else ISLANDED))


def _group_w(line: Mapping[str, Any]) -> float:
    return float(line["pv_w"] + line["member_w"])


def _group_var(line: Mapping[str, Any]) -> float:
    return float(line["pv_var"] + line["member_var"])


def _failed(record: Record, rule: Rule) -> float:
    answered = [one for one in record.asked if one.result in ("FAILED", "none")]
    return abs(len(answered) - rule.limit) + rule.limit if record.asked else _NEVER


#: Every kind of rule by name.
KINDS: Mapping[str, Kind] = {
    "poi_p": Kind(
        "P at the POI within {limit:.0%} of its rating of what was asked",
        _worst(*_off_asked("dispatch-p", lambda line: float(line["poi_w"]))),
    ),
    "poi_q": Kind(
        "Q at the POI within {limit:.0%} of its rating of what was asked",
        _worst(*_off_asked("dispatch-q", lambda line: float(line["poi_var"]))),
    ),
    "group_p": Kind(
        "P of the group within {limit:.1%} of the rating of what was asked",
        _worst(*_off_asked("dispatch-p", _group_w)),
    ),
    "group_q": Kind(
        "Q of the group within {limit:.1%} of the rating of what was asked",
        _worst(*_off_asked("dispatch-q", _group_var)),
    ),
    "export": Kind(
        "no more than {limit:g} W go out at the POI",
        _worst(lambda record, rule: [line["poi_w"] for line in record.within(rule)]),
    ),
    "opens_s": Kind("the POI opens within {limit:g} s of the request", _opens_s),
    "open_share": Kind("it opens at less than {limit:.0%} of its rating", _open_share),
    "load_lost": Kind(
        "at most {limit:g} tenths of a second with any load out",
        _count(lambda line: not all(line["loads"].values()) or line["bus_pu"] < _LIVE_PU),
    ),
    "low_s": Kind(
        "the bus is never under 0.75 pu for more than {limit:g} s",
        _longest_s(lambda line: line["bus_pu"] < _LIVE_PU),
    ),
    "out_of_band": Kind(
        "at most {limit:g} tenths of a second outside 0.9 to 1.1 pu",
        _count(lambda line: not 0.9 <= line["bus_pu"] <= 1.1),
    ),
    "hz": Kind(
        "frequency within {limit:g} Hz of nominal",
        _worst(lambda record, rule: [abs(x["bus_hz"] - 60.0) for x in record.within(rule)]),
    ),
    "priority": Kind(
        "at most {limit:g} tenths of a second with a load on and a better one out",
        _count(_wrong_order),
    ),
    "best_served": Kind(
        "the best loads by priority that {limit:g} W can carry are served, no fewer",
        _worse_than_best,
    ),
    "in_sync": Kind("it closes, and {limit:g} times outside the sync window", _outside_sync),
    "refused": Kind(
        "the relay's own check refuses {limit:g} orders to close",
        _worst(lambda record, rule: [float(line["refused"]) for line in record.within(rule)]),
    ),
    "live_energised": Kind(
        "{limit:g} times a source is put onto a live bus as if it were dead",
        _worst(lambda record, rule: [float(x["live_energised"]) for x in record.within(rule)]),
    ),
    "soc_used": Kind(
        "state of charge never more than {limit:g} points under 40 %",
        _worst(lambda record, rule: [40.0 - line["soc_pct"] for line in record.within(rule)]),
    ),
    "restored_s": Kind("all loads are served {limit:g} s from then", _restored_s),
    "open": Kind(
        "at most {limit:g} tenths of a second with the POI open",
        _count(lambda line: not line["closed"]),
    ),
    "closed": Kind(
        "at most {limit:g} tenths of a second with the POI closed", _count(lambda x: x["closed"])
    ),
    "settings_s": Kind(
        "the relay's settings group differs from the state for no more than {limit:g} s",
        _longest_s(_wrong_settings),
    ),
    "failed": Kind("exactly {limit:g} requests fail", _failed),
    "latency_s": Kind(
        "every reply comes within {limit:g} s",
        _worst(lambda record, _: [one.took_s for one in record.asked]),
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's end."""

    rule: Rule
    text: str
    value: float
    passed: bool


def judge(record: Record) -> tuple[Verdict, ...]:
    """Every rule of a scenario on its run.

    Raises:
        KeyError: a rule nobody knows.
    """
    verdicts = []
    for rule in record.scenario.rule:
        kind = KINDS[rule.name]
        value = kind.measure(record, rule)
        text = kind.text.format(limit=rule.limit)
        verdicts.append(Verdict(rule, text, value, value <= rule.limit + 1e-9))
    return tuple(verdicts)
