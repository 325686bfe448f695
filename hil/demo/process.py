"""A program as a child: started, watched, stopped; never left behind."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hil.child import die_with_parent

_STOP_S = 5.0
_ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class ChildProcess:
    """One Python program.

    Attributes:
        arguments: after the interpreter: ``-m``, a module, its own.
        log: where its standard output and error go.
    """

    arguments: tuple[str, ...]
    log: Path
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Start it; whether it is ready is for others to find out."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                process_group=0,
                preexec_fn=die_with_parent,
            )

    async def wait(self) -> int:
        """Return its exit code when it ends."""
        return 0 if self._process is None else await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, by force after five seconds."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def kill(self) -> None:
        """End it outright, as a power failure would."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
