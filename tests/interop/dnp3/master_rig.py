"""Our master, running against something on loopback, with a store that tells its changes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from gateway.links.dnp3.config import AssociationConfig, ChannelConfig
from gateway.links.dnp3.master import Dnp3Device, Dnp3Master, OutputPoint, PolledPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.statistics import DeviceState
from gateway.model.command import Command, CommandResult, Priority
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock

BI, AI = PointType.BINARY_INPUT, PointType.ANALOG_INPUT
BO, AO = PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT
CTR = PointType.COUNTER
TYPES = (BI, AI, BO, AO, CTR)


@dataclass
class Rig:
    """A running master.

    Attributes:
        changes: (point id, measurement) of every change the store reported, in order.
    """

    master: Dnp3Master
    store: PointStore
    changes: list[tuple[str, Measurement]] = field(default_factory=list)

    def value(self, point: str) -> float:
        return self.store[point].value

    def good(self, point: str) -> bool:
        return self.store[point].is_good

    def state(self, name: str = "d") -> DeviceState:
        return self.master.states[name]

    def seen(self, point: str) -> list[Measurement]:
        return [measurement for name, measurement in self.changes if name == point]

    async def operate(self, point: str, value: float) -> CommandResult:
        return await self.master.operate(Command(point, value, "test", Priority.OPERATOR))


def device(
    count: int, first: int, outputs: tuple[OutputPoint, ...] = (), **settings: object
) -> tuple[Dnp3Device, list[PointSpec]]:
    """A device with ``count`` points of each of five types, and their specs from ``first`` on."""
    base = {"name": "d", "channel": "c", "address": 1024, "scans": (), "timeout_s": 3.0}
    config = AssociationConfig.model_validate({**base, **settings})
    points, specs = [], []
    for at, kind in enumerate(TYPES):
        for index in range(count):
            points.append(PolledPoint(first + at * count + index, kind, index))
            specs.append(PointSpec(f"{config.name}.{kind}{index}", PointKind(kind.value)))
    specs = [PointSpec(s.id, s.kind, max_age_s=1e9) for s in specs]
    return Dnp3Device(config, tuple(points), outputs), specs


@asynccontextmanager
async def running(
    channel: ChannelConfig, devices: list[tuple[Dnp3Device, list[PointSpec]]]
) -> AsyncIterator[Rig]:
    clock = SystemClock()
    store = PointStore([spec for _, specs in devices for spec in specs], clock)
    master = Dnp3Master([channel], [one for one, _ in devices], store, clock, random.Random(1))
    rig = Rig(master, store)
    names = list(store.index)

    def note(positions: np.ndarray) -> None:
        rig.changes += [(names[at], store.at(at)) for at in positions.tolist()]

    store.subscribe(note)
    serving = asyncio.create_task(master.run())
    try:
        yield rig
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def tcp(port: int, **settings: object) -> ChannelConfig:
    base = {"name": "c", "host": "127.0.0.1", "port": port, "reconnect_min_s": 0.05}
    return ChannelConfig.model_validate({**base, **settings})


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something to be true."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
