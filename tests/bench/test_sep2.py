"""What the 2030.5 server costs beside bare aiohttp, and what 10,000 EndDevices cost.

CCM8, keep-alive, authorisation and storage on. The server is a process of its own, pinned apart
from the client; runs of both are interleaved, so that a busy machine is busy for both.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import pytest

from gateway.links.sep2 import tls
from gateway.links.sep2.config import ClientConfig
from tests.unit.links.sep2.server_rig import HOST, Peer, new_peer, serving, settings

pytestmark = [pytest.mark.bench, pytest.mark.timeout(280)]

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
LENGTHS, CONNECTIONS, RUNS, SECONDS = (1, 10, 100), (1, 8), 5, 0.5
CONTROLS, LEAST_RATIO = 100, 0.6
DEVICES = 10_000


class Parts:
    """The process with both servers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.ports = dict(
            zip(("tieline", "bare"), map(int, process.stdout.readline().split()), strict=True)
        )

    def cpu_s(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def parts(folder: Path) -> Iterator[Parts]:
    with subprocess.Popen(
        [sys.executable, HERE / "sep2_parts.py", folder, str(CONTROLS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        try:
            yield Parts(process)
        finally:
            process.terminate()


async def fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """One GET on a connection that stays."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/sep+xml\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    at = head.lower().index(b"content-length:") + 15
    return await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))


async def load(port: int, context: ssl.SSLContext, path: str, connections: int) -> int:
    """How many requests were answered in a run."""
    opened = [
        await asyncio.open_connection(HOST, port, ssl=context, server_hostname="", limit=2**20)
        for _ in range(connections)
    ]
    done, until = 0, time.perf_counter() + SECONDS

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await fetch(reader, writer, path)
            done += 1

    await asyncio.gather(*(one(*pair) for pair in opened))
    for _, writer in opened:
        writer.close()
    return done


def ccm8(folder: Path, peer: Peer) -> ssl.SSLContext:
    certificate, key = peer.made.write(folder, "bench")
    context = tls.client_context(certificate, key, folder / "ca.pem", check_hostname=False)
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    return context


async def test_a_list_of_controls_costs_little_more_than_its_bytes(tmp_path):
    peer = new_peer()
    settings(tmp_path)
    (tmp_path / "lfdis").write_text(peer.lfdi)
    context = ccm8(tmp_path, peer)
    failed = []
    with parts(tmp_path) as server:
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
        try:
            for length in LENGTHS:
                path = f"/derp/1/derc?l={length}"
                pair = await asyncio.open_connection(
                    HOST, server.ports["tieline"], ssl=context, server_hostname="", limit=2**20
                )
                body = await fetch(*pair, path)
                pair[1].close()
                assert body.count(b"<DERControl ") == length
                (tmp_path / f"l={length}").write_bytes(body)
            for length in LENGTHS:
                for connections in CONNECTIONS:
                    ratio = await compared(server, context, length, connections)
                    if ratio < LEAST_RATIO:
                        failed.append((length, connections, ratio))
        finally:
            os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
    assert not failed


async def compared(server: Parts, context: ssl.SSLContext, length: int, connections: int) -> float:
    """Requests a second of ours to bare aiohttp's, and CPU a request, printed."""
    rates: dict[str, list[float]] = {"tieline": [], "bare": []}
    costs: dict[str, list[float]] = {"tieline": [], "bare": []}
    for _ in range(RUNS):
        for name, port in server.ports.items():
            used = server.cpu_s()
            done = await load(port, context, f"/derp/1/derc?l={length}", connections)
            costs[name].append((server.cpu_s() - used) / done * 1e6)
            rates[name].append(done / SECONDS)
    rate, cost = ({n: median(v) for n, v in found.items()} for found in (rates, costs))
    ratio = median(a / b for a, b in zip(rates["tieline"], rates["bare"], strict=True))
    print(
        f"\nl={length:<3} c={connections}: {rate['tieline']:6.0f}/s, bare {rate['bare']:6.0f}/s, "
        f"ratio {ratio:.2f}; server CPU {cost['tieline']:.0f} and {cost['bare']:.0f} us a request"
    )
    return ratio


def lfdi(at: int) -> str:
    return hashlib.sha256(str(at).encode()).hexdigest()[:40].upper()


async def measured(folder: Path, devices: int, boss: Peer) -> tuple[float, float, float, float]:
    """Start of a filled state, memory it takes, p99 of list pages, median of one device; s, MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    behind = tuple(lfdi(at) for at in range(devices))
    config = settings(folder, [ClientConfig(lfdi=boss.lfdi, role="aggregator", devices=behind)])
    async with serving(config):
        pass  # the state is on disk from here on
    start = time.perf_counter()
    async with serving(config) as rig:
        started = time.perf_counter() - start
        context = ccm8(folder, boss)
        pair = await asyncio.open_connection(
            HOST, rig.server.port, ssl=context, server_hostname="", limit=2**20
        )
        pages, singles = [], []
        for at in range(300):
            paths = (f"/edev?s={at * 33 % devices}&l=50", f"/edev/{at * 33 % devices + 1}")
            for path, times in zip(paths, (pages, singles), strict=True):
                begun = time.perf_counter()
                await fetch(*pair, path)
                times.append(time.perf_counter() - begun)
        pair[1].close()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    return started, memory, quantiles(pages, n=100)[98], median(singles)


async def test_10000_end_devices_start_fast_and_are_found_fast(tmp_path):
    boss = new_peer()
    folders = {count: tmp_path / str(count) for count in (100, DEVICES)}
    found = {}
    for count, folder in folders.items():
        folder.mkdir()
        found[count] = await measured(folder, count, boss)
        started, memory, page_s, one_s = found[count]
        print(
            f"\n{count} EndDevices: start {started:.2f} s, memory +{memory:.0f} MB, "
            f"p99 of a page of 50 {page_s * 1e3:.1f} ms, one EndDevice {one_s * 1e3:.2f} ms"
        )
    assert found[DEVICES][0] < 5.0
    assert found[DEVICES][2] < 0.050
    assert found[DEVICES][3] < 1.5 * found[100][3]
