"""``tieline demo``: hands over to the bench's demo, which the gateway itself never imports."""

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
    if any(importlib.util.find_spec(name) is None for name in ("hil", "py_dss_interface")):
        fail("the bench is not installed. What to do: pip install 'tieline[bench,dms]'")
    sys.stdout.flush()
    os.execv(  # noqa: S606 - the same process goes on, so that Ctrl-C and its parent are its own
        sys.executable, [sys.executable, "-m", "hil.demo", *context.args]
    )
