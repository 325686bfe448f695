"""What every bench process does alike: say that it is ready, end when its parent does."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
MAX_COMMAND = 4096


def die_with_parent() -> None:
    """Ask Linux to end this process when the parent's thread ends; elsewhere stdin's EOF does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def private_stdout() -> int:
    """Keep standard output for ``say`` and point descriptor 1, where libraries chatter, away.

    Returns:
        The descriptor of the real standard output.
    """
    sys.stdout.flush()
    real = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return real


def say(descriptor: int, message: dict[str, Any]) -> None:
    """Write one JSON line; a parent that no longer listens is no error."""
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        return


async def until_told(on_command: Callable[[dict[str, Any]], None]) -> None:
    """Return on SIGINT, SIGTERM or the end of standard input; meanwhile take its JSON lines.

    Args:
        on_command: given each JSON object from standard input; others are ignored.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reader = asyncio.StreamReader(limit=MAX_COMMAND)
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
    except ValueError:  # a file or /dev/null: nobody can hang up, signals only
        await stop.wait()
        return
    listener = asyncio.create_task(_listen(reader, on_command))
    listener.add_done_callback(lambda _: stop.set())
    try:
        await stop.wait()
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        transport.close()


async def _listen(
    reader: asyncio.StreamReader, on_command: Callable[[dict[str, Any]], None]
) -> None:
    while line := await reader.readline():
        try:
            command = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(command, dict):
            on_command(command)
