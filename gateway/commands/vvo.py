"""``tieline vvo``: one case of volt-VAR optimisation, solved and printed."""

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
from gateway.site.vvo_case import Aim, CaseAnswer, Load, load_case, solve_case


def vvo(
    case: Annotated[Path, typer.Argument(help="The case file; hil/cases/ieee13.toml is one.")],
    objective: Annotated[
        Aim, typer.Option(help="What is to be least: power, losses or unevenness of voltage.")
    ] = "losses",
    load: Annotated[
        Load, typer.Option(help="Loads as in the file, or ZIP 40/30/30 with a 0.6 pu floor.")
    ] = "published",
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Set a feeder's taps, capacitors and DER reactive powers to the least power or losses."""
    try:
        answer = solve_case(load_case(case), objective, load, time.perf_counter)
    except ConfigError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(
            f"the DMS's solver is not installed ({error.name}). "
            "What to do: pip install 'tieline[dms]'"
        )
    if as_json:
        typer.echo(json.dumps(_report(answer), indent=2))
    else:
        _show(answer, objective)


def _report(answer: CaseAnswer) -> dict[str, object]:
    fields = dataclasses.asdict(answer)
    controls = {name: fields.pop(name) for name in ("taps", "capacitors", "der_kvar")}
    return {**fields, "controls": controls}


def _show(answer: CaseAnswer, objective: Aim) -> None:
    out = console()
    worth = f"{answer.objective_kw:.3f} kW"
    if objective == "flatness":
        worth = f"{answer.deviation_pu:.5f} pu rms from the band's middle"
    out.print(
        f"{objective} {worth}, {answer.nodes_out} nodes out of band, "
        f"{answer.solve_ms:.0f} ms, {answer.solves} power flows"
    )
    table = Table("control", "setting")
    for name, tap in answer.taps.items():
        table.add_row(name, f"tap {tap:+d}")
    for name, closed in answer.capacitors.items():
        table.add_row(name, "closed" if closed else "open")
    for name, kvar in answer.der_kvar.items():
        table.add_row(name, f"{kvar:+.1f} kvar")
    out.print(table)
