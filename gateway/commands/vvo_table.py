"""``tieline vvo-table``: cases solved by local control, by coordinate descent and by us."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.table import Table

from gateway.commands.common import console, fail
from gateway.model.errors import ConfigError
from gateway.site.vvo_case import Aim, Case, CaseAnswer, Load, load_case, solve_baseline, solve_case

_AIMS: tuple[Aim, ...] = ("power", "losses")


def vvo_table(
    cases: Annotated[list[Path], typer.Argument(help="Case files; hil/cases/ieee13.toml is one.")],
    load: Annotated[
        Load | None, typer.Option(help="Only these loads; both where left out.")
    ] = None,
) -> None:
    """Print every case's power and losses, kW, under local control, coordinate descent and ours."""
    table = Table(
        "case", "local", "coordinate descent", "Tieline", "best known", "cold, ms", "tracking, ms"
    )
    try:
        for case in [load_case(path) for path in cases]:
            for loads in get_args(Load) if load is None else (load,):
                for aim in _AIMS:
                    table.add_row(*_row(case, aim, loads))
    except ConfigError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed. What to do: pip install 'tieline[dms]'")
    console().print(table)


def _row(case: Case, aim: Aim, load: Load) -> tuple[str, ...]:
    cold = solve_case(case, aim, load, time.perf_counter)
    again = solve_case(case, aim, load, time.perf_counter, start=cold)
    best_kw = getattr(case.file.best, f"{load}_{aim}")
    return (
        f"{case.path.stem}, {load} loads, {aim}",
        _said(solve_baseline(case, aim, load, "local")),
        _said(solve_baseline(case, aim, load, "descent")),
        _said(cold),
        "" if best_kw is None else f"{best_kw:.3f}",
        f"{cold.solve_ms:.0f}",
        f"{again.solve_ms:.0f}",
    )


def _said(answer: CaseAnswer) -> str:
    out = f", {answer.nodes_out} out" if answer.nodes_out else ""
    return f"{answer.objective_kw:.3f}{out}"
