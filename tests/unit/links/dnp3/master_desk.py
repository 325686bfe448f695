"""An association in virtual time, with a hand that plays the outstation octet by octet."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.association import Association, Phase
from gateway.links.dnp3.southbound.commands import Control, encode
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.device import OutputPoint, PolledPoint
from gateway.links.dnp3.southbound.exchange import Now
from gateway.model.command import Command, CommandResult, Priority
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.points.store import PointStore
from tests.conftest import VirtualClock

READ, WRITE, SELECT, OPERATE, DIRECT, ENABLE, DISABLE = 1, 2, 3, 4, 5, 20, 21
DELAY_MEASURE, RECORD_TIME, CONFIRM = 23, 24, 0
RESTART, NEED_TIME, CLASS_1, CLASS_2, OVERFLOW = 0x0080, 0x0010, 0x0002, 0x0004, 0x0800
NO_FUNC, UNKNOWN, PARAMETER = 0x0100, 0x0200, 0x0400
INTEGRITY = bytes.fromhex("3c0206 3c0306 3c0406 3c0106")
CLEAR_RESTART = bytes.fromhex("5001 00 07 07 00")
EVENTS_123 = bytes.fromhex("3c0206 3c0306 3c0406")
COUNT = 4
BI, DBI, AI = PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.ANALOG_INPUT
BO, AO, CTR = PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT, PointType.COUNTER
KINDS = (BI, DBI, AI, BO, AO, CTR)


def analogs(*values: int, start: int = 0) -> bytes:
    """g30v1, written by hand."""
    head = bytes((30, 1, 0, start, start + len(values) - 1))
    return head + b"".join(struct.pack("<Bi", 1, value) for value in values)


def binary_event(index: int, state: int, time_ms: int) -> bytes:
    """g2v2, one event."""
    return bytes((2, 2, 0x17, 1, index, state << 7 | 1)) + time_ms.to_bytes(6, "little")


@dataclass(frozen=True)
class Sent:
    """A fragment that the master sent."""

    octets: bytes

    @property
    def sequence(self) -> int:
        return self.octets[0] & 0x0F

    @property
    def function(self) -> int:
        return self.octets[1]

    @property
    def body(self) -> bytes:
        return self.octets[2:]


@dataclass
class Desk:
    """The association and its surroundings.

    Attributes:
        confirmations: confirmations sent, as octets.
        changes: what the store reported, in order.
        last: the request under way.
    """

    association: Association
    store: PointStore
    clock: VirtualClock
    points: Delivery
    confirmations: list[bytes] = field(default_factory=list)
    changes: list[tuple[str, Measurement]] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)
    last: Sent | None = None

    @property
    def now(self) -> Now:
        return Now(self.clock.monotonic_s(), self.clock.utc_ms())

    @property
    def state(self):
        return self.association.state

    def ask(self) -> Sent | None:
        """What the master sends now."""
        self.association.tick(self.now)
        octets = self.association.next_request(self.now)
        if octets is None:
            return None
        self.last = Sent(octets)
        return self.last

    def expect(self, function: int, body: bytes | None = None) -> Sent:
        """The master sends just this now."""
        sent = self.ask()
        assert sent is not None, f"nothing was sent instead of {function}"
        assert sent.octets[0] & 0xF0 == 0xC0, "a request is one fragment"
        assert (sent.function, body) in ((function, None), (function, sent.body)), sent
        return sent

    def answer(
        self, body: bytes = b"", iin: int = 0, *, first=True, final=True, con=False, sequence=None
    ) -> None:
        """The outstation answers the request under way."""
        assert sequence is not None or self.last is not None
        number = self.last.sequence if sequence is None else sequence & 0x0F
        control = first << 7 | final << 6 | con << 5 | number
        self.say(bytes((control, 129)) + struct.pack("<H", iin) + body)

    def report(self, body: bytes = b"", iin: int = 0, sequence: int = 0) -> None:
        """The outstation sends an unsolicited response."""
        self.say(bytes((0xF0 | sequence, 130)) + struct.pack("<H", iin) + body)

    def say(self, octets: bytes) -> None:
        confirmation = self.association.receive(octets, self.now)
        if confirmation is not None:
            self.confirmations.append(confirmation)

    def start(self, iin: int = 0) -> None:
        """A whole start-up with an outstation that just answers."""
        self.association.connected(self.now)
        while (sent := self.ask()) is not None:
            full = sent.function == READ and sent.body == INTEGRITY
            self.answer(analogs(*range(COUNT)) if full else b"", iin)
        self.confirmations.clear()
        self.changes.clear()
        assert self.association.phase is Phase.RUNNING

    def operate(self, output: OutputPoint, value: float, *, expires_ms: int = 0) -> Control:
        command = Command(output.point, value, "test", Priority.OPERATOR)
        send_by = Now(self.now.s + 5.0, expires_ms)
        control = Control(output, command, encode(output, value), send_by, self.results.append)
        self.association.operate(control)
        return control

    def value(self, point: str) -> float:
        return self.store[point].value

    def good(self, point: str) -> bool:
        return self.store[point].is_good


def desk(clock: VirtualClock, *kinds: PointType, **settings: object) -> Desk:
    """An association with ``COUNT`` points of each type."""
    kinds = kinds or KINDS
    base = {"name": "d", "channel": "c", "address": 10, "scans": (), "unsolicited": (1, 2, 3)}
    config = AssociationConfig.model_validate({**base, **settings})
    every = [(kind, at) for kind in kinds for at in range(COUNT)]
    store = PointStore([PointSpec(f"{k}{at}", PointKind(k.value)) for k, at in every], clock)
    polled = [PolledPoint(store.index[f"{k}{at}"], k, at) for k, at in every]
    points = Delivery(polled, store)
    made = Desk(Association(config, points, lambda: 1.0), store, clock, points)
    names = list(store.index)

    def note(positions: np.ndarray) -> None:
        made.changes += [(names[at], store.at(at)) for at in positions.tolist()]

    store.subscribe(note)
    return made
