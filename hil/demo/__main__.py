"""``python -m hil.demo`` or ``tieline demo``: the loop closed on a feeder, from one command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console
from rich.live import Live

from hil.bench import DEFAULT_PORT_BASE
from hil.demo.errors import DemoError
from hil.demo.outage import OutageRunner, OutageTake, Tell
from hil.demo.runner import Runner, Show, Take
from hil.demo.scenes import SCENES
from hil.demo.session import Session
from hil.demo.summary import print_outage, print_summary
from hil.demo.table import View, draw
from hil.report.feeder import load_drawing
from hil.report.score import Value

_SIMULATED_S = 600.0
_LOG_LINES = 15
_Taken_co = TypeVar("_Taken_co", covariant=True)


class _Runner(Protocol[_Taken_co]):
    """Runs one demo and brings what it took."""

    async def run(self) -> _Taken_co:
        """From start to stop."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tieline demo",
        description="Run feeder, devices and gateway on loopback and report what came of it.",
    )
    parser.add_argument(
        "--scenario",
        choices=tuple(SCENES),
        default="day",
        help="day: volt-VAR control on 13 nodes; fault, momentary: an outage on 123 nodes",
    )
    parser.add_argument(
        "--seconds",
        type=_positive,
        help="wall seconds; default: ten simulated minutes, an outage to its end",
    )
    parser.add_argument("--no-tui", action="store_true", help="no live table, only the summary")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument(
        "--time-scale",
        type=_positive,
        help="simulated seconds a wall second; default: 10, for an outage 5",
    )
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the report")
    parser.add_argument(
        "--port-base", type=_port, default=DEFAULT_PORT_BASE, help="first port; 0 for any free"
    )
    return parser.parse_args()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _port(text: str) -> int:
    value = int(text)
    if value != 0 and not 1024 <= value <= 64000:
        raise argparse.ArgumentTypeError("must be 0, or 1024 to 64000")
    return value


async def _run(runner: _Runner[_Taken_co]) -> _Taken_co:
    """Run it; SIGINT and SIGTERM cancel, which stops everything in order."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _once(task.cancel))
    return await runner.run()


def _once(act: Callable[[], object]) -> Callable[[], None]:
    """A second Ctrl-C must not interrupt the stopping."""
    pending = [act]

    def handler() -> None:
        if pending:
            pending.pop()()

    return handler


def _table(*, wanted: bool) -> tuple[AbstractContextManager[object], Show | None]:
    if not wanted:
        return nullcontext(), None
    live = Live(screen=True, auto_refresh=False, console=Console())

    def show(view: View) -> None:
        live.update(draw(view, live.console.height), refresh=True)

    return live, show


def _report(take: Take, folder: Path) -> dict[str, Value]:
    # matplotlib takes half a second to import and is wanted at the end only
    from hil.report.report import write_report  # noqa: PLC0415

    drawing = load_drawing(take.feeder)
    return write_report(folder, take.controlled, take.uncontrolled, take.recording, drawing)


def _report_outage(take: OutageTake, folder: Path) -> dict[str, Value]:
    from hil.report.outage_report import write_outage_report  # noqa: PLC0415 - as above

    drawing = load_drawing(take.feeder)
    return write_outage_report(folder, take.ours, take.theirs, take.record, drawing)


def _demo(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.out.resolve()
    scene = SCENES[arguments.scenario]
    session = Session(
        folder=folder / "run",
        port_base=arguments.port_base,
        time_scale=arguments.time_scale or scene.time_scale,
        scenario_path=scene.scenario,
        site_path=scene.site,
    )
    play = _outage if scene.is_outage else _day
    try:
        score, tell = play(arguments, session, folder)
    except DemoError:
        _tell_logs(session.logs)
        raise
    if arguments.json:
        sys.stdout.write(json.dumps(score) + "\n")
    else:
        tell()


#: A score, and what prints the summary that goes with it.
_Played = tuple[dict[str, Value], Callable[[], None]]


def _day(arguments: argparse.Namespace, session: Session, folder: Path) -> _Played:
    tui = not (arguments.no_tui or arguments.json) and sys.stdout.isatty()
    screen, show = _table(wanted=tui)
    seconds = arguments.seconds or _SIMULATED_S / session.time_scale
    with screen:
        take = asyncio.run(_run(Runner(session, seconds, show)))
    score = _report(take, folder)
    return score, partial(print_summary, score, take.recording, folder)


def _outage(arguments: argparse.Namespace, session: Session, folder: Path) -> _Played:
    tell: Tell | None = None if arguments.json else partial(print, flush=True)
    take = asyncio.run(_run(OutageRunner(session, arguments.seconds, tell)))
    score = _report_outage(take, folder)
    return score, partial(print_outage, score, take.record, take.ours, folder)


def _tell_logs(folder: Path) -> None:
    """The end of what each process said, for whoever has to find out why."""
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        if lines:
            sys.stderr.write(f"--- {log}\n" + "\n".join(lines) + "\n")


def main() -> int:
    """Run the demo; 1 where it cannot start or go on, 130 after Ctrl-C or SIGTERM."""
    try:
        _demo(_arguments())
    except DemoError as error:
        sys.stderr.write(f"tieline demo: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"tieline demo: {error}. What to do: check --out and the disk\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("tieline demo: stopped\n")
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
