"""DERs behind the 2030.5 server as points: what they post goes in, commands go out as controls."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.links.sep2.config import Sep2ServerConfig
from gateway.links.sep2.events import EventStatusCode
from gateway.links.sep2.resources import (
    DERControl,
    DERControlBase,
    DERControlResponse,
    DERCurve,
    MirrorUsagePoint,
    Reading,
    ReadingType,
    Resource,
    Response,
)
from gateway.links.sep2.response_codes import ResponseCode
from gateway.links.sep2.server import Hooks, ProgramFullError, ProgramSetup, Sep2Server
from gateway.links.sep2.southbound.desk import Desk, Pace
from gateway.links.sep2.southbound.orders import DerOutput, described
from gateway.links.sep2.southbound.telemetry import DerInput, Sink, Telemetry
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.errors import LinkError

__all__ = ["DerInput", "DerOutput", "DerServer", "DerState", "Pace", "Sep2Der"]

_LOOK_S = 1.0
_ORDERS_SHOWN = 50
#: Statuses of a control that is followed or will be.
_OPEN = (EventStatusCode.SCHEDULED, EventStatusCode.ACTIVE)
#: What an EndDevice keeps that stands until it says otherwise, by the server's names.
_STANDING = ("dercap", "derg")


@dataclass(frozen=True, slots=True)
class Sep2Der:
    """One DER.

    Attributes:
        name: the device.
        lfdi: of its EndDevice.
        client: LFDI of the certificate it is reached through: its own, or its aggregator's.
        program: number of the program that is its alone.
        inputs, outputs: its points.
        pace: how long things take.
    """

    name: str
    lfdi: str
    client: str
    program: int
    inputs: tuple[DerInput, ...]
    outputs: tuple[DerOutput, ...]
    pace: Pace


@dataclass
class OrderState:
    """One control as it went.

    Attributes:
        mrid: 32 hex digits.
        made_ms: UTC ms.
        sets: what it sets, in words.
        answers: statuses the DER answered, each with its arrival, UTC ms.
    """

    mrid: str
    made_ms: int
    sets: tuple[str, ...]
    answers: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class DerState:
    """What is known of one DER, live.

    Attributes:
        lfdi: of its EndDevice.
        last_contact_ms: when its client was heard last, UTC ms; 0 before.
        controls: controls ordered since the start.
        responses: responses since the start, by status.
        orders: the latest controls, oldest first.
    """

    lfdi: str
    last_contact_ms: int = 0
    controls: int = 0
    responses: dict[int, int] = field(default_factory=dict)
    orders: deque[OrderState] = field(default_factory=lambda: deque(maxlen=_ORDERS_SHOWN))


class DerServer:
    """The site's 2030.5 server with its DERs' points.

    Args:
        config: settings of the server.
        programs: what its clients are in; each DER's own among them.
        ders: the DERs.
        sink: the store.
        clock: time.

    Attributes:
        states: what is known of each DER, by name, live.

    Raises:
        ConfigError: a certificate, the schema or the state cannot be used.
    """

    def __init__(
        self,
        config: Sep2ServerConfig,
        programs: Sequence[ProgramSetup],
        ders: Sequence[Sep2Der],
        sink: Sink,
        clock: Clock,
    ) -> None:
        self._config = config
        self._programs = tuple(programs)
        self._clock = clock
        self._ders = {der.lfdi: der for der in ders}
        self._telemetry = {der.lfdi: Telemetry(der.inputs, sink, clock) for der in ders}
        new_mrid = _mrids(config.pen)
        self._desks = {
            der.lfdi: Desk(
                der.name, der.outputs, _Own(self, der.program), sink, clock, der.pace, new_mrid
            )
            for der in ders
        }
        self._desk_of = {
            point: self._desks[der.lfdi] for der in ders for point in self._desks[der.lfdi].points
        }
        states = {der.name: DerState(der.lfdi) for der in ders}
        self.states: Mapping[str, DerState] = MappingProxyType(states)
        self.server = self._make()
        self._used = False

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkError: the address cannot be listened on, or the state cannot be written.
        """
        if self._used:  # after a fault the live view may be ahead of the disk: begin from there
            self.server = self._make()
        self._used = True
        for desk in self._desks.values():
            desk.adopt()
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._follow())
                parts.create_task(self._renew())
                await self.server.run()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            self.server.close()

    async def operate(self, command: Command) -> CommandResult:
        """Carry a command to its DER: sent at most once, its end is a value."""
        desk = self._desk_of.get(command.point)
        if desk is None:
            detail = f"{command.point} is no output of a 2030.5 device"
            return CommandResult(command, CommandStatus.NOT_SUPPORTED, detail)
        try:
            return await desk.operate(command)
        except LinkError as error:  # not on disk: the server begins again from what is
            return CommandResult(command, CommandStatus.HARDWARE_ERROR, str(error))

    def note_order(self, program: int, mrid: int, base: DERControlBase) -> None:
        """Count and show a control of a DER's own program."""
        order = OrderState(f"{mrid:032X}", self._clock.utc_ms(), described(base))
        for der in self._ders.values():
            if der.program == program:
                self.states[der.name].controls += 1
                self.states[der.name].orders.append(order)

    def _make(self) -> Sep2Server:
        hooks = Hooks(self._on_response, self._on_resource, self._on_reading)
        return Sep2Server(self._config, self._programs, self._clock, hooks)

    async def _follow(self) -> None:
        """What stands, stands while its client is heard; see :class:`Telemetry`."""
        while True:
            heard = self.server.statistics.last_contact_ms
            for der in self._ders.values():
                at_ms = heard.get(der.client, 0)
                state = self.states[der.name]
                if at_ms > state.last_contact_ms:
                    first, state.last_contact_ms = not state.last_contact_ms, at_ms
                    self._contact(der, first=first)
            await asyncio.sleep(_LOOK_S)

    def _contact(self, der: Sep2Der, *, first: bool) -> None:
        desk = self._desks[der.lfdi]
        if desk.contact() or first:
            desk.show()
        if self._telemetry[der.lfdi].contact() or first:
            for kind in _STANDING:
                resource = self.server.latest(der.lfdi, kind)
                if resource is not None:
                    self._telemetry[der.lfdi].take(resource)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            for desk in self._desks.values():
                await desk.renew()

    def _on_response(self, lfdi: str, response: Response) -> None:
        der = self._ders.get(lfdi)
        if der is None or not isinstance(response, DERControlResponse):
            return
        state, status = self.states[der.name], response.status or 0
        state.responses[status] = state.responses.get(status, 0) + 1
        subject = f"{response.subject:032X}"
        for order in state.orders:
            if order.mrid == subject:
                order.answers.append((status, self._clock.utc_ms()))
        self._desks[lfdi].respond(response)

    def _on_resource(self, lfdi: str, kind: str, resource: Resource) -> None:  # noqa: ARG002 - a hook
        if lfdi in self._telemetry:
            self._telemetry[lfdi].take(resource)

    def _on_reading(
        self,
        lfdi: str,
        point: MirrorUsagePoint,  # noqa: ARG002 - a hook
        kind: ReadingType | None,
        reading: Reading,
    ) -> None:
        if lfdi in self._telemetry and kind is not None:  # without its type it is no quantity
            self._telemetry[lfdi].reading(kind, reading)


