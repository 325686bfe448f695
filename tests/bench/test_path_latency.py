"""A group request from the DMS to the device and back, over each southbound protocol.

The DMS's box asks over HTTPS with a certificate; the reply comes when the device answered. The
same controller stands behind Modbus and DNP3; over IEEE 2030.5 an inverter behind py20305's client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.groups.messages import Address, DispatchRequest, Quantity, Result
from gateway.links.cim.client import GroupClient
from gateway.links.cim.tls import client_context
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.pki import pki_paths
from hil.demo.ports import free_ports
from hil.devices import mc_plc
from hil.devices.dnp3_mc import Dnp3Mc
from hil.devices.dnp3_server import StationServer
from hil.devices.modbus_server import DeviceServer
from hil.scenario import DEFAULT_SCENARIO, load_scenario
from tests.sim.protocols.test_one_vector import Terminal
from tests.sim.protocols.test_sep2_ders import folder as sep2_folder  # noqa: F401 - a fixture
from tests.sim.protocols.test_sep2_ders import inverter

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

SCENARIO = load_scenario(DEFAULT_SCENARIO)
MESSAGES = {"Modbus": 100, "DNP3": 100, "IEEE 2030.5": 40}
#: Set points in steps every device can say: whole kW, whole per cent of the vars.
STEPS = {"Modbus": 1000.0, "DNP3": 1000.0, "IEEE 2030.5": 50.0}


@asynccontextmanager
async def controller(folder: Path, protocol: str) -> AsyncIterator[None]:
    """The emulated microgrid controller behind one protocol, and a site that has it."""
    plc = mc_plc.build_mc_plc(SCENARIO, "mg680", lambda: True)
    device = Dnp3Mc(plc) if protocol == "DNP3" else plc
    terminal = Terminal(device, SCENARIO.ders["mg680"])
    terminal.step(0.0)
    server = StationServer(device.stations) if protocol == "DNP3" else DeviceServer(54, plc)
    port = await server.start("127.0.0.1", 0)
    link, profile = ("dnp3-tcp", "dnp3_mc") if protocol == "DNP3" else ("modbus-tcp", "mc_plc")
    (folder / "site.toml").write_text(
        f'name = "latency"\n[links.lan]\ntype = "{link}"\n[groups.g]\nbackend = "plc"\n'
        f'device = "mg"\n[https]\nport = {free_ports(1)[0]}\n'
    )
    row = f"mg,{profile},lan,127.0.0.1:{port},54\n"
    (folder / "devices.csv").write_text("device,profile,link,address,unit\n" + row)

    async def stepping() -> None:
        while True:
            terminal.step(2.0)
            await asyncio.sleep(0.02)

    task = asyncio.ensure_future(stepping())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


async def measured(
    folder: Path, name: str, quantity: Quantity, ready: Callable[[Gateway], bool]
) -> list[float]:
    """Milliseconds of each request, sorted."""
    site = load_site(folder)
    gateway = Gateway(site, SystemClock())
    running = asyncio.create_task(gateway.run())
    paths = pki_paths(folder / "data" / "pki", ["dms"])
    pair = paths.clients["dms"]
    took_ms = []
    try:
        async with asyncio.timeout(60):
            while not ready(gateway):
                await asyncio.sleep(0.05)
        context = client_context(pair.certificate, pair.key, paths.ca.certificate)
        assert site.file.https is not None
        url = f"https://127.0.0.1:{site.file.https.port}/groups"
        async with GroupClient(url, context) as client:
            for number in range(MESSAGES[name]):
                address = Address(message_id=f"m{number}", dms_id="dms", group_id="g",
                                  time_ms=time.time_ns() // 1_000_000)  # fmt: skip
                request = DispatchRequest(
                    address=address, quantity=quantity, schedule=((0, STEPS[name] * (number + 1)),)
                )
                began_ns = time.monotonic_ns()
                reply = await client.send(request)
                took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
                assert reply.result in (Result.OK, Result.PARTIAL), reply
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return sorted(took_ms)


async def test_one_table_of_latencies(tmp_path: Path, sep2_folder: Path) -> None:  # noqa: F811
    table = {}
    for name in ("Modbus", "DNP3"):
        folder = tmp_path / name
        folder.mkdir()
        async with controller(folder, name):
            table[name] = await measured(
                folder, name, Quantity.ACTIVE_POWER,
                lambda g: g.store["mg.s_rtg"].is_good and g.store["mg.req_p_active"].is_good,
            )  # fmt: skip
    site = sep2_folder / "site.toml"
    text = site.read_text().replace("[groups.pv]", "[groups.g]")
    site.write_text(text + f"[https]\nport = {free_ports(1)[0]}\n")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(inverter(sep2_folder))
        table["IEEE 2030.5"] = await measured(
            sep2_folder, "IEEE 2030.5", Quantity.REACTIVE_POWER,
            lambda g: all(g.store[f"pv.{p}"].is_good for p in ("p", "q", "p_max", "q_set_ena")),
        )  # fmt: skip
    print("\n| southbound | requests | p50, ms | p95, ms |\n|---|---|---|---|")
    for name, took_ms in table.items():
        p50, p95 = took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.95)]
        print(f"| {name} | {len(took_ms)} | {p50:.1f} | {p95:.1f} |")
        assert len(took_ms) == MESSAGES[name]
