"""kill -9 in the middle of writes, 50 times: what was acknowledged is there after the restart."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from gateway.links.sep2.codec import decode
from gateway.links.sep2.resources import (
    DERControlResponse,
    DERStatus,
    LogEvent,
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)
from tests.unit.links.sep2.server_rig import HOST, Peer, client_context, new_peer, settings

KILLS = 50
ROOT = Path(__file__).resolve().parents[3]
GONE = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Ledger:
    """What the server said it has."""

    def __init__(self) -> None:
        self.paths: dict[str, int] = {}
        self.status_time = self.reading = 0
        self.controls: list[str] = []
        self.written = 0


class Writer:
    """Writes to a server until it is gone, and notes what was acknowledged."""

    def __init__(self, peer: Peer, ledger: Ledger) -> None:
        self._peer, self._ledger = peer, ledger

    async def run(self) -> None:
        tasks = (self._status(), self._reading(), self._log(), self._log(), self._respond())
        await asyncio.gather(*tasks)

    def _next(self) -> int:
        self._ledger.written += 1
        return self._ledger.written

    async def _until_gone(self, method: str, path: str, body) -> tuple[int, dict[str, str]]:
        status, _, headers = await self._peer.ask(method, path, body)
        assert status in (201, 204), (status, path)
        return status, headers

    async def _status(self) -> None:
        while True:
            at = self._next()
            body = DERStatus(reading_time=at)
            await self._until_gone("PUT", "/edev/1/der/1/derst", body)
            self._ledger.status_time = at

    async def _reading(self) -> None:
        while True:
            at = self._next()
            body = MirrorMeterReading(mrid=8, reading=Reading(value=at))
            await self._until_gone("POST", "/mup/1", body)
            self._ledger.reading = at

    async def _log(self) -> None:
        while True:
            at = self._next()
            body = LogEvent(
                created_date_time=at,
                function_set=11,
                log_event_code=1,
                log_event_id=1,
                log_event_pen=at,
                profile_id=2,
            )
            _, headers = await self._until_gone("POST", "/edev/1/lel", body)
            self._ledger.paths[headers["Location"]] = at

    async def _respond(self) -> None:
        while True:
            at = self._next()
            if not self._ledger.controls:
                await asyncio.sleep(0.005)
                continue
            body = DERControlResponse(
                created_date_time=at,
                end_device_lfdi=self._peer.lfdi,
                status=1,
                subject=int(self._ledger.controls[-1], 16),
            )
            _, headers = await self._until_gone("POST", "/rsps/1/rsp", body)
            self._ledger.paths[headers["Location"]] = at


async def check(peer: Peer, ledger: Ledger, known: int) -> None:
    """Everything acknowledged since the last check is there, as it was sent."""
    if ledger.status_time:
        assert (await peer.get("/edev/1/der/1/derst")).reading_time >= ledger.status_time
    if ledger.reading:
        assert (await peer.get("/upt/1/mr/1/r")).value >= ledger.reading
    for path, at in list(ledger.paths.items())[known:]:
        assert (await peer.get(path)).created_date_time == at, path


async def check_controls(peer: Peer, ledger: Ledger) -> None:
    found: set[str] = set()
    start, count = 0, 1
    while start < count:
        status, body, _ = await peer.ask("GET", f"/derp/1/derc?s={start}&l=200")
        assert status == 200
        page = decode(body)
        found |= {f"{control.mrid:032X}" for control in page.items}
        start, count = start + 200, page.all
    assert not set(ledger.controls) - found


async def furnish(peer: Peer) -> None:
    point = MirrorUsagePoint(
        mrid=7,
        role_flags=1,
        service_category_kind=0,
        status=1,
        device_lfdi=peer.lfdi,
        mirror_meter_reading=(MirrorMeterReading(mrid=8, reading_type=ReadingType(uom=38)),),
    )
    await peer.post("/mup", point)


@pytest.mark.timeout(240)
async def test_no_acknowledged_resource_is_lost(tmp_path):
    peer, ledger, dice = new_peer(), Ledger(), random.Random(5)
    settings(tmp_path)
    (tmp_path / "lfdis").write_text(peer.lfdi)
    context = client_context(tmp_path, peer)
    mother = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fuzz.sep2.victim", str(tmp_path),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert mother.stdin is not None
    assert mother.stdout is not None
    ports: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def listen() -> None:
        async for line in mother.stdout:
            kind, *words = line.decode().split()
            if kind == "port":
                ports.put_nowait((int(words[0]), int(words[1])))
            elif len(words[0]) == 32:
                ledger.controls.append(words[0])

    listening = asyncio.ensure_future(listen())
    known = process = 0
    try:
        for kill in range(KILLS + 1):
            mother.stdin.write(b"\n")
            process, port = await asyncio.wait_for(ports.get(), 20)
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(connector=connector) as session:
                peer.session, peer.base = session, f"https://{HOST}:{port}"
                await check(peer, ledger, known)
                known = len(ledger.paths)
                if kill == 0:
                    await furnish(peer)
                if kill < KILLS:
                    writing = asyncio.ensure_future(Writer(peer, ledger).run())
                    await asyncio.sleep(dice.uniform(0.02, 0.2))
                else:
                    await check(peer, ledger, 0)
                    await check_controls(peer, ledger)
                os.kill(process, signal.SIGKILL)
                if kill < KILLS:
                    with pytest.raises(GONE):
                        await asyncio.wait_for(writing, 10)
    finally:
        listening.cancel()
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL) if process else None
        mother.stdin.close()
        mother.kill()
        await mother.wait()
    kinds = len(ledger.paths), len(ledger.controls)
    print(f"\n{KILLS} kills, {ledger.written} writes, {kinds} log events and responses, controls")
    assert min(*kinds, ledger.reading, ledger.status_time) > 4 * KILLS
