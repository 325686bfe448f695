"""``python -m hil.microgrid.bench`` or ``tieline bench``: one path, scored."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hil.demo.errors import DemoError
from hil.microgrid.report import summary, write_report
from hil.microgrid.rules import KINDS, judge
from hil.microgrid.run import PathRun
from hil.microgrid.sabotage import Sabotage, sabotages
from hil.microgrid.scenario import PathScenario


def _arguments() -> argparse.Namespace:
    broken = sabotages()
    parser = argparse.ArgumentParser(
        prog="tieline bench",
        description="Run a path from DMS to DER, each box a process of its own, and score it. "
        "Exit code 0 where every rule is kept, 1 where one is not, 2 where it cannot be run.",
    )
    parser.add_argument("scenario", type=Path, help="e.g. hil/scenarios/t1.toml")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument("--out", type=Path, help="folder of the report; default .bench/SCENARIO")
    parser.add_argument(
        "--sabotage",
        choices=tuple(broken),
        help="break a controller on purpose: "
        + "; ".join(f"{name}: {entry.text}" for name, entry in broken.items()),
    )
    return parser.parse_args()


def main() -> int:
    """Run one scenario; the exit code says how it went."""
    arguments = _arguments()
    broken = sabotages().get(arguments.sabotage)
    folder = arguments.out or Path(".bench") / arguments.scenario.stem
    console = Console(stderr=arguments.json, quiet=arguments.json)
    try:
        run = PathRun(arguments.scenario, folder, broken)
        _check(run.scenario, broken)
        run.tell = lambda time_s, text: console.print(f"{time_s:7.1f} s  {escape(text)}")
        console.print(f"[bold]{escape(run.scenario.title)}[/]")
        record = asyncio.run(run.run())
    except (DemoError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    score = summary(record, judge(record), "" if broken is None else broken.name)
    write_report(folder, record, score)
    if arguments.json:
        sys.stdout.write(json.dumps(score) + "\n")
    else:
        _print(console, score, folder)
    return 0 if score["passed"] else 1


def _check(scenario: PathScenario, broken: Sabotage | None) -> None:
    """Find out before anything starts what would be found out after.

    Raises:
        ValueError: a rule nobody knows, or a box to break that is not there.
    """
    if unknown := {rule.name for rule in scenario.rule} - KINDS.keys():
        raise ValueError(f"no rule {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    if broken is not None and broken.box not in scenario.boxes:
        boxes = ", ".join(scenario.boxes)
        raise ValueError(f"{broken.name} breaks {broken.box}; this path has {boxes}")


def _print(console: Console, score: dict[str, object], folder: Path) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("", "rule", "measured"):
        table.add_column(column)
    rules = score["rules"]
    assert isinstance(rules, list)  # noqa: S101 - as summary() makes it
    for rule in rules:
        mark = "[green]passed[/]" if rule["passed"] else "[red]FAILED[/]"
        value = "never" if rule["value"] is None else f"{rule['value']:g}"
        table.add_row(mark, escape(rule["text"]), value)
    console.print(table)
    console.print(f"{'passed' if score['passed'] else 'FAILED'}; report: {folder / 'report.html'}")


if __name__ == "__main__":
    raise SystemExit(main())
