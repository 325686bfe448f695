"""One outstation session on a table: octets in, octets out, time as the test says.

Frames and CRCs are built here bit by bit, apart from the code under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.links.dnp3.northbound.database import Database, PointSetup
from gateway.links.dnp3.northbound.session import Session
from gateway.links.dnp3.northbound.station import Station, Surroundings
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig, UnsolicitedConfig
from gateway.model.command import CommandStatus

BI, DBI, BO = PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.BINARY_OUTPUT
CTR, FCTR = PointType.COUNTER, PointType.FROZEN_COUNTER
AI, AO, OS = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT, PointType.OCTET_STRING

#: 0x018BCFE56800 ms: 68 00 ... as six octets, low first: "00 68 E5 CF 8B 01".
UTC_MS = 1_700_000_000_000
TIME = "00 68 E5 CF 8B 01"

#: Five binaries (class 1), two double bits, three outputs, three counters (class 3), five
#: analogs (class 2), three analog outputs, one string; all 0 and ONLINE.
MAP = [
    *(PointSetup(BI, n, 1) for n in range(5)),
    *(PointSetup(DBI, n, 1) for n in range(2)),
    *(PointSetup(BO, n, 0) for n in range(3)),
    *(PointSetup(CTR, n, 3) for n in range(3)),
    *(PointSetup(AI, n, 2) for n in range(5)),
    *(PointSetup(AO, n, 0) for n in range(3)),
    PointSetup(OS, 0, 3),
]


def octets(text: str) -> bytes:
    """Octets of a hex text."""
    return bytes.fromhex(text)


def _remainder(octet: int) -> int:
    """By the book: polynomial 0x3D65, reflected, bit by bit."""
    for _ in range(8):
        octet = (octet >> 1) ^ (0xA6BC if octet & 1 else 0)
    return octet


_REMAINDERS = [_remainder(octet) for octet in range(256)]


def crc(data: bytes) -> bytes:
    """DNP3's CRC: inverted, low octet first."""
    remainder = 0
    for octet in data:
        remainder = (remainder >> 8) ^ _REMAINDERS[(remainder ^ octet) & 0xFF]
    return (remainder ^ 0xFFFF).to_bytes(2, "little")


def link_frame(control: int, payload: bytes = b"", to: int = 1024, of: int = 1) -> bytes:
    """A frame: 05 64, length, control, destination, source, CRC, blocks of 16 with CRCs."""
    head = bytes((0x05, 0x64, 5 + len(payload), control))
    head += to.to_bytes(2, "little") + of.to_bytes(2, "little")
    blocks = [payload[at : at + 16] for at in range(0, len(payload), 16)]
    return head + crc(head) + b"".join(block + crc(block) for block in blocks)


def unframe(stream: bytes) -> list[tuple[int, bytes]]:
    """Control octet and payload of every frame, each CRC checked."""
    frames = []
    while stream:
        assert stream[:2] == b"\x05\x64"
        assert crc(stream[:8]) == stream[8:10]
        left, control, stream = stream[2] - 5, stream[3], stream[10:]
        payload = b""
        while left:
            size = min(16, left)
            assert crc(stream[:size]) == stream[size : size + 2]
            payload, stream, left = payload + stream[:size], stream[size + 2 :], left - size
        frames.append((control, payload))
    return frames


@dataclass(frozen=True)
class Answer:
    """One application fragment of the outstation, in parts."""

    control: int
    function: int
    iin: int
    body: bytes

    @property
    def sequence(self) -> int:
        return self.control & 0x0F

    @property
    def wants_confirmation(self) -> bool:
        return bool(self.control & 0x20)


