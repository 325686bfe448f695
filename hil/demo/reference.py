"""The same scenario without control, computed by the plant alone."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from hil.demo.errors import DemoError

_LONGEST_S = 120.0
_ROOT = Path(__file__).parents[2]


async def run_uncontrolled(scenario: Path, seconds: float, truth: Path, log: Path) -> None:
    """Write the truth log of a run without control.

    Args:
        scenario: the scenario file.
        seconds: simulated seconds.
        truth: the log to write.
        log: gets what the process says on standard error.

    Raises:
        DemoError: it failed, or took longer than two minutes.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hil.plant", "--uncontrolled"),
            *("--scenario", str(scenario), "--seconds", str(seconds), "--out", str(truth)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            cwd=_ROOT,
            process_group=0,
        )
    try:
        code = await asyncio.wait_for(process.wait(), _LONGEST_S)
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if code:
        raise DemoError(f"the run without control ended with exit code {code}")
