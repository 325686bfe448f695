"""Ports of the demo: the site's own, moved to another base, or any that are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from hil.bench import DEFAULT_PORT_BASE
from hil.demo.errors import DemoError

_HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def moved(ports: Iterable[int], base: int) -> dict[int, int]:
    """Each of a site's ports and where it goes.

    Args:
        ports: as the site has them, which is for the default base.
        base: new base; 0 takes free ports.
    """
    ports = list(ports)
    if base:
        return {port: port - DEFAULT_PORT_BASE + base for port in ports}
    return dict(zip(ports, free_ports(len(ports)), strict=True))


def check_free(ports: Mapping[str, int]) -> None:
    """Make sure that nobody listens on any of these ports.

    Raises:
        DemoError: naming every port that is taken, and whose it would have been.
    """
    taken = [f"{port} ({name})" for name, port in ports.items() if port and _taken(port)]
    if taken:
        message = f"port {', '.join(taken)} on {_HOST} is taken. What to do: end the other "
        raise DemoError(message + "program, or give another --port-base, 0 for any free ports")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False
