"""The three processes of 1,000 changes a second, each with its own figures.

``dnp3_changes.py outstations SECONDS`` serves 50 outstations of py1815 and, told to, changes each
20 times a second; ``gateway PORT...`` polls them into its store and is their outstation to the
north; ``master PORT`` is a yadnp3 master there. Values are sequence numbers, one series a point.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from statistics import quantiles
from typing import Any

import opendnp3
from py1815.events import EventBuffers, EventClass
from py1815.objects import AnalogPoint
from py1815.server import OutstationServer
from py1815.session import Session

from gateway.links.dnp3.config import AssociationConfig, ChannelConfig
from gateway.links.dnp3.master import Dnp3Device, Dnp3Master, PolledPoint
from gateway.links.dnp3.northbound.point_map import MappedPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from tests.bench.dnp3_parts import (
    CORES,
    OUTSTATION,
    Actuator,
    cpu_s,
    pin,
    yadnp3_master,
)
from tests.interop.dnp3.peers_outstation import Py1815Points

STATIONS, POINTS, RATE_HZ = 50, 4, 20
TYPE = PointType.ANALOG_INPUT
#: Longest that the last change may be on its way.
SETTLE_S = 3.0


async def line() -> str:
    """What the bench says next; empty at its end."""
    return await asyncio.to_thread(sys.stdin.readline)


def say(what: Any) -> None:
    print(json.dumps(what), flush=True)


class Station:
    """One py1815 outstation whose analogs count."""

    def __init__(self) -> None:
        self._points = Py1815Points(POINTS)
        self._points.analogs = [0.0] * POINTS
        self._events = EventBuffers(capacity=10_000)
        session = Session(
            self._points, events=self._events, outstation_address=OUTSTATION, unsolicited=True
        )
        self.server = OutstationServer(session, bind="127.0.0.1:0")
        self.made = 0

    def change(self) -> None:
        """The next change: point after point, each one up."""
        index = self.made % POINTS
        self.made += 1
        value = self._points.analogs[index] + 1.0
        self._points.analogs[index] = value
        self._events.record_analog(
            index, AnalogPoint(value), event_class=EventClass.CLASS_1,
            timestamp_ms=time.time_ns() // 1_000_000,
        )  # fmt: skip
        self.server.notify()


async def outstations(seconds: float) -> None:
    stations = [Station() for _ in range(STATIONS)]
    for station in stations:
        await station.server.start()
    say([station.server.port for station in stations])
    await line()
    before_s, begin_s = cpu_s(), time.perf_counter()
    steps = round(seconds * RATE_HZ * STATIONS)
    for step in range(steps):  # one station after the other, evenly in time
        due_s = begin_s + step / (RATE_HZ * STATIONS)
        wait_s = due_s - time.perf_counter()
        if wait_s > 0 or step % 20 == 0:
            await asyncio.sleep(max(0.0, wait_s))
        stations[step % STATIONS].change()
    took_s = time.perf_counter() - begin_s
    say({"made": sum(one.made for one in stations), "took_s": took_s,
         "core_pct": 100 * (cpu_s() - before_s) / took_s})  # fmt: skip
    await line()


def parts(store: PointStore, ports: list[int]) -> tuple[Dnp3Master, Dnp3Outstation]:
    """Our two sides around one store."""
    clock = SystemClock()
    channels, devices, mapped = [], [], []
    for number, port in enumerate(ports):
        name, first = f"d{number}", number * POINTS
        channels.append(ChannelConfig(name=name, host="127.0.0.1", port=port))
        config = AssociationConfig(name=name, channel=name, address=OUTSTATION)
        points = [PolledPoint(first + at, TYPE, at) for at in range(POINTS)]
        devices.append(Dnp3Device(config, tuple(points)))
        mapped += [
            MappedPoint(first + at, f"{name}.{at}", TYPE, first + at, 1, 5, 7)
            for at in range(POINTS)
        ]
    config = OutstationConfig(
        port=0, address=OUTSTATION, masters=(MasterConfig(name="dms", hosts=("127.0.0.1",)),)
    )
    outstation = Dnp3Outstation(config, mapped, store, Actuator(), clock)
    store.subscribe(outstation.note_changed)
    return Dnp3Master(channels, devices, store, clock, random.Random(1)), outstation


async def gateway(ports: list[int]) -> None:
    specs = [
        PointSpec(f"d{number}.{at}", PointKind.AI)
        for number in range(len(ports))
        for at in range(POINTS)
    ]
    store = PointStore(specs, SystemClock())
    master, outstation = parts(store, ports)
    outstation.server.open()
    running = [asyncio.create_task(master.run()), asyncio.create_task(outstation.run())]
    while not all(state.integrity_polls for state in master.states.values()):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # until all report by themselves
    say(outstation.port)
    while await line():
        before_s, begin_s = cpu_s(), time.perf_counter()
        await line()
        share = 100 * (cpu_s() - before_s) / (time.perf_counter() - begin_s)
        (dms,) = outstation.masters()
        losses = sum(state.losses + state.timeouts for state in master.states.values())
        say({"core_pct": share, "discarded": dms.discarded, "losses": losses})
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class Soe(opendnp3.ISOEHandler):
    """Every event: index, value, source time, arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[int, float, int, float]] = []

    def BeginFragment(self, info: Any) -> None:  # noqa: N802 - theirs
        pass

    def EndFragment(self, info: Any) -> None:  # noqa: N802
        pass

    def Process(self, info: Any, values: Any) -> None:  # noqa: N802
        if info.isEventVariation:
            now_ms = time.time() * 1e3
            self.events += [
                (one.index, one.value.value, one.value.time.value, now_ms) for one in values
            ]


async def master(port: int) -> None:
    soe = Soe()
    with yadnp3_master(port, soe):
        await asyncio.sleep(0.5)
        say("ready")
        await line()
        heard = 0
        end_s = time.perf_counter() + SETTLE_S
        while len(soe.events) > heard or time.perf_counter() < end_s:
            heard = len(soe.events)
            await asyncio.sleep(0.5)
    say(judged(soe.events))
    await line()


def judged(events: list[tuple[int, float, int, float]]) -> dict[str, float]:
    """Counts and latencies; a point's series must be 1, 2, 3 and so on.

    Before it stands the event of its first value, 0, at the start of the gateway.
    """
    events = [event for event in events if event[1] > 0]
    series: dict[int, list[float]] = {}
    for index, value, _, _ in events:
        series.setdefault(index, []).append(value)
    whole = all(
        values == [float(number) for number in range(1, len(values) + 1)]
        for values in series.values()
    )
    late_ms = [arrived - source for _, _, source, arrived in events]
    cuts = quantiles(late_ms, n=100)
    return {"arrived": len(events), "points": len(series), "whole": whole, "p50_ms": cuts[49],
            "p99_ms": cuts[98], "max_ms": max(late_ms), "min_ms": min(late_ms)}  # fmt: skip


def main() -> None:
    what, *rest = sys.argv[1:]
    pin(CORES[-1] if what == "gateway" else CORES[0])
    if what == "outstations":
        asyncio.run(outstations(float(rest[0])))
    elif what == "gateway":
        asyncio.run(gateway([int(port) for port in rest]))
    else:
        asyncio.run(master(int(rest[0])))


if __name__ == "__main__":
    main()
