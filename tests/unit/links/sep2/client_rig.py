"""A 2030.5 client at work against a server, with what it was told to do recorded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.links.sep2.client import (
    Effective,
    ModeOutcome,
    Outcome,
    Sep2Client,
    Snapshot,
    Taken,
)
from gateway.links.sep2.client_config import ClientLimits, EndDeviceConfig, Sep2ClientConfig
from gateway.model.clock import Clock
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.site.clock import SystemClock
from tests.unit.links.sep2.server_rig import Peer

TAKEN = ModeOutcome(Taken.TAKEN)


@dataclass
class Site:
    """What stands in for the site: takes every mode, unless told otherwise."""

    applied: list[tuple[str, Effective]] = field(default_factory=list)
    verdict: Callable[[str, Effective], Outcome] = lambda lfdi, effective: Outcome(
        dict.fromkeys(effective.modes, TAKEN)
    )
    snapshot: Snapshot = field(default_factory=Snapshot)

    async def apply(self, lfdi: str, effective: Effective) -> Outcome:
        self.applied.append((lfdi, effective))
        return self.verdict(lfdi, effective)

    def telemetry(self, lfdi: str) -> Snapshot:
        return self.snapshot

    def values(self, mode: str) -> list[Any]:
        """What a mode was set to, one after the other; None where nothing sets it."""
        found: list[Any] = []
        for _, effective in self.applied:
            setting = effective.modes.get(mode)
            value = None if setting is None else setting.value
            if not found or found[-1] != value:
                found.append(value)
        return found


def client_settings(
    folder: Path, url: str, aggregator: Peer, devices: Sequence[str | EndDeviceConfig], **more: Any
) -> Sep2ClientConfig:
    """Settings of a client that does not wait long."""
    certificate, key = aggregator.made.write(folder, "aggregator")
    given: dict[str, Any] = {
        "url": url,
        "certificate": certificate,
        "key": key,
        "ca": folder / "ca.pem",
        "state": folder / "client.sqlite",
        "devices": tuple(
            EndDeviceConfig(lfdi=device) if isinstance(device, str) else device
            for device in devices
        ),
        "poll_min_s": 0.05,
        "retry_min_s": 0.05,
        "retry_max_s": 0.2,
        "limits": ClientLimits(connect_timeout_s=5, request_timeout_s=5),
    }
    return Sep2ClientConfig(**{**given, **more})


@asynccontextmanager
async def following(
    config: Sep2ClientConfig, site: Site, clock: Clock | None = None
) -> AsyncIterator[Sep2Client]:
    """A client for as long as the block lasts; a lost server is connected to again."""
    client = Sep2Client(
        config, site.apply, site.telemetry, clock or SystemClock(), random.Random(1)
    )

    async def talk() -> None:
        while True:
            try:
                await client.run()
            except (LinkError, RemoteProtocolError) as error:
                client.statistics.last_error = str(error)
                client.statistics.dropped["link"] += 1
                await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(part) for part in (talk(), client.follow())]
    try:
        yield client
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client.close()


async def until(true: Callable[[], bool], limit_s: float = 15.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.02)
