"""``tieline flisr``: one fault located, isolated and restored on a feeder model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gateway.commands.common import console, fail
from gateway.model.errors import ConfigError
from gateway.site.flisr_case import load_flisr_case

if TYPE_CHECKING:
    from gateway.apps.flisr.task import Restoration
    from gateway.site.flisr_study import FlisrStudy, Outcome


def flisr(
    case: Annotated[Path, typer.Argument(help="The case file; hil/cases/ieee123_ties.toml.")],
    fault: Annotated[
        str | None, typer.Option(help="What faults for good: a line, a bus, or a microgrid.")
    ] = None,
    lost_flag: Annotated[
        list[str] | None, typer.Option(help="A switch whose indicator cannot be read.")
    ] = None,
    reconfigure: Annotated[
        bool, typer.Option(help="No fault: feed everything with the least losses.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="HTML file: the feeder before, isolated, restored.")
    ] = None,
) -> None:
    """Locate a fault by its indicators, isolate it and restore what can be served."""
    if (fault is None) != reconfigure:
        fail("what faults? What to do: give --fault ELEMENT, or --reconfigure for none")
    try:
        checked = load_flisr_case(case)
        from gateway.site.flisr_study import FlisrStudy  # noqa: PLC0415 - only a DMS box has it

        study = FlisrStudy(checked)
        if fault is None:
            _show_state(study, study.least_losses(), as_json=as_json)
            return
        outcome = study.run(fault, tuple(lost_flag or ()), time.perf_counter)
        if plot is not None:
            from gateway.commands.flisr_plot import page  # noqa: PLC0415 - plots want matplotlib

            plot.write_text(page(checked, study, outcome, fault), encoding="utf-8")
    except (ConfigError, OSError, ValueError) as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed. What to do: pip install 'tieline[dms,bench]'")
    report = _report(study, outcome)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _state(study: FlisrStudy, found: Restoration) -> dict[str, Any]:
    edges = study.graph.edges
    closed = found.candidate.closed
    return {
        "served_kw": round(found.candidate.estimate.served_w / 1e3, 3),
        "operations": found.candidate.operations,
        "open_switches": [edge.name for n, edge in enumerate(edges) if n not in closed],
        "voltage_min_pu": round(found.verdict.voltage_min_pu, 5),
        "losses_kw": round(found.verdict.losses_w / 1e3, 3),
        "proved": found.proved,
        "power_flows": found.checks,
    }


def _report(study: FlisrStudy, outcome: Outcome) -> dict[str, Any]:
    graph, best = study.graph, outcome.location.best
    buses = sorted(graph.zones[best.zone].buses) if best.zone is not None else []
    load_w = graph.zones[best.zone].load_va.real if best.zone is not None else 0.0
    return {
        "zone": best.name(graph),
        "zone_buses": buses,
        "zone_load_kw": round(load_w / 1e3, 3),
        "likelihood": round(outcome.location.ranked[0][1], 4),
        "suspects": [place.name(graph) for place in outcome.location.suspects],
        "isolated_by": [
            graph.edges[edge].name for edge in sorted(outcome.task.blocked & outcome.before)
        ],
        **_state(study, outcome.restoration),
        "switching": [
            {"step": number, "action": step.action, "target": step.target, "why": step.purpose}
            for number, step in enumerate(outcome.steps, 1)
        ],
        "locate_ms": round(outcome.locate_ms, 1),
        "solve_ms": round(outcome.solve_ms, 1),
    }


def _show(report: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"fault beyond {report['zone']} ({100 * report['likelihood']:.1f} %), "
        f"isolated by {', '.join(report['isolated_by'])}\n"
        f"{report['served_kw']:.1f} kW served with {report['operations']} operations beyond "
        f"isolation, {report['voltage_min_pu']:.4f} pu at least, "
        f"{report['losses_kw']:.1f} kW lost; found in {report['solve_ms']:.0f} ms"
    )
    table = Table("step", "action", "switch", "why")
    for row in report["switching"]:
        table.add_row(str(row["step"]), row["action"], row["target"], row["why"])
    out.print(table)


def _show_state(study: FlisrStudy, found: Restoration, *, as_json: bool) -> None:
    state = _state(study, found)
    if as_json:
        typer.echo(json.dumps(state, indent=2))
    else:
        console().print(
            f"{state['losses_kw']:.3f} kW lost with {', '.join(state['open_switches'])} open, "
            f"{state['voltage_min_pu']:.4f} pu at least, {state['operations']} operations away"
        )
