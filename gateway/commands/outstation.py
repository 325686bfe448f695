"""``tieline outstation``: a DNP3 outstation on its own, for conformance procedures."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from gateway.commands.common import fail
from gateway.model.errors import LinkError
from gateway.site.clock import SystemClock


def outstation(
    conformance: Annotated[
        bool,
        typer.Option("--conformance", help="Serve the fixed map: five points of each type."),
    ] = False,
    port: Annotated[
        int, typer.Option(help="TCP port on loopback; 0 lets the system choose.")
    ] = 20000,
    control_port: Annotated[
        int, typer.Option(help="Port of the control socket that moves its inputs.")
    ] = 0,
) -> None:
    """Serve a DNP3 outstation for certification-style tests until Ctrl-C, SIGTERM or quit.

    The first line printed says both ports. The control socket takes a command a line (nc will do):
    set TYPE INDEX VALUE, flags TYPE INDEX BITS, string INDEX TEXT, local|inhibit|trouble on|off,
    restart, quit. TYPE is bi, bo, dbi, ctr, ai or ao.
    """
    if not conformance:
        fail("say --conformance: a site's own outstations are served by tieline run")
    try:
        asyncio.run(_serve(port, control_port))
    except (LinkError, OSError) as error:
        fail(f"{error}. What to do: choose other ports")


async def _serve(port: int, control_port: int) -> None:
    # imported here: a gateway without DNP3 does without its memory
    from gateway.links.dnp3.northbound.conformance import (  # noqa: PLC0415
        ConformanceOutstation,
    )

    bench = ConformanceOutstation(SystemClock(), port)
    running = asyncio.ensure_future(bench.run(control_port, _announce))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()


def _announce(port: int, control_port: int) -> None:
    typer.echo(f"port={port} control={control_port}")
