"""What happened when in an outage: faults, relays, switches, customers, the microgrid, FLISR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.report.outage import OutageRun

#: Questions; they change nothing.
_QUERIES = ("Status", "Capability", "Forecast")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        at_s: simulated seconds.
        who: ``plant``, ``relay``, ``command``, ``microgrid``, ``FLISR`` or ``group``.
        what: in words.
        customers_out: then.
    """

    at_s: float
    who: str
    what: str
    customers_out: int


@dataclass(frozen=True, slots=True)
class OutageRecord:
    """What was seen while an outage ran, beside the truth logs.

    Attributes:
        title: the scenario's.
        notes: what the plant is and the model is not, one line each.
        time_scale: simulated seconds a wall second.
        repaired_s: when permits were handed back; 0 if they never are.
        by_hand: what is switched without FLISR, assumed, in words.
        fault_bus: where the fault is; empty where there is none.
        microgrid: ``(simulated s, state)`` at each change that was seen.
        messages: group messages as the gateway recorded them, with ``time_s`` simulated.
        flisr: the gateway's account of FLISR, steps with ``time_s``; None where it has none.
        status: the gateway's last status.
    """

    title: str
    notes: tuple[str, ...]
    time_scale: float
    repaired_s: float
    by_hand: tuple[str, ...]
    fault_bus: str
    microgrid: tuple[tuple[float, str], ...] = ()
    messages: tuple[dict[str, Any], ...] = ()
    flisr: dict[str, Any] | None = None
    status: dict[str, Any] = field(default_factory=dict)


def sequence(run: OutageRun, record: OutageRecord | None = None) -> tuple[Event, ...]:
    """Everything that happened, in the order of time.

    Args:
        run: the truth.
        record: what was seen beside it; None of a run without the gateway.
    """
    found = list(_truth(run))
    if record is not None:
        found += [Event(t, "microgrid", state, _out(run, t)) for t, state in record.microgrid]
        found += _told(run, record)
    return tuple(sorted(found, key=lambda event: event.at_s))


def _truth(run: OutageRun) -> Iterator[Event]:
    before = run.steps[0]
    for i in range(1, len(run.steps)):
        now, at_s, out = run.steps[i], float(run.time_s[i]), int(run.customers_out[i])
        for fault in _new(now["faults"], before["faults"]):
            yield Event(at_s, "plant", f"fault {fault}", out)
        for fault in _new(before["faults"], now["faults"]):
            yield Event(at_s, "plant", f"fault {fault} is gone", out)
        for name, column in run.switches.items():
            if column[i] != column[i - 1]:
                who = "relay" if name in now["by_relay"] else "command"
                yield Event(at_s, who, f"{name} {'closed' if column[i] else 'opened'}", out)
        for name in _new(now["locked"], before["locked"]):
            yield Event(at_s, "relay", f"{name} locked out", out)
        for key, words in (
            ("closed_onto_fault", "closed onto the fault"),
            ("paralleled", "a loop made or sources joined"),
        ):
            if now[key] > before[key]:
                yield Event(at_s, "plant", words, out)
        before = now


def _told(run: OutageRun, record: OutageRecord) -> Iterator[Event]:
    """What the gateway says it did."""
    for at_s, words in flisr_says((record.flisr or {}).get("steps", ())):
        yield Event(at_s, "FLISR", words, _out(run, at_s))
    for message in record.messages:
        if message["function"] not in _QUERIES:
            what = f"{message['function']} {message['group_id']}: {message['result']}"
            yield Event(message["time_s"], "group", what, _out(run, message["time_s"]))


def flisr_says(steps: Iterable[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    """FLISR's record in words, with simulated times; a plan in one line."""
    plan: list[str] = []
    for step in steps:
        at_s, what = float(step["time_s"]), f"{step['action']} {step['target']}".strip()
        if step["state"] == "planned":
            plan.append(what)
            continue
        if plan:
            yield at_s, f"plan: {', '.join(plan)}"
            plan = []
        yield at_s, f"{what}: {step['state']} ({step['text']})" if what else step["text"]


def _out(run: OutageRun, time_s: float) -> int:
    return int(run.customers_out[run.at(time_s)])


def _new(now: Iterable[str], before: Iterable[str]) -> list[str]:
    return sorted(set(now) - set(before))
