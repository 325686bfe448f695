"""``tieline vvo-day``: a day of volt-VAR optimisation beside the feeder's own controls."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gateway.commands.common import console, fail
from gateway.model.errors import ConfigError
from gateway.site.vvo_case import Aim, Load, load_case
from gateway.site.vvo_day import AHEAD, DayOptions, DayRun, run_local, run_vvo


def vvo_day(
    case: Annotated[Path, typer.Argument(help="The case file; hil/cases/ieee13.toml is one.")],
    objective: Annotated[
        Aim, typer.Option(help="What is to be least: power, losses or unevenness of voltage.")
    ] = "power",
    load: Annotated[
        Load, typer.Option(help="Loads as in the file, or ZIP 40/30/30 with a 0.6 pu floor.")
    ] = "zip",
    steps: Annotated[int | None, typer.Option(min=1, help="Only so many of the day.")] = None,
    ahead: Annotated[
        int, typer.Option(min=0, max=96, help="Steps of forecast weighed; 0 for none.")
    ] = AHEAD,
    as_json: Annotated[bool, typer.Option("--json", help="Every step, for a program.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for day.html, with the day's plots.")
    ] = None,
) -> None:
    """Run a day under the feeder's own controls and under ours, every step on the power flow."""
    options = DayOptions(objective, load, steps, ahead)
    try:
        checked = load_case(case)
        local = run_local(checked, options)
        ours = run_vvo(checked, options, time.perf_counter)
        if out is not None:
            from gateway.commands.vvo_day_plot import page  # noqa: PLC0415 - plots want matplotlib

            out.mkdir(parents=True, exist_ok=True)
            band = checked.file.voltage_min_pu, checked.file.voltage_max_pu
            (out / "day.html").write_text(page(case.stem, (local, ours), band), encoding="utf-8")
    except ConfigError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed. What to do: pip install 'tieline[dms,bench]'")
    if as_json:
        typer.echo(json.dumps({run.control: _report(run) for run in (local, ours)}, indent=2))
    else:
        _show(local, ours)


def _report(run: DayRun) -> dict[str, object]:
    return {
        "energy_kwh": run.energy_kwh,
        "losses_kwh": run.losses_kwh,
        "violations": run.violations,
        "tap_operations": run.tap_operations,
        "capacitor_operations": run.capacitor_operations,
        "steps": [dataclasses.asdict(step) for step in run.steps],
    }


def _show(local: DayRun, ours: DayRun) -> None:
    table = Table("control", "energy, kWh", "losses, kWh", "node-steps out", "taps", "capacitors")
    for run in (local, ours):
        table.add_row(
            run.control,
            f"{run.energy_kwh:,.1f}",
            f"{run.losses_kwh:,.1f}",
            str(run.violations),
            str(run.tap_operations),
            str(run.capacitor_operations),
        )
    out = console()
    out.print(table)
    out.print(
        f"energy {_change_pct(ours.energy_kwh, local.energy_kwh):+.2f} %, "
        f"losses {_change_pct(ours.losses_kwh, local.losses_kwh):+.2f} %; "
        f"slowest step {max(step.decide_ms for step in ours.steps):,.0f} ms"
    )


def _change_pct(ours: float, local: float) -> float:
    return 100.0 * (ours / local - 1.0)
