"""An MQTT broker beside the gateway, for a site that has none: amqtt on loopback.

It runs in a process of its own: a flood of messages must not delay a poll. That process ends
when its standard input does, so it never outlives the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from importlib.util import find_spec

from gateway.model.errors import ConfigError, ConfigIssue, LinkError

_MAX_CONNECTIONS, _STOP_S = 100, 3.0
#: Of what the broker says when it ends, the last characters are kept.
_KEPT_CHARACTERS = 300


async def run_broker(host: str, port: int) -> None:
    """Run a broker until cancelled. Clients are anonymous, so it listens on loopback only.

    Raises:
        ConfigError: not a loopback address, or amqtt is not installed.
        LinkError: it ended: the port is taken, or somebody killed it.
    """
    _check(host)
    broker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.links.mqtt.broker", host, str(port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = b""
    try:
        if broker.stderr is not None:
            while chunk := await broker.stderr.read(4096):
                said = (said + chunk)[-_KEPT_CHARACTERS:]
        await broker.wait()
    finally:
        await _end(broker)
    reason = said.decode(errors="replace").strip() or f"exit code {broker.returncode}"
    raise LinkError(f"the embedded broker on {host}:{port} ended: {reason}")


async def _end(broker: asyncio.subprocess.Process) -> None:
    """Let the broker shut down, so that its clients are not cut off; kill it if it does not."""
    if broker.stdin is not None:
        broker.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await broker.wait()
    except TimeoutError:
        broker.kill()
        await broker.wait()


def _check(host: str) -> None:
    if host not in ("127.0.0.1", "::1", "localhost"):
        message = f"the embedded broker has no accounts and will not listen on {host}"
        remedy = "use a broker of your own (mqtts://...) or host = '127.0.0.1'"
        raise ConfigError([ConfigIssue("site.toml", 0, 0, message, remedy)])
    if find_spec("amqtt") is None:
        message = "the embedded broker is not installed"
        remedy = "install tieline[broker], or name a broker: broker = 'mqtt://host:1883'"
        raise ConfigError([ConfigIssue("site.toml", 0, 0, message, remedy)])


async def _serve(host: str, port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - the gateway's own process never loads it

    for noisy in ("amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    listener = {"type": "tcp", "bind": f"{host}:{port}", "max_connections": _MAX_CONNECTIONS}
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": listener}, "plugins": anonymous})
    await broker.start()
    await asyncio.to_thread(sys.stdin.buffer.read)  # ends with the gateway
    await broker.shutdown()


def main() -> None:
    """Entry point of the broker's own process: host and port."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to handle
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
