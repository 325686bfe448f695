"""Asking a running gateway's read-only routes over HTTPS, with a certificate of the site's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.common import fail
from gateway.commands.group_ask import Caller
from gateway.model.errors import TielineError

AsOption = Annotated[str, typer.Option("--as", help="Client certificate to show.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For a program.")]


def query(folder: Path, name: str, path: str) -> dict[str, Any]:
    """What a running site tells at a path; ends the command where it does not answer."""

    async def exchange() -> dict[str, Any]:
        async with Caller(folder, name, xml=False).client() as client:
            return await client.query(path)

    try:
        return asyncio.run(exchange())
    except TielineError as error:
        fail(f"{error}. What to do: is the gateway running? tieline run {folder}")
