"""A fixed outstation for conformance procedures: five points of each type, moved over a socket.

Address 1024, master 1 from this machine, selections stand 5 s. The control socket takes a line a
command and answers each with ``ok`` or ``error: why``::

    set ai 2 17.5      value of a point, engineering units (bi bo dbi ctr ai ao)
    flags ai 2 5       its IEEE 1815 quality bits
    string 0 hello     an octet string
    local on           local control (also: inhibit, trouble), on or off
    restart            as after a restart towards every master
    quit               stop
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from ipaddress import IPv4Network

import numpy as np

from gateway.links.dnp3.northbound.point_map import MappedPoint
from gateway.links.dnp3.northbound.station import Surroundings
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.clock import Clock
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.errors import LocalProtocolError
from gateway.model.point import PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore

POINTS = 5
ADDRESS, MASTER = 1024, 1
_LOOPBACK = "127.0.0.1"
#: Event class, static and event variation of each type; analogs as floats, so that any value fits.
_MAP = {
    PointKind.BI: (1, 2, 2),
    PointKind.DBI: (1, 2, 2),
    PointKind.BO: (1, 2, 2),
    PointKind.CTR: (3, 1, 5),
    PointKind.AI: (2, 5, 7),
    PointKind.AO: (2, 3, 7),
}
_COMMANDS = (
    "set TYPE INDEX VALUE, flags TYPE INDEX BITS, string INDEX TEXT, "
    "local|inhibit|trouble on|off, restart, quit"
)
_MAX_LINE = 1024
_SWITCH = {"on": True, "off": False}


class ConformanceOutstation:
    """The outstation, its inputs, and outputs whose status is what they were set to.

    Args:
        clock: time.
        port: of the outstation; 0 lets the system choose.
        allow_unsolicited: whether its master may ask for unsolicited responses.
    """

    def __init__(self, clock: Clock, port: int = 0, *, allow_unsolicited: bool = True) -> None:
        self._clock = clock
        specs = [
            PointSpec(f"{kind.lower()}.{n}", kind, event_class=_MAP[kind][0])
            for kind in _MAP
            for n in range(POINTS)
        ]
        self._store = PointStore(specs, clock)
        for spec in specs:
            self._put(spec.id, 0.0, Quality.ONLINE)
        self._on = dict.fromkeys(("local", "inhibit", "trouble"), False)
        self._stopped = asyncio.Event()
        config = OutstationConfig(
            host=_LOOPBACK,
            port=port,
            address=ADDRESS,
            masters=(
                MasterConfig(
                    name="master",
                    address=MASTER,
                    hosts=(IPv4Network("127.0.0.0/8"),),
                    unsolicited=allow_unsolicited,
                    time_sync_interval_s=3600.0,
                ),
            ),
            select_timeout_s=5.0,
            allow_restart=True,
        )
        self.outstation = Dnp3Outstation(
            config, self._points(specs), self._store, self, clock,
            {n: f"string {n}" for n in range(POINTS)},
            Surroundings(
                local=lambda: self._on["local"],
                inhibited=lambda: self._on["inhibit"],
                trouble=lambda: self._on["trouble"],
            ),
        )  # fmt: skip
        self._store.subscribe(self.outstation.note_changed)

    async def run(self, control_port: int, announce: Callable[[int, int], None]) -> None:
        """Serve until cancelled or told to quit.

        Args:
            control_port: of the control socket, on loopback; 0 lets the system choose.
            announce: told both ports, outstation's first, once they listen.

        Raises:
            LinkError: the outstation's port cannot be had.
            OSError: the control socket's cannot.
        """
        self.outstation.server.open()
        server = await asyncio.start_server(
            self._converse, _LOOPBACK, control_port, limit=_MAX_LINE
        )
        async with server:
            announce(self.outstation.port, server.sockets[0].getsockname()[1])
            running = asyncio.ensure_future(self.outstation.run())
            stopped = asyncio.ensure_future(self._stopped.wait())
            try:
                await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running

    def command(self, line: str) -> str:
        """Do what a line says; ``ok`` or ``error: why``."""
        name, *words = line.split()
        try:
            if name == "set":
                self._put(_id(words[0], words[1]), float(words[2]), None)
            elif name == "flags":
                self._put(_id(words[0], words[1]), None, Quality(int(words[2])))
            elif name == "string":
                self.outstation.set_string(int(words[0]), " ".join(words[1:]))
            elif name == "restart":
                self.outstation.station.restarted()
                self.outstation.server.wake()
            elif name == "quit":
                self._stopped.set()
            elif name in self._on:
                self._on[name] = _SWITCH[words[0]]
            else:
                return f"error: there is no command {name!r}; there are: {_COMMANDS}"
        except (KeyError, IndexError, ValueError, LocalProtocolError) as error:
            return f"error: {line!r} cannot be done: {error}"
        return "ok"

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        """Every output takes every value its kind has."""
        del value, master
        return CommandStatus.SUCCESS if point in self._store else CommandStatus.NOT_SUPPORTED

    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        """Outputs take effect at once; their status says so."""
        del mode, master
        self._put(point, value, Quality.ONLINE)
        return CommandStatus.SUCCESS

    def _points(self, specs: list[PointSpec]) -> list[MappedPoint]:
        return [
            MappedPoint(
                position,
                spec.id,
                PointType(spec.kind),
                position % POINTS,
                *_MAP[spec.kind],
                output=spec.kind.is_output,
            )
            for position, spec in enumerate(specs)
        ] + [MappedPoint(-1, "", PointType.OCTET_STRING, n, event_class=3) for n in range(POINTS)]

    def _put(self, point: str, value: float | None, quality: Quality | None) -> None:
        now = self._store[point]
        self._store.update_block(
            np.array([self._store.index[point]], dtype=np.intp),
            np.array([now.value if value is None else value]),
            np.array([now.quality if quality is None else quality], dtype=np.uint8),
            self._clock.utc_ms(),
            synchronised=True,
        )

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # a line too long ends it
            while line := await reader.readline():
                if words := line.decode(errors="replace").strip():
                    writer.write(f"{self.command(words)}\n".encode())
                    await writer.drain()
        writer.close()


def _id(kind: str, index: str) -> str:
    return f"{kind.lower()}.{int(index)}"
