"""``tieline audit``: what was commanded, by whom, and how it ended."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.commands.common import SiteArgument, console, fail, site_or_exit
from gateway.history.audit import AuditTrail

_COLUMNS = ("asked", "point", "value", "origin", "reason", "arbiter", "interlock", "status", "ms")


def audit(
    folder: SiteArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=100_000)] = 50,
    point: Annotated[str, typer.Option(help="Only this point.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """Show the latest commands of a site, newest first; a running gateway may stay running."""
    site = site_or_exit(folder)
    path = site.data_folder / "audit.sqlite"
    if not path.is_file():
        fail(f"{path} is not there: this site has not run yet. What to do: tieline run {folder}")
    trail = AuditTrail(path)
    if as_json:
        for row in trail.commands(limit, point):
            typer.echo(json.dumps(row))
        return
    table = Table(*_COLUMNS)
    for row in trail.commands(limit, point):
        table.add_row(*_cells(row))
    console().print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    asked = dt.datetime.fromtimestamp(row["asked_ms"] / 1000, dt.UTC)
    took = "" if row["ended_ms"] is None else str(row["ended_ms"] - row["asked_ms"])
    return (
        asked.strftime("%H:%M:%S.%f")[:-3],
        row["point"],
        "nan" if row["value"] is None else f"{row['value']:g}",  # SQLite keeps NaN as NULL
        row["origin"],
        row["reason"],
        row["arbiter"],
        row["interlock"],
        row["status"] or "INTERRUPTED",
        took,
    )
