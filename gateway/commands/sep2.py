"""``tieline sep2``: who uses the site's IEEE 2030.5 server, and what it tells them."""

# what shows it is imported when it is asked for: a box without 2030.5 does without its memory
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.common import SiteArgument

app = typer.Typer(help="IEEE 2030.5: clients, programs, controls, certificates, the utility.")


@app.command()
def clients(folder: SiteArgument) -> None:
    """Who is registered, what each told of itself, and how it answered controls."""
    from gateway.commands import sep2_views

    sep2_views.clients(folder)


@app.command()
def programs(folder: SiteArgument) -> None:
    """Each program, whom it is for, and how many controls and curves it holds."""
    from gateway.commands import sep2_views

    sep2_views.programs(folder)


@app.command()
def controls(
    folder: SiteArgument,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=100_000)] = 50,
) -> None:
    """Show the latest controls, newest first: what they set, their status, what was answered."""
    from gateway.commands import sep2_views

    sep2_views.controls(folder, limit)


@app.command()
def certs(folder: SiteArgument) -> None:
    """Show the certificates in the site's 2030.5 folder and whether they keep the rules."""
    from gateway.commands import sep2_views

    sep2_views.certs(folder)


@app.command()
def utility(folder: SiteArgument) -> None:
    """Show who we are to the utility's server: our certificate, and each group's EndDevice."""
    from gateway.commands import sep2_views

    sep2_views.utility(folder)
