"""A process of its own for arithmetic: the loop never waits for it longer than it said.

The worker builds its application once, then answers one step after the other. One that overruns
is killed and built anew; one whose parent dies sees its pipe close and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from gateway.model.errors import TielineError

Step = Callable[..., Any]


class StepOverrunError(TielineError):
    """A step took longer than its cycle and was cut."""


class StepFailedError(TielineError):
    """A step raised; the message is the worker's traceback. A bug of ours."""


@dataclass
class WorkerStatistics:
    """What a worker has done: steps answered, cut for overrunning, failed."""

    steps: int = 0
    overruns: int = 0
    failures: int = 0


class StepWorker:
    """Runs steps of one application in a child process.

    Args:
        factory: builds the application's step in the child; must be picklable, like every
            argument and result.

    Attributes:
        is_built: a child runs that has built its application; else the next step waits for that.
        statistics: live counts.
    """

    def __init__(self, factory: Callable[[], Step]) -> None:
        self._factory = factory
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self.is_built = False
        self.statistics = WorkerStatistics()

    async def step(self, timeout_s: float, *arguments: object) -> Any:
        """Run one step.

        Raises:
            StepOverrunError: no answer within ``timeout_s``; the child was killed.
            StepFailedError: the step raised, or the child died.
        """
        pipe = self._pipe or self._start()
        try:
            async with asyncio.timeout(timeout_s):
                # a child that does not read, or stops half-way through, must not hold the loop
                outcome, result = await asyncio.to_thread(_exchange, pipe, arguments)
        except TimeoutError:
            self.statistics.overruns += 1
            self.close()
            raise StepOverrunError(f"no answer within {timeout_s:g} s") from None
        except (EOFError, OSError) as error:
            self.statistics.failures += 1
            self.close()
            raise StepFailedError(f"the worker process ended: {error!r}") from error
        if outcome == "failed":
            self.statistics.failures += 1
            raise StepFailedError(result)
        self.statistics.steps += 1
        self.is_built = True
        return result

    def close(self) -> None:
        """End the child, if any."""
        self.is_built = False
        if self._process is not None:  # first: it ends whoever still waits at the pipe
            self._process.kill()
            self._process.join(timeout=5)
        if self._pipe is not None:
            self._pipe.close()
        self._pipe = self._process = None

    def _start(self) -> Connection:
        # spawn: a fork would carry the parent's sockets and event loop into the child
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._factory), name="tieline-step", daemon=True
        )
        process.start()
        theirs.close()
        self._pipe, self._process = ours, process
        return ours


def _exchange(pipe: Connection, arguments: tuple[object, ...]) -> Any:
    pipe.send(arguments)
    return pipe.recv()


def _serve(pipe: Connection, factory: Callable[[], Step]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    step: Step | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            arguments = pipe.recv()
            try:
                step = step or factory()
                pipe.send(("done", step(*arguments)))
            except Exception:  # noqa: BLE001 - whatever it is, the parent must hear of it
                pipe.send(("failed", traceback.format_exc()))
