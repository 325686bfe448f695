"""``python -m hil.plant``: the plant as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from pathlib import Path
from typing import Any

from hil.child import die_with_parent, private_stdout, say, until_told
from hil.plant.bus import DeviceBus
from hil.plant.engine import Feeder
from hil.plant.runner import LiveRun, bus_devices, run_uncontrolled
from hil.plant.terminals import Instruments
from hil.plant.truth import TruthLog
from hil.plant.world import Plant
from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.plant", description=__doc__)
    parser.add_argument("--scenario", type=Path, default=DEFAULT_SCENARIO)
    parser.add_argument("--out", "--truth", dest="truth", type=Path, help="truth log, JSON lines")
    parser.add_argument("--uncontrolled", action="store_true", help="no devices, no clock")
    parser.add_argument(
        "--seconds",
        type=float,
        help="simulated seconds; default: to the scenario's end if uncontrolled, else on and on",
    )
    parser.add_argument("--start-s", type=float, default=0.0, help="scenario time to start at")
    parser.add_argument("--time-scale", type=float, default=10.0, help="simulated s a wall s")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=15020, help="device bus; 0 for any")
    parser.add_argument("--hold-s", type=float, default=0.0, help="wait for the devices, wall s")
    parser.add_argument("--paused", action="store_true", help='until {"run": true} on stdin')
    return parser.parse_args()


async def _live(arguments: argparse.Namespace, scenario: Scenario, until_s: float) -> None:
    out = private_stdout()
    plant = Plant(scenario, Feeder(scenario.feeder), arguments.start_s)
    log = TruthLog(arguments.truth) if arguments.truth else None
    bus = DeviceBus(bus_devices(plant))
    port = await bus.start(arguments.host, arguments.port)
    paused = [arguments.paused]

    def on_command(command: dict[str, Any]) -> None:
        if command.get("run") is True:
            paused[0] = False

    run = LiveRun(
        plant=plant,
        bus=bus,
        instruments=Instruments(scenario),
        log=log,
        time_scale=arguments.time_scale,
        until_s=until_s,
        hold_s=arguments.hold_s,
        paused=lambda: paused[0],
    )
    say(out, {"ready": "plant", "port": port})
    stepping = asyncio.create_task(run.run())
    told = asyncio.create_task(until_told(on_command))
    try:
        await asyncio.wait((stepping, told), return_when=asyncio.FIRST_COMPLETED)
        if stepping.done():
            stepping.result()
    finally:
        for task in (stepping, told):
            task.cancel()
        await asyncio.gather(stepping, told, return_exceptions=True)
        await bus.stop()
        if log is not None:
            log.close()
        say(out, {"done": "plant", "time_s": plant.time_s, "faults": dict(bus.faults)})


def main() -> int:
    """Run the plant; exit code 2 for a scenario that cannot be used."""
    arguments = _arguments()
    try:
        scenario = load_scenario(arguments.scenario.resolve())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not arguments.uncontrolled:
        die_with_parent()
        until_s = arguments.start_s + (arguments.seconds or math.inf)
        asyncio.run(_live(arguments, scenario, until_s))
        return 0
    if arguments.truth is None:
        sys.stderr.write("--uncontrolled needs --out PATH\n")
        return 2
    private_stdout()
    log = TruthLog(arguments.truth)
    plant = Plant(scenario, Feeder(scenario.feeder), arguments.start_s)
    run_uncontrolled(
        plant,
        log,
        arguments.start_s + arguments.seconds if arguments.seconds else scenario.duration_s,
    )
    log.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
