"""Keeping links alive: a lost peer is waited for, a bug ends the process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.model.errors import LinkError, RemoteProtocolError

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
#: A link that ran this long was well; its next loss waits from the beginning again.
_WELL_AFTER_S = 60.0


@dataclass
class LinkState:
    """A supervised link: how often it was lost, and why last."""

    name: str
    losses: int = 0
    last_error: str = ""
    running: bool = False


async def keep_running(
    state: LinkState,
    run: Callable[[], Awaitable[None]],
    rng: random.Random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run a link until cancelled; after LinkError again, with jittered exponential back-off.

    Args:
        state: kept true for status pages.
        run: the link's ``run``.
        rng: jitter; two boxes that lost one broker must not come back in step.
        sleep: waits; tests put virtual time here.

    Raises:
        Exception: anything but a lost or nonsensical peer, which is a bug.
    """
    loop = asyncio.get_running_loop()
    wait_s = _FIRST_WAIT_S
    while True:
        began_s = loop.time()
        try:
            state.running = True
            await run()
        except (LinkError, RemoteProtocolError) as error:
            state.losses += 1
            state.last_error = str(error)
        else:
            return
        finally:
            state.running = False
        if loop.time() - began_s > _WELL_AFTER_S:
            wait_s = _FIRST_WAIT_S
        await sleep(wait_s * rng.uniform(0.5, 1.0))
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
