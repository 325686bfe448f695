"""``tieline run SITE``: the gateway itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3

from gateway.commands.common import SiteArgument, errors, fail, site_or_exit
from gateway.model.errors import ConfigError
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.site import Site


def run(folder: SiteArgument) -> None:
    """Run a site until Ctrl-C or SIGTERM."""
    site = site_or_exit(folder)
    try:
        asyncio.run(_run(site))
    except ConfigError as error:
        fail(str(error))
    except (OSError, sqlite3.Error) as error:
        fail(f"{site.file.name}: {error}. What to do: check the data folder and the ports")


async def _run(site: Site) -> None:
    gateway = Gateway(site, SystemClock())
    running = asyncio.ensure_future(gateway.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    errors.print(f"{site.file.name}: {len(site.devices)} devices, {len(site.points)} points")
    with contextlib.suppress(asyncio.CancelledError):
        await running
    errors.print(f"{site.file.name}: stopped")