class Bench:
    """A station with one master, and what the router would say."""

    def __init__(
        self,
        points: Sequence[PointSetup] = MAP,
        *,
        deadbands: Mapping[tuple[PointType, int], float] | None = None,
        reports: UnsolicitedConfig | None = None,
        time_sync_interval_s: float = 0.0,
        **settings: Any,
    ) -> None:
        self.now_s, self.utc_ms = 1000.0, UTC_MS
        self.verdict = CommandStatus.SUCCESS
        self.local = self.inhibited = self.trouble = False
        self.times: list[int] = []
        self.restarts: list[int] = []
        master = MasterConfig(
            name="dms", hosts=("127.0.0.1",), unsolicited=reports is not None,
            time_sync_interval_s=time_sync_interval_s,
        )  # fmt: skip
        self.database = Database(points)
        for kind, columns in self.database.columns.items():
            if kind is not OS and kind is not FCTR:
                self.put(kind, columns.indices, 0.0)
        self.station = Station(
            OutstationConfig(
                masters=(master,), unsolicited=reports or UnsolicitedConfig(), **settings
            ),
            self.database,
            lambda *_: self.verdict,
            Surroundings(
                lambda: self.local,
                lambda: self.inhibited,
                lambda: self.trouble,
                lambda _, utc_ms: self.times.append(utc_ms),
                lambda _, function: self.restarts.append(function),
            ),
            {"dms": deadbands or {}},
        )
        self.association = self.station.associations[1]
        self.session = Session(self.association)
        self.session.connect()
        self._transport = 0

    def put(
        self, kind: PointType, index: Any, value: float, flags: int = 1, time_ms: int = UTC_MS,
        *, set_clock: bool = True,
    ) -> None:  # fmt: skip
        """New state of one point or several."""
        at = np.atleast_1d(np.asarray(index, dtype=np.intp))
        values, quality = np.full(len(at), float(value)), np.full(len(at), flags, dtype=np.uint8)
        self.database.update(kind, at, values, quality, time_ms, set_clock)

    def send(self, stream: bytes) -> list[tuple[int, bytes]]:
        """Raw octets in; frames out."""
        self.session.receive(stream, self.now_s, self.utc_ms)
        return unframe(self.session.outgoing())

    def ask(self, request: str, to: int = 1024) -> list[Answer]:
        """An application fragment in, as hex; application fragments out."""
        fragment = octets(request)
        stream = b""
        parts = [fragment[at : at + 249] for at in range(0, len(fragment), 249)]
        for number, part in enumerate(parts):
            head = self._transport | (0x40 * (number == 0)) | (0x80 * (number == len(parts) - 1))
            self._transport = (self._transport + 1) % 64
            stream += link_frame(0xC4, bytes((head,)) + part, to)  # unconfirmed user data
        return answers(self.send(stream))

    def one(self, request: str) -> Answer:
        """As :meth:`ask`, for exactly one answer."""
        (answer,) = self.ask(request)
        return answer

    def confirm(self, answer: Answer) -> list[Answer]:
        """Confirm a response."""
        unsolicited = answer.control & 0x10
        return self.ask(f"{0xC0 | unsolicited | answer.sequence:02X} 00")

    def wait(self, seconds: float) -> list[Answer]:
        """Let time pass; what came of it."""
        self.now_s += seconds
        self.utc_ms += round(seconds * 1000)
        return self.tick()

    def tick(self) -> list[Answer]:
        """What is due now."""
        self.session.tick(self.now_s, self.utc_ms)
        return answers(unframe(self.session.outgoing()))

    def complete(self, *statuses: CommandStatus) -> list[Answer]:
        """Controls under way end so."""
        request = self.session.request
        assert request is not None
        self.session.complete(request.serial, statuses, self.now_s, self.utc_ms)
        return answers(unframe(self.session.outgoing()))

    def counts(self) -> tuple[int, int, int]:
        """Events held, by class."""
        return self.association.events.counts()


def answers(frames: list[tuple[int, bytes]]) -> list[Answer]:
    """Application fragments out of user-data frames."""
    found, series = [], b""
    for control, payload in frames:
        assert control == 0x44  # from the outstation, primary, unconfirmed user data
        series = payload[1:] if payload[0] & 0x40 else series + payload[1:]
        if payload[0] & 0x80:
            iin = int.from_bytes(series[2:4], "little")
            found.append(Answer(series[0], series[1], iin, series[4:]))
    return found
