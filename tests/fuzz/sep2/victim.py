"""A process that forks a 2030.5 server for every line it reads; each is there to be killed.

Argument: a folder. For each child it prints its process id and port, then the mRID of every control
that the child's own program interface said is ordered.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from gateway.links.sep2.resources import DERControlBase
from gateway.links.sep2.server import ProgramSetup, Sep2Server
from gateway.site.clock import SystemClock
from tests.bench.sep2_parts import settings

STORAGE = {"log_events": 100_000, "responses": 100_000, "controls": 100_000}
PROGRAM = ProgramSetup(number=1, mrid=1, primacy=1)


async def serve(folder: Path) -> None:
    config = settings(folder).model_copy(update={"storage": _storage(folder)})
    server = Sep2Server(config, [PROGRAM], SystemClock())
    running = asyncio.ensure_future(server.run())
    await server.listening.wait()
    print("port", os.getpid(), server.port, flush=True)
    start = int(time.time()) + 86_400
    while not running.done():
        base = DERControlBase(op_mod_max_lim_w=5000)
        made = await server.add_control(1, base, start, 1)
        start += 1
        print("control", f"{made.mrid:032X}", flush=True)
        await asyncio.sleep(0.02)
    running.result()


def _storage(folder: Path) -> object:
    return settings(folder).storage.model_copy(update=STORAGE)


if __name__ == "__main__":
    for _line in sys.stdin:
        if os.fork() == 0:
            asyncio.run(serve(Path(sys.argv[1])))
            os._exit(1)
        os.wait()
