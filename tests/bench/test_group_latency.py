"""From a group message's first byte to the register: the whole way, in real bytes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.groups.messages import Address, DispatchRequest, Quantity, Result
from gateway.links.cim.client import GroupClient
from gateway.links.cim.tls import client_context
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.pki import pki_paths

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
MESSAGES = 200
POWER_REGISTER = 2012


def site_folder(folder: Path, plc_port: int) -> Path:
    (folder / "site.toml").write_text(
        'name = "latency"\n[links.lan]\ntype = "modbus-tcp"\n[groups.mg]\nbackend = "plc"\n'
        'device = "mg"\n[https]\nport = 15943\n'
    )
    row = f"mg,mc_plc,lan,127.0.0.1:{plc_port},54\n"
    (folder / "devices.csv").write_text("device,profile,link,address,unit\n" + row)
    return folder


async def test_a_dispatch_reaches_the_register(tmp_path: Path):
    """Group message in to register written, p50 and p95 stated."""
    plc = await asyncio.create_subprocess_exec(
        *(sys.executable, HERE / "plc_stub.py"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert plc.stdout is not None
    assert plc.stdin is not None
    folder = site_folder(tmp_path, int(await plc.stdout.readline()))
    gateway = Gateway(load_site(folder), SystemClock())
    running = asyncio.create_task(gateway.run())
    paths = pki_paths(folder / "data" / "pki", ["dms"])
    pair = paths.clients["dms"]
    context = client_context(pair.certificate, pair.key, paths.ca.certificate)
    to_register_ms, to_reply_ms = [], []
    try:
        async with asyncio.timeout(20):
            while not (gateway.store["mg.s_rtg"].is_good and gateway.store["mg.held_p"].is_good):
                await asyncio.sleep(0.05)
        async with GroupClient("https://127.0.0.1:15943/groups", context) as client:
            for number in range(MESSAGES):
                now_ms = SystemClock().utc_ms()
                address = Address(
                    message_id=f"m{number}", dms_id="dms", group_id="mg", time_ms=now_ms
                )
                value_w = 1000.0 * (50 + number)
                request = DispatchRequest(
                    address=address, quantity=Quantity.ACTIVE_POWER, schedule=((0, value_w),)
                )
                began_ns = time.monotonic_ns()
                reply = await client.send(request)
                to_reply_ms.append((time.monotonic_ns() - began_ns) / 1e6)
                assert reply.result is Result.OK, reply
                while True:
                    register, value, written_ns = map(int, (await plc.stdout.readline()).split())
                    if (register, value) == (POWER_REGISTER, 50 + number):
                        break
                to_register_ms.append((written_ns - began_ns) / 1e6)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        plc.stdin.close()
        await plc.wait()
    for name, figures in (("register", sorted(to_register_ms)), ("reply", sorted(to_reply_ms))):
        p50, p95 = figures[MESSAGES // 2], figures[int(MESSAGES * 0.95)]
        print(f"\ngroup message to {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    assert len(to_register_ms) == MESSAGES
