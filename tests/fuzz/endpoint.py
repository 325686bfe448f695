"""An endpoint in a process of its own, so that its memory can be measured from outside.

Prints its port, then serves until its standard input is closed. Every valid request gets OK.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.groups.messages import GroupReply, GroupRequest, Result
from gateway.groups.replies import reply
from gateway.links.cim.config import ServerConfig
from gateway.links.cim.server import GroupServer
from gateway.links.cim.tls import server_context
from gateway.site.clock import SystemClock
from gateway.site.pki import ensure_pki


async def answer(request: GroupRequest, _peer: str) -> GroupReply:
    return reply(request.address, SystemClock().utc_ms(), Result.OK)


async def serve(folder: Path) -> None:
    pki = ensure_pki(folder, "127.0.0.1", ["dms", "operator"])
    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    config = ServerConfig(
        port=0, idle_timeout_s=1.0, body_timeout_s=1.0, handshake_timeout_s=1.0, max_handshakes=8
    )
    server: GroupServer

    def counts() -> dict[str, object]:
        known = server.statistics
        return {name: getattr(known, name) for name in known.__slots__}

    server = GroupServer(config, context, answer, SystemClock(), {"/counts": counts})
    running = asyncio.ensure_future(server.run())
    await server.listening.wait()
    print(server.port, flush=True)
    ended = asyncio.to_thread(sys.stdin.buffer.read)
    await asyncio.wait((running, asyncio.ensure_future(ended)), return_when="FIRST_COMPLETED")
    running.cancel()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
