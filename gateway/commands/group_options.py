"""What the commands of ``tieline group`` share on their command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.common import fail

Group = Annotated[str, typer.Argument(help="The group's id.")]
Site = Annotated[Path, typer.Option("--site", help="The running site's folder.")]
As = Annotated[str, typer.Option("--as", help="Client certificate to show.")]
Xml = Annotated[bool, typer.Option("--xml", help="Print both documents as sent.")]
For = Annotated[float, typer.Option("--for", min=0, help="Seconds it holds; 0: until replaced.")]
End = Annotated[bool, typer.Option("--end", help="End the function instead.")]

SITE = Path("hil/sites/ieee13")


def pairs(text: str, axes: str) -> tuple[tuple[float, float], ...]:
    """A curve as it is typed, ``95:44,105:-44``; ends the command where it is none."""
    try:
        found = [pair.split(":") for pair in text.split(",")]
        return tuple((float(volts), float(var)) for volts, var in found)
    except ValueError:
        fail(f"{text!r} is no curve. What to do: {axes} pairs, e.g. 95:44,105:-44, or --end")
