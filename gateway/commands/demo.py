"""``tieline demo`` and ``tieline bench``: handed over to the bench, which nothing here imports."""

from __future__ import annotations

import importlib.util
import os
import sys

import typer

from gateway.commands.common import fail

#: Options are the demo's own; ``tieline demo --help`` shows them.
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}


def demo(context: typer.Context) -> None:
    """Run a feeder, its devices and the gateway on this machine, live; see --help."""
    _hand_over("hil.demo", context.args)


def bench(context: typer.Context) -> None:
    """Run a path from DMS to DER, each box a process of its own, and score it; see --help."""
    _hand_over("hil.microgrid.bench", context.args)


def _hand_over(module: str, arguments: list[str]) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("hil", "py_dss_interface")):
        fail("the bench is not installed. What to do: pip install 'tieline[bench,dms]'")
    sys.stdout.flush()
    os.execv(  # noqa: S606 - the same process goes on, so that Ctrl-C and its parent are its own
        sys.executable, [sys.executable, "-m", module, *arguments]
    )
