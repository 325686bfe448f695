"""The truth log: one JSON line a step, what really was, for the score and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from hil.plant.supply import Supply
from hil.plant.world import Snapshot


def truth_record(snapshot: Snapshot) -> dict[str, Any]:
    """One step as plain data: W, var, per unit, seconds."""
    poi = None if snapshot.poi is None else snapshot.der[snapshot.poi]
    head = sum(snapshot.head_va, 0j)
    record = {
        "time_s": round(snapshot.time_s, 3),
        "v_pu": {n: round(v, 6) for n, v in snapshot.voltage_pu.items()},
        "taps": dict(snapshot.taps),
        "caps": dict(snapshot.caps),
        "der": {
            n: {"p_w": round(i.power_w, 1), "q_var": round(i.reactive_power_var, 1)}
            for n, i in snapshot.der.items()
        },
        "poi": None
        if poi is None
        else {"p_w": round(poi.power_w, 1), "q_var": round(poi.reactive_power_var, 1)},
        "head": {"p_w": round(head.real, 1), "q_var": round(head.imag, 1)},
        "loss_w": round(snapshot.loss_w, 1),
        "load_factor": round(snapshot.load_factor, 5),
        "sun": {n: round(s, 5) for n, s in snapshot.sun.items()},
    }
    return record if snapshot.supply is None else record | _outage(snapshot, snapshot.supply)


def _outage(snapshot: Snapshot, supply: Supply) -> dict[str, Any]:
    """What an outage adds: who is supplied, and every switch."""
    return {
        "switches": {name: flow.closed for name, flow in snapshot.switches.items()},
        "zones": list(supply.zones),
        "served_kw": round(supply.served_w / 1e3, 3),
        "customers": supply.customers,
        "customers_out": supply.customers_out,
        "faults": list(supply.faults),
        "locked": list(supply.locked),
        "by_relay": list(supply.by_relay),
        "closed_onto_fault": supply.closed_onto_fault,
        "paralleled": supply.paralleled,
    }


class TruthLog:
    """Writes the truth as JSON lines; readable while it grows."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, replacing what is there."""
        self._file: IO[str] = path.open("w", encoding="utf-8", buffering=1)

    def write(self, snapshot: Snapshot) -> None:
        """Append one step."""
        self._file.write(json.dumps(truth_record(snapshot), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
