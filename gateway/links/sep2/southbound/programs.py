"""DER programs: what the gateway orders, and the clients' view of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from gateway.links.sep2.codec import decode, encode, encode_fragment
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
    Link,
)
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.journal import Drop, Record
from gateway.links.sep2.southbound.controls import KIND, Controls
from gateway.links.sep2.southbound.documents import SUBSCRIBABLE
from gateway.links.sep2.southbound.ground import Ground
from gateway.links.sep2.southbound.registrations import Registrations
from gateway.model.errors import LinkError, LocalProtocolError, TielineError

_CURVE = "curve"
#: responseRequired of controls: that it was received, and what became of it.
_RESPONSES = 0x03
#: OneHourRangeType; the schema's type is wider than the standard's words.
_WIDEST_OFFSET_S = 3600
#: Longest between two looks at the clock, so that a step of it is noticed.
_LOOK_S = 1.0


class ProgramFullError(TielineError):
    """A program holds as many controls or curves as it may."""


@dataclass(frozen=True, slots=True)
class ProgramSetup:
    """One program.

    Attributes:
        number: in its path.
        mrid: its identity; its last eight digits are the enterprise number.
        primacy: the lower one wins.
        description: for people, up to 32 octets.
        devices: LFDIs of its EndDevices; None for all.
        default: what holds while no control does.
    """

    number: int
    mrid: int
    primacy: int
    description: str = ""
    devices: frozenset[str] | None = None
    default: DefaultDERControl | None = None


@dataclass(slots=True)
class Program:
    """A program with what is in it.

    Attributes:
        setup: what it is.
        controls: its controls.
        curves: its curves by number, each with its element.
    """

    setup: ProgramSetup
    controls: Controls
    curves: dict[int, tuple[DERCurve, bytes]]

    @property
    def path(self) -> str:
        """Its path."""
        return f"/derp/{self.setup.number}"

    def unused_curves(self) -> list[int]:
        """Numbers of the curves that no control that is kept refers to, oldest first."""
        used = {
            value.href
            for control in self.controls.by_number.values()
            for field in fields(control.control.der_control_base)
            if isinstance(value := getattr(control.control.der_control_base, field.name), Link)
        }
        default = self.setup.default
        if default is not None:
            base = default.der_control_base
            links = (getattr(base, field.name) for field in fields(base))
            used |= {link.href for link in links if isinstance(link, Link)}
        return sorted(n for n in self.curves if f"{self.path}/dc/{n}" not in used)

    def serves(self, lfdi: str) -> bool:
        """Whether an EndDevice is in it."""
        return self.setup.devices is None or lfdi in self.setup.devices


class Programs:
    """All programs.

    Args:
        ground: journal, clock and limits.
        registrations: whose EndDevices are whose.
        setups: the programs.

    Raises:
        LocalProtocolError: two programs have the same number or mRID.
    """

    def __init__(
        self, ground: Ground, registrations: Registrations, setups: Sequence[ProgramSetup]
    ) -> None:
        self._ground = ground
        self._registrations = registrations
        keep = (ground.config.linger_s, ground.config.retain_s)
        ordered = sorted(setups, key=lambda setup: (setup.primacy, setup.mrid))
        self._programs = {
            setup.number: Program(setup, Controls(setup.number, setup.primacy, *keep), {})
            for setup in ordered
        }
        if len({setup.mrid for setup in setups}) != len(setups) or len(self._programs) != len(
            setups
        ):
            raise LocalProtocolError("two programs have the same number or mRID")
        self._wake = asyncio.Event()

    def load(self) -> None:
        """Take what the journal holds; what belongs to a program that is gone stays there."""
        for record in self._ground.journal.load(KIND):
            if (program := self._programs.get(int(record.parent))) is not None:
                program.controls.restore(record)
        for record in self._ground.journal.load(_CURVE):
            if (program := self._programs.get(int(record.parent))) is not None:
                curve = decode(record.body, DERCurve)
                program.curves[record.number] = (curve, encode_fragment(curve))

    def visible(self, client: Client) -> list[Program]:
        """The programs of a client, by primacy."""
        return [p for p in self._programs.values() if self._reaches(p, client)]

    def of_device(self, lfdi: str) -> list[Program]:
        """The programs of an EndDevice, by primacy."""
        return [program for program in self._programs.values() if program.serves(lfdi)]

    def find(self, client: Client, number: int) -> Program | None:
        """A program, where it is one of the client's; its statuses are those of now."""
        program = self._programs.get(number)
        if program is None or not self._reaches(program, client):
            return None
        self.refresh(program)
        return program

    def by_mrid(self, mrid: int) -> Program | None:
        """The program of a control."""
        for program in self._programs.values():
            if mrid in program.controls.by_mrid:
                return program
        return None

    def refresh(self, program: Program) -> None:
        """Bring a program's statuses to now, and tell subscribers where they changed."""
        lists, records = program.controls.refresh(self._ground.now_s())
        if records:
            self._ground.journal.write(*records)
        for name in lists:
            self._ground.changed(f"{program.path}/{name}", None)

    async def run(self) -> None:
        """Follow the clock until cancelled, so that changes are told when they happen.

        Raises:
            LinkError: the state cannot be written.
        """
        while True:
            self._wake.clear()
            for program in self._programs.values():
                self.refresh(program)
            if self._ground.journal.fault:  # nobody waits for what a refresh writes
                raise LinkError(self._ground.journal.fault)
            instants = [p.controls.next_change for p in self._programs.values()]
            due = min((at for at in instants if at is not None), default=None)
            wait_s = _LOOK_S
            if due is not None:
                wait_s = min(wait_s, max(0.0, due - self._ground.clock.utc_ms() / 1000))
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def add_control(
        self,
        number: int,
        base: DERControlBase,
        interval: DateTimeInterval,
        randomize: tuple[int | None, int | None],
        mrid: int | None,
    ) -> DERControl:
        """Order something; durable once it returns. See :meth:`.server.Sep2Server.add_control`."""
        program = self._program(number)
        limits = self._ground.config.storage
        room = len(program.controls.by_number) < limits.controls
        made_room = None if room else program.controls.make_room(self._ground.now_s())
        if not room:
            self._ground.statistics.dropped["DERControl"] += 1
            if made_room is None:
                raise ProgramFullError(f"program {number} holds {limits.controls} controls")
            self._ground.journal.write(made_room)
        if mrid is None:
            mrid = secrets.randbits(96) << 32 | self._ground.config.pen
        if self.by_mrid(mrid) is not None:
            raise LocalProtocolError(f"there is a control {mrid:032X} already")
        now = self._ground.now_s()
        control = DERControl(
            href=f"{program.path}/derc/{program.controls.next_number}",
            reply_to=f"/rsps/{number}/rsp",
            response_required=_RESPONSES,
            subscribable=0,
            mrid=mrid,
            creation_time=now,
            event_status=EventStatus(current_status=0, date_time=now, potentially_superseded=False),
            interval=interval,
            randomize_start=randomize[0],
            randomize_duration=randomize[1],
            der_control_base=base,
        )
        if any(abs(offset or 0) > _WIDEST_OFFSET_S for offset in randomize):
            raise LocalProtocolError(f"a random offset is wider than {_WIDEST_OFFSET_S} s")
        encode(control, csip_aus=True)  # what does not fit the wire is refused before it is kept
        made = program.controls.add(control)
        written = self._ground.journal.write(made.journalled(number))
        self._look(program)
        await written
        return made.control

    async def cancel_control(self, mrid: int, *, randomized: bool) -> None:
        """Take an order back; durable once it returns."""
        program = self.by_mrid(mrid)
        if program is None:
            raise LocalProtocolError(f"there is no control {mrid:032X}")
        control = program.controls.by_mrid[mrid]
        if control.settled:
            return
        program.controls.cancel(control, self._ground.now_s(), randomized=randomized)
        written = self._ground.journal.write(control.journalled(program.setup.number))
        self._look(program)
        await written

    async def add_curve(self, number: int, curve: DERCurve) -> str:
        """Publish a curve; durable once it returns. Gives its path."""
        program = self._program(number)
        limits = self._ground.config.storage
        if len(program.curves) >= limits.curves:
            self._ground.statistics.dropped["DERCurve"] += 1
            unused = program.unused_curves()
            if not unused:
                raise ProgramFullError(f"program {number} holds {limits.curves} curves")
            del program.curves[unused[0]]
            self._ground.journal.write(Drop(_CURVE, str(number), unused[0]))
        at = max(program.curves, default=0) + 1
        path = f"{program.path}/dc/{at}"
        placed = replace(curve, href=path)
        program.curves[at] = (placed, encode_fragment(placed))
        key = f"{placed.mrid:032X}"
        record = Record(_CURVE, str(number), at, key, body=encode(placed))
        written = self._ground.journal.write(record)
        self._ground.changed(f"{program.path}/dc", None)
        await written
        return path

    def controls(self, number: int) -> tuple[DERControl, ...]:
        """What clients are shown of a program's controls, each with its status of now."""
        program = self._program(number)
        self.refresh(program)
        return tuple(control.control for control in program.controls.listed)

    def default(self, program: Program) -> DefaultDERControl | None:
        """What holds in a program while no control does."""
        default = program.setup.default
        if default is None:
            return None
        return replace(default, href=f"{program.path}/dderc", subscribable=SUBSCRIBABLE)

    def _program(self, number: int) -> Program:
        program = self._programs.get(number)
        if program is None:
            raise LocalProtocolError(f"there is no program {number}")
        return program

    def _reaches(self, program: Program, client: Client) -> bool:
        """Whether a program is for any of a client's EndDevices."""
        devices = self._registrations.visible(client)
        members = program.setup.devices
        if members is None:
            return bool(devices)
        if len(members) < len(devices):
            return any(self._registrations.of(client, lfdi) is not None for lfdi in members)
        return any(device.lfdi in members for device in devices)

    def _look(self, program: Program) -> None:
        self.refresh(program)
        self._wake.set()
