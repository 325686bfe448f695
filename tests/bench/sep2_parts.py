"""A process that serves 2030.5 with our server and, beside it, the same bytes with bare aiohttp.

Arguments: a folder, how many controls. Prints both ports; then CPU seconds for every line it reads.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from aiohttp import web

from gateway.links.sep2 import tls
from gateway.links.sep2.config import ClientConfig, Sep2ServerConfig
from gateway.links.sep2.resources import DERControlBase
from gateway.links.sep2.server import ProgramSetup, Sep2Server
from gateway.site.clock import SystemClock

HOST = "127.0.0.1"
PROGRAM = ProgramSetup(number=1, mrid=1, primacy=1)


def settings(folder: Path) -> Sep2ServerConfig:
    """Of the server under test; the budget of requests is not what is measured."""
    lfdis = (folder / "lfdis").read_text().split()
    return Sep2ServerConfig(
        port=0,
        certificate=folder / "server.crt",
        key=folder / "server.key",
        ca=folder / "ca.pem",
        database=folder / "state.sqlite",
        clients=tuple(ClientConfig(lfdi=lfdi) for lfdi in lfdis),
        transport={"requests_per_s": 1e9, "burst": 1_000_000},
    )


async def bare(folder: Path) -> int:
    """A server that does nothing but send; its port."""
    bodies: dict[str, bytes] = {}

    async def handle(request: web.BaseRequest) -> web.Response:
        query = request.rel_url.raw_query_string
        if query not in bodies:
            bodies[query] = (folder / query).read_bytes()
        return web.Response(body=bodies[query], headers={"Content-Type": "application/sep+xml"})

    config = settings(folder)
    context = tls.server_context(config.certificate, config.key, config.ca)
    http = web.Server(handle, access_log=None)
    server = await asyncio.get_running_loop().create_server(http, HOST, 0, ssl=context)
    return server.sockets[0].getsockname()[1]


async def main(folder: Path, controls: int) -> None:
    server = Sep2Server(settings(folder), [PROGRAM], SystemClock())
    running = asyncio.ensure_future(server.run())
    await asyncio.wait(
        (running, asyncio.ensure_future(server.listening.wait())),
        return_when=asyncio.FIRST_COMPLETED,
    )
    start = int(time.time()) + 3600
    for at in range(controls):
        base = DERControlBase(op_mod_max_lim_w=5000)
        await server.add_control(1, base, start + 900 * at, 900, randomize_start=60)
    print(server.port, await bare(folder), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
