"""``python -m hil.microgrid``: a scenario's plant and devices as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from hil.child import die_with_parent, private_stdout, say, until_told
from hil.microgrid.scenario import load_path
from hil.microgrid.station import MicrogridStation


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.microgrid", description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--ports", default="{}", help="JSON: device to port; 0 or none for any")
    parser.add_argument("--truth", type=Path, help="truth log, JSON lines")
    return parser.parse_args()


async def _serve(station: MicrogridStation, host: str, ports: dict[str, int]) -> None:
    out = private_stdout()
    await station.start(host, ports)
    pending: set[asyncio.Task[None]] = set()

    def on_command(command: dict[str, Any]) -> None:
        if command.get("run") is True:
            station.go()
        if isinstance(what := command.get("suffer"), str):
            task = asyncio.ensure_future(station.suffer(what, host))
            pending.add(task)
            task.add_done_callback(pending.discard)

    say(out, {"ready": "microgrid", "ports": station.ports})
    running = asyncio.create_task(station.run())
    told = asyncio.create_task(until_told(on_command))
    try:
        await asyncio.wait((running, told), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, told):
            task.cancel()
        await asyncio.gather(running, told, return_exceptions=True)
        await station.stop()


def main() -> int:
    """Run; exit code 2 for a scenario that cannot be used."""
    die_with_parent()
    logging.getLogger().setLevel(logging.CRITICAL)  # OpenDER remarks on every setting
    arguments = _arguments()
    try:
        station = MicrogridStation(load_path(arguments.scenario), arguments.truth)
        asyncio.run(_serve(station, arguments.host, json.loads(arguments.ports)))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments.scenario.name}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
