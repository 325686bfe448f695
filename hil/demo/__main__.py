"""``python -m hil.demo`` or ``tieline demo``: the loop closed on a feeder, from one command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live

from hil.bench import DEFAULT_PORT_BASE
from hil.demo.errors import DemoError
from hil.demo.runner import Runner, Show, Take
from hil.demo.session import Session
from hil.demo.summary import print_summary
from hil.demo.table import View, draw
from hil.report.feeder import load_drawing
from hil.report.score import Value

_SIMULATED_S = 600.0
_LOG_LINES = 15


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tieline demo",
        description="Run feeder, devices and gateway on loopback and report what came of it.",
    )
    parser.add_argument(
        "--seconds", type=_positive, help="wall seconds; default: ten simulated minutes"
    )
    parser.add_argument("--no-tui", action="store_true", help="no live table, only the summary")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument(
        "--time-scale", type=_positive, default=10.0, help="simulated seconds a wall second"
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


async def _run(runner: Runner) -> Take:
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


def _demo(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.out.resolve()
    session = Session(
        folder=folder / "run", port_base=arguments.port_base, time_scale=arguments.time_scale
    )
    tui = not (arguments.no_tui or arguments.json) and sys.stdout.isatty()
    screen, show = _table(wanted=tui)
    seconds = arguments.seconds or _SIMULATED_S / arguments.time_scale
    try:
        with screen:
            take = asyncio.run(_run(Runner(session, seconds, show)))
    except DemoError:
        _tell_logs(session.logs)
        raise
    score = _report(take, folder)
    if arguments.json:
        sys.stdout.write(json.dumps(score) + "\n")
    else:
        print_summary(score, take.recording, folder)


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
