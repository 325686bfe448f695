"""Ending tasks for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_AGAIN_S = 1.0


async def end_all(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks until they have ended; what they end with is their own business.

    Once is not enough: on Python 3.11 ``asyncio.wait_for`` can swallow a cancellation that comes
    together with its result, and libraries wait with it.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # retrieved, so that nobody complains of it
