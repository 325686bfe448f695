"""``tieline summary``: the feeder of a running site on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gateway.commands.common import SiteArgument, console, fail
from gateway.commands.query import AsOption, JsonOption, query
from gateway.commands.summary_html import page
from gateway.commands.summary_rows import Block, blocks

HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write one HTML page here.")]


def summary(
    folder: SiteArgument,
    html: HtmlOption = None,
    name: AsOption = "dms",
    as_json: JsonOption = False,
) -> None:
    """Show voltages, loading, losses, headroom, supply and how far the model may be believed."""
    status = query(folder, name, "/status")
    told = status.get("awareness")
    if told is None:
        fail(
            f"{folder}: nothing looks at the feeder. "
            "What to do: give [dms] a model and [dms.awareness] a period_s"
        )
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    if told["report"] is None:
        fail(told["fault"] or "the first look is not over yet. What to do: ask again in a minute")
    title, rows = f"{status['site']}", blocks(told, status["time_ms"])
    if html is not None:
        try:
            html.write_text(page(title, rows), encoding="utf-8")
        except OSError as error:
            fail(f"{html}: {error.strerror}. What to do: name a file that can be written")
        return
    for block in rows:
        _show(block)


def _show(block: Block) -> None:
    table = Table(*block.columns, title=block.title, title_justify="left")
    for row in block.rows:
        table.add_row(*row)
    console().print(table)
