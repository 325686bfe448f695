"""The device bus: a TCP server that tells each device its terminal and takes what it does.

The plant never waits for a device: a step uses what each said last. A device that is gone, or
silent for longer than ``SILENT_S``, injects nothing; its regulators stay where they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hil.plant.world import Injection
from hil.wire import (
    FEEDER_PLC,
    MAX_BACKLOG,
    MAX_LINE,
    SWITCHGEAR,
    Message,
    WireError,
    decode,
    encode,
    number,
)

#: Wall seconds without a word after which a connected device counts as gone.
SILENT_S = 3.0
#: Wall seconds a new connection has to say hello.
HELLO_S = 2.0
MAX_CONNECTIONS = 64
_STOP_S = 0.5


@dataclass(slots=True)
class _Seat:
    """One connected device."""

    writer: asyncio.StreamWriter
    heard_at: float
    injection: Injection = field(default_factory=Injection)
    answered: bool = False


@dataclass(slots=True)
class DeviceBus:
    """Keeps one seat a device.

    Attributes:
        devices: names that may say hello.
        taps, caps: the feeder PLC's last commands.
        switches: the switchgear's.
        by_relay, locked: switches their relays moved last, and those locked out.
        faults: what was refused or dropped, counted.
    """

    devices: frozenset[str]
    taps: dict[str, int] = field(default_factory=dict)
    caps: dict[str, bool] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)
    by_relay: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    faults: Counter[str] = field(default_factory=Counter)
    _seats: dict[str, _Seat] = field(default_factory=dict)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_LINE)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection and the server."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        if self._tasks:  # each ends on its own once its connection is closed
            await asyncio.wait(self._tasks, timeout=_STOP_S)

    @property
    def connected(self) -> frozenset[str]:
        """Devices that hold a seat now."""
        return frozenset(self._seats)

    @property
    def complete(self) -> bool:
        """Whether every device is connected and has answered a step."""
        return len(self._seats) == len(self.devices) and all(
            seat.answered for seat in self._seats.values()
        )

    def injections(self, now: float) -> dict[str, Injection]:
        """What the DERs do, the gone and silent ones left out."""
        return {n: s.injection for n, s in self._seats.items() if now - s.heard_at < SILENT_S}

    def send(self, messages: Iterable[tuple[str, Message]]) -> None:
        """Tell devices; a device that does not read loses steps, not the plant time."""
        for name, message in messages:
            seat = self._seats.get(name)
            if seat is None:
                continue
            if seat.writer.transport.get_write_buffer_size() > MAX_BACKLOG:
                self.faults["dropped: device does not read"] += 1
                continue
            seat.writer.write(encode(message))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_CONNECTIONS:
            self.faults["refused: too many connections"] += 1
            writer.close()
            return
        self._writers.add(writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        name = ""
        try:
            name = await asyncio.wait_for(self._hello(reader), HELLO_S)
            self._take_seat(name, writer)
            while line := await reader.readline():
                self._hear(name, decode(line))
        except WireError as error:
            self.faults[f"refused: {error}"[:80]] += 1
        except (ValueError, TimeoutError):  # readline: longer than the limit
            self.faults["refused: no hello or a line too long"] += 1
        except OSError:
            self.faults["connection lost"] += 1
        finally:
            self._writers.discard(writer)
            seat = self._seats.get(name)
            if seat is not None and seat.writer is writer:
                del self._seats[name]
            writer.close()

    async def _hello(self, reader: asyncio.StreamReader) -> str:
        name = decode(await reader.readline()).get("hello")
        if not isinstance(name, str) or name not in self.devices:
            raise WireError("no hello from a device of this scenario")
        return name

    def _take_seat(self, name: str, writer: asyncio.StreamWriter) -> None:
        old = self._seats.pop(name, None)
        if old is not None:
            old.writer.close()
        self._seats[name] = _Seat(writer, asyncio.get_running_loop().time())

    def _hear(self, name: str, message: Message) -> None:
        seat = self._seats.get(name)
        if seat is None:
            return
        seat.heard_at = asyncio.get_running_loop().time()
        if name == FEEDER_PLC:
            taps = _table(message, "taps")
            self.taps = {n: round(number(taps, n)) for n in taps}
            self.caps = {n: v is True for n, v in _table(message, "caps").items()}
        elif name == SWITCHGEAR:
            self.switches = {n: v is True for n, v in _table(message, "switches").items()}
            self.by_relay = _names(message, "by_relay")
            self.locked = _names(message, "locked")
        else:
            poi_closed = message.get("poi_closed", True) is True
            seat.injection = Injection(number(message, "p_w"), number(message, "q_var"), poi_closed)
        seat.answered = True


def _table(message: Message, key: str) -> Message:
    value = message.get(key)
    if not isinstance(value, dict):
        raise WireError(f"{key!r} is no object")
    return value


def _names(message: Message, key: str) -> frozenset[str]:
    value = message.get(key, [])
    if not isinstance(value, list):
        raise WireError(f"{key!r} is no list")
    return frozenset(name for name in value if isinstance(name, str))
