"""A DNP3 master by dnp3py, another maker's stack than what it talks to: readings, events, statuses.

dnp3py carries the protocol. What it leaves to its owner is here: times as milliseconds, the octet
that tells what became of a control, and one kind of error for whatever goes wrong.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from dnp3.core.enums import CommandStatus, ControlCode
from dnp3.master import Master
from dnp3.master.commands import CommandBuilder
from dnp3.master.config import MasterConfig
from dnp3.master.handler import (
    AnalogValue,
    BinaryValue,
    CounterValue,
    DefaultSOEHandler,
    ResponseInfo,
)
from dnp3.master.tcp_runner import MasterRunnerError, MasterTcpRunner
from dnp3.transport_io.channel import ChannelError

ONLINE, COMM_LOST = 0x01, 0x04
_PATIENCE_S = 5.0
_MAX_EVENTS = 50_000
#: Octets of a response before its objects: control, function, indications.
_HEADER = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a binary output can be told.
CODES = {
    "latch_on": ControlCode.LATCH_ON,
    "latch_off": ControlCode.LATCH_OFF,
    "close": ControlCode.CLOSE_PULSE_ON,
    "trip": ControlCode.TRIP_PULSE_ON,
    "pulse_on": ControlCode.PULSE_ON,
}


class MasterError(RuntimeError):
    """The outstation does not answer, or the connection is lost."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an outstation said of a point.

    Attributes:
        kind: ``BI``, ``BO``, ``CTR``, ``AI`` or ``AO``.
        index: its index.
        value: as counted by the outstation.
        flags: IEEE 1815 quality flags.
        time_ms: UTC, of an event; None for a static value.
    """

    kind: str
    index: int
    value: float
    flags: int
    time_ms: int | None = None


@dataclass(slots=True)
class Seen:
    """Everything a master was told.

    Attributes:
        readings: the latest by kind and index.
        events: in the order they came, the oldest beyond 50,000 dropped.
        count: events ever.
    """

    readings: dict[tuple[str, int], Reading] = field(default_factory=dict)
    events: deque[Reading] = field(default_factory=lambda: deque(maxlen=_MAX_EVENTS))
    count: int = 0

    def take(self, kind: str, values: Iterable[BinaryValue | AnalogValue | CounterValue]) -> None:
        """Take values of one kind as they came."""
        for value in values:
            reading = Reading(
                kind, value.index, float(value.value), value.quality, _utc_ms(value.timestamp)
            )
            self.readings[kind, value.index] = reading
            if reading.time_ms is not None:
                self.events.append(reading)
                self.count += 1


class _Handler(DefaultSOEHandler):
    """Where dnp3py reports to; what it says of the response as a whole is not needed."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def on_binary_input(self, values: list[BinaryValue], info: ResponseInfo) -> None:
        del info
        self._seen.take("BI", values)

    def on_binary_output(self, values: list[BinaryValue], info: ResponseInfo) -> None:
        del info
        self._seen.take("BO", values)

    def on_analog_input(self, values: list[AnalogValue], info: ResponseInfo) -> None:
        del info
        self._seen.take("AI", values)

    def on_analog_output(self, values: list[AnalogValue], info: ResponseInfo) -> None:
        del info
        self._seen.take("AO", values)

    def on_counter(self, values: list[CounterValue], info: ResponseInfo) -> None:
        del info
        self._seen.take("CTR", values)


class _Master(Master):
    """dnp3py's, keeping the last response as it came: it has the statuses of controls."""

    raw = b""

    def process_response(self, data: bytes) -> ResponseInfo | None:
        self.raw = data
        return super().process_response(data)


class Dnp3Master:
    """One master at one outstation.

    Args:
        port: of the outstation on loopback.
        outstation: its link address.
        address: ours.

    Attributes:
        seen: what it was told so far; kept from one connection to the next.
    """

    def __init__(self, port: int, outstation: int, address: int = 1) -> None:
        self.seen = Seen()
        # it warns of each frame of the other outstations behind the same port
        logging.getLogger("dnp3").setLevel(logging.ERROR)
        config = MasterConfig(address=address, outstation_address=outstation)
        self._master = _Master(config=config, handler=_Handler(self.seen))
        self._runner = MasterTcpRunner(
            master=self._master, host="127.0.0.1", port=port, response_timeout=_PATIENCE_S
        )

    async def integrity(self) -> None:
        """Read everything: events, then present values.

        Raises:
            MasterError: no answer.
        """
        try:
            await self._runner.integrity_poll()
        except (MasterRunnerError, ChannelError) as error:
            raise MasterError(f"integrity poll: {error}") from error

    async def poll(self) -> None:
        """Read the events of all classes.

        Raises:
            MasterError: no answer.
        """
        try:
            await self._runner.class_poll()
        except (MasterRunnerError, ChannelError) as error:
            raise MasterError(f"event poll: {error}") from error

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str:
        """Operate one output, selecting it first unless told otherwise.

        Args:
            kind: ``AO`` or ``BO``.
            index: its index.
            value: raw for an analog output; a key of ``CODES`` for a binary one.
            select: whether to select before.

        Returns:
            Name of the control status answered: ``SUCCESS``, ``LOCAL`` ...

        Raises:
            MasterError: no answer, or none about a control.
        """
        builder = CommandBuilder()
        if kind == "AO":
            builder.add_analog(index, float(value))
        else:
            builder.add_crob(index, CODES[str(value)])
        master = self._master
        try:
            if not select:
                direct = builder.build_direct_operate()
                await self._runner.request(master.build_direct_operate(direct))
                return self._status()
            await self._runner.request(master.build_select(builder.build_select()))
            if (status := self._status()) != CommandStatus.SUCCESS.name:
                return status
            await self._runner.request(master.build_operate(builder.build_operate()))
            return self._status()
        except (MasterRunnerError, ChannelError) as error:
            raise MasterError(f"control of {kind} {index}: {error}") from error

    def _status(self) -> str:
        """The status behind the one object echoed, its last octet."""
        raw = self._master.raw
        if len(raw) <= _HEADER:
            raise MasterError("the outstation echoed no control")
        try:
            return CommandStatus(raw[-1]).name
        except ValueError:
            return f"STATUS_{raw[-1]}"

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            MasterError: nobody listens.
        """
        try:
            await self._runner.open()
        except (MasterRunnerError, ChannelError) as error:
            raise MasterError(f"connection: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self._runner.close()


def _utc_ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round((aware - _EPOCH).total_seconds() * 1000)
