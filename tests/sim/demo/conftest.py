"""The demo's own session with everything in processes, watched through GET /status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.site.load import load_site
from gateway.site.site import Site
from hil.demo.client import ClientError, OperatorClient
from hil.demo.session import Session

COMM_LOST, ONLINE = 0x04, 0x01
_FAST = ("fast", "events", "readings")


@dataclass
class Watched:
    """A running session and every status it gave, every 0.1 s."""

    session: Session
    client: OperatorClient
    site: Site
    seen: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @property
    def status(self) -> dict[str, Any]:
        return self.seen[-1][1]

    async def watch(self) -> None:
        while True:
            try:
                self.seen.append((time.monotonic(), await self.client.status()))
            except ClientError:  # a wait for something to be shown will say so
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)

    async def until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float) -> float:
        """Seconds until a status holds; fails after ``timeout_s``."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if holds(self.status):
                return time.monotonic() - began
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {timeout_s} s")

    def fast(self, *devices: str) -> list[str]:
        """Points of devices in their fast poll group; DNP3's events, 2030.5's readings."""
        return [
            point.spec.id
            for point in self.site.points
            if point.device.name in devices and point.source.poll in _FAST
        ]

    def since(self, at_s: float) -> list[dict[str, Any]]:
        return [status for seen_s, status in self.seen if seen_s >= at_s]


def lost(status: dict[str, Any], point: str) -> bool:
    return bool(status["points"][point][1] & COMM_LOST)


def good(status: dict[str, Any], point: str) -> bool:
    return bool(status["points"][point][1] & ONLINE) and not lost(status, point)


def longest_gap_s(statuses: list[dict[str, Any]], point: str) -> float:
    """Longest time a point's source time stood still."""
    times = sorted({status["points"][point][2] for status in statuses})
    assert len(times) > 1, f"{point} stood still"
    return max(b - a for a, b in pairwise(times)) / 1000


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with Session(folder=tmp_path, port_base=0) as session, session.client() as client:
        first = await session.connected(client)
        await session.bench.run_clock()
        site = load_site(session.site)
        watched = Watched(session, client, site, [(time.monotonic(), first)])
        watching = asyncio.create_task(watched.watch())
        yield watched
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
