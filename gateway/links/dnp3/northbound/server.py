"""Listening for masters, and carrying out what they operate."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.links.dnp3.northbound.connection import Line, MasterConnection, ServerStatistics
from gateway.links.dnp3.northbound.control_objects import ControlObject
from gateway.links.dnp3.northbound.session import Session
from gateway.links.dnp3.northbound.station import Station
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.links.dnp3.tls import peer_name, server_context
from gateway.model.clock import Clock
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.errors import LinkError

#: Carries out one control: object, mode, master's name.
Operate = Callable[[ControlObject, CommandMode, str], Awaitable[CommandStatus]]

_BACKLOG = 16
_NO_DESCRIPTOR_PAUSE_S = 0.5
#: Control requests of one master under way at once: one, and those that overran their time.
_MAX_RUNNING = 4
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Served:
    """One outstation behind the port, and what carries out its controls."""

    station: Station
    operate: Operate


class OutstationServer:
    """One port; one outstation behind it, or several with addresses of their own.

    Args:
        config: where to listen, TLS and limits. Who may speak is each outstation's own matter.
        served: the outstations.
        clock: time.

    Attributes:
        statistics: what was counted.
        lines: each master's session, by master and outstation address.
    """

    def __init__(self, config: OutstationConfig, served: list[Served], clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.statistics = ServerStatistics()
        self.lines: dict[int, dict[int, Line]] = {}
        self._socket: socket.socket | None = None
        self._connections: dict[MasterConnection, None] = {}
        self._opening: dict[asyncio.Task[None], None] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[int, int] = {}
        for one in served:
            for address, association in one.station.associations.items():
                line = Line(Session(association), self._executor(one))
                self.lines.setdefault(address, {})[one.station.config.address] = line
            # after the associations, so that events are there when their sessions wake
            one.station.database.subscribe(lambda _columns, _rows: self.wake())

    @property
    def port(self) -> int:
        """The port listened on; 0 while it does not."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    def open(self) -> None:
        """Take the port; :meth:`run` does it where this was not called.

        Raises:
            LinkError: the port cannot be had.
        """
        if self._socket is not None:
            return
        host, port = self._config.host, self._config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise LinkError(f"cannot listen for DNP3 on {host}:{port}: {error}") from error
        self._socket.settimeout(0)

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkError: the port cannot be had.
            ConfigError: the TLS files cannot be used.
        """
        context = None if self._config.tls is None else server_context(self._config.tls)
        self.open()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._accept(self._tasks, context)
        finally:
            self._tasks = None
            self.close()

    async def _accept(self, tasks: asyncio.TaskGroup, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while self._socket is not None:
            try:
                peer, address = await loop.sock_accept(self._socket)
            except OSError:  # no file descriptor left: whoever knocks waits in the backlog
                await asyncio.sleep(_NO_DESCRIPTOR_PAUSE_S)
                continue
            if not self._masters_at(str(address[0])):
                self.statistics.refused_hosts += 1
                peer.close()
            elif self._full():
                self.statistics.refused_full += 1
                peer.close()
            else:
                self.statistics.connections += 1
                task = tasks.create_task(self._connect(peer, context))
                self._opening[task] = None
                task.add_done_callback(lambda done: self._opening.pop(done, None))

    async def _connect(self, peer: socket.socket, context: ssl.SSLContext | None) -> None:
        peer.settimeout(0)
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, number in _KEEPALIVE.items():
                if hasattr(socket, name):
                    peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)
        handshake_s = self._config.tls.handshake_timeout_s if self._config.tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection,
                peer,
                ssl=context,
                ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=None if context is None else 1.0,
            )
        except OSError:  # ssl.SSLError, reset and time-out are all of them
            self.statistics.handshakes_failed += 1

    def _connection(self) -> MasterConnection:
        connection = MasterConnection(
            self._config,
            self._clock,
            self.statistics,
            self._candidates,
            lambda one: self._connections.pop(one, None),
        )
        self._connections[connection] = None
        return connection

    def _full(self) -> bool:
        """Whether there is no room; who has not spoken yet gives way to a newcomer."""
        if len(self._connections) + len(self._opening) < self._config.max_connections:
            return False
        strangers = [one for one in self._connections if not one.known]
        if not strangers:
            return True
        strangers[0].close()
        return False

    def _masters_at(self, host: str) -> list[MasterConfig]:
        """Masters that may come from a host."""
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return [
            line.session.association.master
            for lines in self.lines.values()
            for line in lines.values()
            if any((mapped or address) in net for net in line.session.association.master.hosts)
        ]

    def _candidates(self, transport: asyncio.BaseTransport) -> Mapping[int, Mapping[int, Line]]:
        """Lines that a peer may have, for where it comes from and whose certificate it shows."""
        address = transport.get_extra_info("peername")
        if address is None:  # gone already
            return {}
        allowed = self._masters_at(str(address[0]))
        if self._config.tls is not None:
            name = peer_name(transport.get_extra_info("peercert"))
            allowed = [master for master in allowed if name and master.certificate_name == name]
        found: dict[int, dict[int, Line]] = {}
        for master_address, lines in self.lines.items():
            for station_address, line in lines.items():
                if any(line.session.association.master is master for master in allowed):
                    found.setdefault(master_address, {})[station_address] = line
        return found

    def wake(self) -> None:
        """Something happened that masters may be told unasked."""
        for connection in self._connections:
            connection.wake()

    def _executor(self, served: Served) -> Callable[[Line], None]:
        def execute(line: Line) -> None:
            if self._tasks is not None:
                self._tasks.create_task(self._execute(served, line))

        return execute

    async def _execute(self, served: Served, line: Line) -> None:
        """Carry out a control request, one control after the other, each once."""
        session = line.session
        request = session.request
        if request is None:
            return
        running = self._running.get(id(line), 0)
        self._running[id(line)] = running + 1
        statuses: list[CommandStatus] = []
        master = session.association.master.name
        try:
            for place in request.due:
                if running >= _MAX_RUNNING:
                    status = CommandStatus.PROCESSING_LIMITED
                elif self._clock.monotonic_s() >= request.deadline_s:
                    status = CommandStatus.UNDEFINED  # its master was told so: not started now
                else:
                    status = await served.operate(request.controls[place], request.mode, master)
                statuses.append(status)
        finally:
            self._running[id(line)] -= 1
        now_s, utc_ms = self._clock.monotonic_s(), self._clock.utc_ms()
        session.complete(request.serial, statuses, now_s, utc_ms)
        if line.connection is not None:
            line.connection.pump()

    def close(self) -> None:
        """Give the port back and cut what is connected; :meth:`run` does it at its end."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.close()
