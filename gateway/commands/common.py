"""What every command shares: loading a site or saying why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from gateway.model.errors import ConfigError
from gateway.site.load import load_site
from gateway.site.site import Site

SiteArgument = Annotated[Path, typer.Argument(help="The site folder, with site.toml in it.")]

#: Errors go to standard error without markup, so that file:line:column stays clickable.
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def console() -> Console:
    """Where tables go; a pipe has no width of its own, so it gets room for whole rows."""
    return Console(width=None if sys.stdout.isatty() else 200)


def fail(message: str) -> NoReturn:
    """Say what is wrong on standard error and exit with 1."""
    errors.print(message)
    raise typer.Exit(1)


def site_or_exit(folder: Path) -> Site:
    """The loaded site; prints every fault and exits with 1 where there is any."""
    try:
        return load_site(folder)
    except ConfigError as error:
        count = len(error.issues)
        fail(f"{error}\n{count} fault{'s' if count != 1 else ''} in {folder}; nothing was changed")
