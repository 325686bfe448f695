"""The utility's control centre: a DNP3 master that reads the gateway and tries to command it.

It reads the group shown as a DER once, then the site: everything at first, the events of all
classes each second. Near the end it tries two controls that move nothing: a tap beyond the last,
and the tap that the regulator is on. What is answered is recorded, whatever it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from hil.demo.dnp3master import COMM_LOST, ONLINE, Dnp3Master, MasterError, Reading, Seen
from hil.demo.sitecopy import OutstationFacts
from hil.demo.truthtail import TruthTail
from hil.devices.dnp3_points import PointRow, load_bank
from hil.report.record import Control, Northbound

HEAD, TAP, TAP_COMMAND = "feeder.head_p", "reg_b.tap", "reg_b.tap_cmd"
#: A regulator's last tap is 16.
_BEYOND = 20.0
_POLL_S, _RETRY_S, _DER_TRIES = 1.0, 0.5, 6
#: Wall seconds before the end at which controls are tried.
_CONTROLS_BEFORE_END_S = 2.0
#: Of the DER profile, what the report shows.
DER_POINTS = ("p", "q", "s", "hz", "soc", "p_avail_max", "p_avail_min", "p_max_rtg")
_PROFILES = {"AN2018-001": "dnp3_der_an2018", "IEEE 1815.2-2025": "dnp3_der_1815_2"}


@dataclass(slots=True)
class UtilityMaster:
    """The master over one demo.

    Args:
        port: of the gateway's outstation.
        facts: what the site's map has.
        truth: says what simulated time it is.
        seconds: wall seconds of the run.

    Attributes:
        record: what came of it so far.
    """

    port: int
    facts: OutstationFacts
    truth: TruthTail
    seconds: float
    record: Northbound = field(default_factory=Northbound)
    _tried: bool = False

    async def run(self) -> None:
        """Poll until cancelled; an outstation that is lost is tried again."""
        began = asyncio.get_running_loop().time()
        try_at = began + max(self.seconds - _CONTROLS_BEFORE_END_S, 0.0)
        while True:
            try:
                if not self.record.der:
                    await self._read_ders()
                async with Dnp3Master(self.port, self.facts.address) as master:
                    await master.integrity()
                    self.record.points[self.facts.address] = len(master.seen.readings)
                    while True:
                        await self._poll(master)
                        if not self._tried and asyncio.get_running_loop().time() >= try_at:
                            await self._try_controls(master)
                        await asyncio.sleep(_POLL_S)
            except MasterError as error:
                self.record.fault = str(error)
                await asyncio.sleep(_RETRY_S)

    async def _read_ders(self) -> None:
        for address, edition in self.facts.ders.items():
            rows = [load_bank(_PROFILES[edition]).rows[name] for name in DER_POINTS]
            async with Dnp3Master(self.port, address) as master:
                for _ in range(_DER_TRIES):  # it takes a moment until the group has said something
                    await master.integrity()
                    self.record.points[address] = len(master.seen.readings)
                    self.record.der.update(_good(rows, master.seen))
                    if self.record.der:
                        break
                    await asyncio.sleep(_RETRY_S)

    async def _poll(self, master: Dnp3Master) -> None:
        before = master.seen.count
        await master.poll()
        now_s = time.time()
        events = list(_newest(master, master.seen.count - before))
        record = self.record
        record.polls += 1
        record.events += len(events)
        record.lost = sum(bool(r.flags & COMM_LOST) for r in master.seen.readings.values())
        times_s = [event.time_ms / 1000 for event in events if event.time_ms is not None]
        if times_s:
            record.lags_s.append(now_s - max(times_s))
        for event in events:
            if self.facts.points.get((event.kind, event.index)) == HEAD and event.time_ms:
                record.head_time_s.append(self.truth.simulated_s(event.time_ms / 1000))
                record.head_w.append(event.value)

    async def _try_controls(self, master: Dnp3Master) -> None:
        self._tried = True
        places = {point: place for place, point in self.facts.points.items()}
        if TAP_COMMAND not in places or places.get(TAP) not in master.seen.readings:
            return
        present = master.seen.readings[places[TAP]].value
        for value in (_BEYOND, present):
            began, wall_s = time.monotonic(), time.time()
            status = await master.operate(*places[TAP_COMMAND], value)
            self.record.controls.append(
                Control(
                    at_s=self.truth.simulated_s(wall_s),
                    point=TAP_COMMAND,
                    asked=f"tap {value:+.0f}",
                    status=status,
                    round_trip_ms=1000 * (time.monotonic() - began),
                )
            )


def _good(rows: Iterable[PointRow], seen: Seen) -> Iterator[tuple[str, float]]:
    """Points read and good, in engineering units."""
    for row in rows:
        reading = seen.readings.get((row.kind, row.index))
        if reading is not None and reading.flags == ONLINE:
            yield row.point, row.engineering(reading.value)


def _newest(master: Dnp3Master, count: int) -> Iterator[Reading]:
    """The events that came last, in their order."""
    events = master.seen.events
    return islice(events, max(len(events) - count, 0), None)
