"""``tieline vvo``: one case of volt-VAR optimisation, solved and printed."""

from __future__ import annotations

import dataclasses
import json
import os
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
    restarts: Annotated[
        int, typer.Option(min=0, max=10_000, help="Searches more, each from the best, shaken.")
    ] = 0,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the controls here, for another power flow.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Set a feeder's taps, capacitors and DER reactive powers to the least power or losses."""
    try:
        answer = solve_case(load_case(case), objective, load, time.perf_counter, restarts=restarts)
    except ConfigError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(
            f"the DMS's solver is not installed ({error.name}). "
            "What to do: pip install 'tieline[dms]'"
        )
    if save is not None:
        try:
            text = _saved(answer, os.path.relpath(case, save.parent), objective, load, restarts)
            save.write_text(text, encoding="utf-8")
        except OSError as error:
            fail(f"{save}: {error.strerror}. What to do: name a file that can be written")
    if as_json:
        typer.echo(json.dumps(_report(answer), indent=2))
    else:
        _show(answer, objective)


def _report(answer: CaseAnswer) -> dict[str, object]:
    fields = dataclasses.asdict(answer)
    controls = {name: fields.pop(name) for name in ("taps", "capacitors", "der_kvar")}
    return {**fields, "controls": controls}


def _saved(answer: CaseAnswer, case: str, aim: Aim, load: Load, restarts: int) -> str:
    """The controls as TOML, with what they reach and how they were made."""
    made = f"tieline vvo {Path(case).name} --objective {aim} --load {load} --restarts {restarts}"
    lines = [
        f"case = {json.dumps(case)}",
        f"objective = {json.dumps(aim)}",
        f"load = {json.dumps(load)}",
        f"made = {json.dumps(made)}",
        f"objective_kw = {answer.objective_kw:.4f}",
        f"nodes_out = {answer.nodes_out}",
        "\n[taps]",
        *(f"{name} = {tap}" for name, tap in answer.taps.items()),
        "\n[capacitors]",
        *(f"{name} = {json.dumps(closed)}" for name, closed in answer.capacitors.items()),
        "\n[der_kvar]",
        *(f"{name} = {kvar:.3f}" for name, kvar in answer.der_kvar.items()),
    ]
    return "\n".join(lines) + "\n"


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
