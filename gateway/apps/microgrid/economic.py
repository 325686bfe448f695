"""Optimal dispatch while connected: a linear program over prices and forecasts, in HiGHS.

It decides what batteries and sets give together, step by step; only the first step is carried
out, and the plan is made anew before it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np

from gateway.apps.microgrid.plan import EconomicPlan

#: Energy that comes back of what is put into a battery, one way.
_EFFICIENCY = 0.95
_TIME_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Market:
    """One step of the horizon: forecasts in W, prices a kWh."""

    load_w: float
    renewable_w: float
    import_per_kwh: float
    export_per_kwh: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """All batteries, and all sets that may run, as one each.

    Attributes:
        energy_wh: between empty and full; ``stored_wh`` of it is there.
        least_wh, most_wh: kept between these; a store below the least is filled first.
        charge_w, discharge_w: most either way.
        generator_w, generator_per_kwh: of the sets.
        wear_per_kwh: for each kWh through the batteries.
        import_w, export_w: most at the POI.
    """

    stored_wh: float
    least_wh: float
    most_wh: float
    charge_w: float
    discharge_w: float
    generator_w: float
    generator_per_kwh: float
    wear_per_kwh: float
    import_w: float
    export_w: float


def plan(market: Sequence[Market], fleet: Fleet, step_s: float, now_ms: int) -> EconomicPlan | None:
    """The cheapest plan; None where none satisfies everything (a load beyond import and sources).

    Energy left at the end is worth what it would cost at the horizon's lowest import price, so
    that the end of the forecast does not empty the battery.
    """
    hours, steps = step_s / 3600.0, len(market)
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("log_to_console", False)  # noqa: FBT003 - the solver's own signature
    solver.setOptionValue("time_limit", _TIME_LIMIT_S)
    lowest = min((step.import_per_kwh for step in market), default=0.0)
    columns = _columns(solver, market, fleet, hours, worth=max(lowest, 0.0) * _EFFICIENCY)
    for number, step in enumerate(market):
        charge, discharge, generator, bought, sold, spilled, stored = columns[number]
        balance = {charge: -1.0, discharge: 1.0, generator: 1.0, bought: 1.0, sold: -1.0}
        _row(solver, step.load_w - step.renewable_w, balance | {spilled: -1.0})
        energy = {stored: 1.0, charge: -_EFFICIENCY * hours, discharge: hours / _EFFICIENCY}
        if number:
            energy[columns[number - 1][-1]] = -1.0
        _row(solver, fleet.stored_wh if not number else 0.0, energy)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    found = np.asarray(solver.getSolution().col_value)
    table = np.array([[found[c] for c in columns[number]] for number in range(steps)])
    storage = table[:, 1] - table[:, 0]
    cost = float(solver.getInfo().objective_function_value)
    return EconomicPlan(
        tuple(map(float, storage)), tuple(map(float, table[:, 2])), cost, now_ms, step_s
    )


def _columns(
    solver: highspy.Highs, market: Sequence[Market], fleet: Fleet, hours: float, worth: float
) -> list[tuple[int, ...]]:
    """Per step: charge, discharge, generator, import, export, spilled (W) and stored (Wh)."""
    kwh = hours / 1000.0
    columns: list[tuple[int, ...]] = []
    stored_wh = fleet.stored_wh
    for number, step in enumerate(market):
        # a store below its reserve must be let rise to it
        stored_wh = min(stored_wh + _EFFICIENCY * fleet.charge_w * hours, fleet.most_wh)
        least_wh = min(fleet.least_wh, stored_wh)
        most_wh = max(fleet.most_wh, fleet.stored_wh)
        last = number == len(market) - 1
        columns.append(
            (
                _column(solver, fleet.wear_per_kwh * kwh, 0.0, fleet.charge_w),
                _column(solver, fleet.wear_per_kwh * kwh, 0.0, fleet.discharge_w),
                _column(solver, fleet.generator_per_kwh * kwh, 0.0, fleet.generator_w),
                _column(solver, step.import_per_kwh * kwh, 0.0, fleet.import_w),
                _column(solver, -step.export_per_kwh * kwh, 0.0, fleet.export_w),
                _column(solver, 0.0, 0.0, max(step.renewable_w, 0.0)),
                _column(solver, -worth / 1000.0 if last else 0.0, least_wh, most_wh),
            )
        )
    return columns


def _column(solver: highspy.Highs, cost: float, low: float, high: float) -> int:
    solver.addCol(cost, low, high, 0, np.empty(0, dtype=np.int32), np.empty(0))
    return int(solver.getNumCol()) - 1


def _row(solver: highspy.Highs, value: float, entries: dict[int, float]) -> None:
    columns = np.array(list(entries), dtype=np.int32)
    solver.addRow(value, value, len(entries), columns, np.array(list(entries.values())))
