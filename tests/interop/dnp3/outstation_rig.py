"""Our outstation over a real store, with outputs that take what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.links.dnp3.northbound.point_map import MappedPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation import Dnp3Outstation
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock

LOOPBACK = ("127.0.0.0/8",)
TIME_MS = 1_700_000_000_123
KINDS = {
    PointKind.BI: (1, 2, 2), PointKind.DBI: (1, 2, 2), PointKind.BO: (1, 2, 2),
    PointKind.CTR: (3, 1, 5), PointKind.AI: (2, 5, 7), PointKind.AO: (2, 3, 7),
}  # fmt: skip


@dataclass
class Outputs:
    """Takes controls, remembers them, answers as told."""

    store: PointStore
    verdict: CommandStatus = CommandStatus.SUCCESS
    taken: list[tuple[str, float, CommandMode, str]] = field(default_factory=list)

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        return self.verdict

    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        await asyncio.sleep(0)
        self.taken.append((point, value, mode, master))
        put(self.store, point, value, TIME_MS)
        return self.verdict


@dataclass
class Rig:
    outstation: Dnp3Outstation
    store: PointStore
    outputs: Outputs

    @property
    def port(self) -> int:
        return self.outstation.port

    def put(
        self, point: str, value: float, time_ms: int = TIME_MS, *, set_clock: bool = True
    ) -> None:
        put(self.store, point, value, time_ms, set_clock=set_clock)


def put(
    store: PointStore, point: str, value: float, time_ms: int, *, set_clock: bool = True
) -> None:
    at = np.array([store.index[point]], dtype=np.intp)
    online = np.ones(1, dtype=np.uint8)
    store.update_block(at, np.array([value]), online, time_ms, synchronised=set_clock)


@asynccontextmanager
async def serving(
    masters: tuple[MasterConfig, ...] = (MasterConfig(name="dms", hosts=LOOPBACK),),
    counts: Mapping[PointKind, int] | None = None,
    deadband: float = 0.0,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """An outstation with ``counts`` points of each kind, all 0 and ONLINE.

    No double bits unless asked for: py1815's master loses what stands behind them in a fragment.
    """
    each = dict.fromkeys(KINDS, 5) | {PointKind.DBI: 0} | dict(counts or {})
    specs = [
        PointSpec(f"{k.lower()}.{n}", k, deadband=deadband) for k in KINDS for n in range(each[k])
    ]
    clock = SystemClock()
    store = PointStore(specs, clock)
    everything = np.arange(len(specs), dtype=np.intp)
    zeros, online = np.zeros(len(specs)), np.ones(len(specs), dtype=np.uint8)
    store.update_block(everything, zeros, online, TIME_MS, synchronised=True)
    points = [
        MappedPoint(
            position, spec.id, PointType(spec.kind), int(spec.id.partition(".")[2]),
            *KINDS[spec.kind], deadband, output=spec.kind.is_output,
        )
        for position, spec in enumerate(specs)
    ]  # fmt: skip
    outputs = Outputs(store)
    config = OutstationConfig(
        port=0, masters=masters, **({"allow_restart": True, "restart_delay_ms": 250} | settings)
    )
    outstation = Dnp3Outstation(config, points, store, outputs, clock, {0: "tieline"})
    store.subscribe(outstation.note_changed)
    outstation.server.open()
    running = asyncio.create_task(outstation.run())
    try:
        yield Rig(outstation, store, outputs)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        outstation.server.close()
