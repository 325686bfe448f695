"""How the 2030.5 inverters answered: every control with its responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hil.report import html

#: ``Response.status`` of DER controls, in words.
_WORDS = {1: "received", 2: "started", 3: "completed", 4: "opted out", 5: "opted in",
          6: "cancelled", 7: "superseded", 252: "not applicable", 253: "invalid",
          254: "late"}  # fmt: skip
_RECEIVED, _STARTED = 1, 2
_SHOWN = 20


def csip_part(ders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The part ``csip`` of ``report.json``; None where no DER speaks 2030.5.

    Args:
        ders: the gateway's ``sep2`` status: what it ordered of each DER and what was answered,
            each order with its simulated ``time_s``.
    """
    if not ders:
        return None
    return {
        name: {
            "controls": der["controls"],
            "responses": {_word(code): n for code, n in sorted(_counts(der).items())},
            "started_after_ms_median": _median(der["orders"], _STARTED),
        }
        for name, der in ders.items()
    }


def told(ders: Mapping[str, Mapping[str, Any]]) -> str:
    """All of it in one line, for a terminal."""
    controls = sum(int(der["controls"]) for der in ders.values())
    counts = [_counts(der) for der in ders.values()]
    received, started = (sum(c.get(code, 0) for c in counts) for code in (_RECEIVED, _STARTED))
    return f"{controls} controls to {len(ders)} inverters, {received} received, {started} started"


def section(ders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The report's section; nothing where no DER speaks 2030.5."""
    if not ders:
        return []
    orders = sorted(
        (order["time_s"], name, number, order)
        for name, der in ders.items()
        for number, order in enumerate(der["orders"])
    )
    rows = [
        (
            f"{time_s:.0f}",
            name,
            ", ".join(order["sets"]) or "nothing",
            *(_after(order, code) for code in (_RECEIVED, _STARTED)),
            ", ".join(_word(code) for code, _ in order["answers"]),
        )
        for time_s, name, _, order in orders[-_SHOWN:]
    ]
    headers = ("at, s", "inverter", "sets", "received, ms", "started, ms", "responses")
    title = f"Controls of the 2030.5 inverters, the last {len(rows)}"
    return [
        html.heading("What the IEEE 2030.5 inverters answered"),
        html.paragraph(_words(ders)),
        html.table(title, headers, rows, (0, 3, 4)),
    ]


def _words(ders: Mapping[str, Mapping[str, Any]]) -> str:
    medians = [_median(der["orders"], _STARTED) for der in ders.values()]
    known = [median for median in medians if median is not None]
    late = (
        f" Half of the controls had started {max(known):.0f} ms after they were made."
        if known
        else ""
    )
    return (
        f"{told(ders).capitalize()}. Each is an inverter behind py20305, a CSIP client that others "
        "wrote: it was told of each control by notification over mutual TLS, fetched it, set the "
        f"inverter over SunSpec Modbus and answered.{late}"
    )


def _counts(der: Mapping[str, Any]) -> dict[int, int]:
    return {int(code): int(count) for code, count in der["responses"].items()}


def _word(code: int) -> str:
    return _WORDS.get(code, str(code))


def _after(order: Mapping[str, Any], status: int) -> str:
    at_ms = _answered_ms(order, status)
    return "" if at_ms is None else f"{at_ms - order['made_ms']:.0f}"


def _answered_ms(order: Mapping[str, Any], status: int) -> int | None:
    return next((at_ms for code, at_ms in order["answers"] if code == status), None)


def _median(orders: Sequence[Mapping[str, Any]], status: int) -> float | None:
    waits = [
        at_ms - order["made_ms"]
        for order in orders
        if (at_ms := _answered_ms(order, status)) is not None
    ]
    return round(float(np.median(waits)), 1) if waits else None