class _Own:
    """A DER's own program, as its desk sees it."""

    def __init__(self, link: DerServer, number: int) -> None:
        self._link = link
        self._number = number

    async def add_control(
        self, base: DERControlBase, *, start: int, duration: int, mrid: int
    ) -> DERControl:
        self._link.note_order(self._number, mrid, base)
        try:
            return await self._link.server.add_control(
                self._number, base, start, duration, mrid=mrid
            )
        except ProgramFullError as error:
            raise RuntimeError(str(error)) from error

    async def cancel_control(self, mrid: int) -> None:
        await self._link.server.cancel_control(mrid)

    async def add_curve(self, made: DERCurve) -> str:
        return await self._link.server.add_curve(self._number, made)

    def in_force(self) -> DERControl | None:
        open_ = [
            control
            for control in self._link.server.controls(self._number)
            if control.event_status.current_status in _OPEN
        ]
        return max(open_, key=lambda control: (control.creation_time, control.mrid), default=None)


def _mrids(pen: int) -> Callable[[], int]:
    """Random mRIDs whose last eight digits are the enterprise number."""
    return lambda: secrets.randbits(96) << 32 | pen


#: What :attr:`DerState.responses` counts, in words, for people.
RESPONSES: Mapping[int, str] = MappingProxyType(
    {int(code): code.name.lower().replace("_", " ") for code in ResponseCode}
)
