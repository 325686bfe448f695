"""A utility's master of another stack before a whole gateway: field to master, master to field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.model.command import Command, CommandStatus, Priority
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from hil.demo.ports import free_ports
from hil.devices.dnp3_mc import Dnp3Mc
from hil.devices.dnp3_server import StationServer
from hil.devices.dnp3_station import Station
from hil.devices.mc_plc import build_mc_plc
from hil.scenario import DEFAULT_SCENARIO, load_scenario
from tests.interop.dnp3.master_face import Peer, eventually
from tests.interop.dnp3.peers_master import dnp3py_master, yadnp3_master
from tests.sim.protocols.test_one_vector import Terminal, near

SCENARIO = load_scenario(DEFAULT_SCENARIO)
SITE = """\
name = "north"
title = "A site seen from the control centre"

[links.field]
type = "dnp3-tcp"

[groups.mg]
backend = "plc"
device = "mg"

[dnp3_outstation]
port = {port}
address = 1024

[[dnp3_outstation.master]]
name = "ems"
address = 1

[[dnp3_outstation.master]]
name = "watcher"
address = 2
rank = "monitor"

[dnp3_outstation.der.mg]
address = 1025
edition = "AN2018-001"
"""
MAP = """\
point,object,index,class,static,event
reg.tap,AI,0,2,5,7
cap.closed,BI,0,1,,
mg.poi_p,AI,1,2,5,7
reg.ops,CTR,0,3,,
reg.tap_cmd,AO,0,2,,
cap.cmd,BO,0,2,,
site.title,OS,0,0,,
"""


@dataclass
class Field:
    """A regulator and a capacitor control that do at once what they are told."""

    regulator: Station
    capacitor: Station

    def step(self) -> None:
        self.regulator.put("tap", self.regulator.get("tap_cmd"))
        self.capacitor.put("closed", self.capacitor.get("cmd"))


def build_field() -> Field:
    from py1815.control import CommandStatus as Py1815Status

    def local_or_taken(station: list[Station]):
        def take(point, value, carry_out):
            if station[0].get("local"):
                return Py1815Status.LOCAL
            if carry_out:
                station[0].put(point, value)
            return Py1815Status.SUCCESS

        return take

    made = []
    for address, profile in ((11, "dnp3_regulator"), (21, "dnp3_capacitor")):
        own: list[Station] = []
        own.append(Station(address, profile, local_or_taken(own)))
        own[0].put("local", 0.0)
        own[0].put("ops", 0.0)
        made += own
    made[0].put("tap_cmd", 3.0)
    made[0].put("tap", 3.0)
    made[1].put("cmd", 0.0)
    made[1].put("closed", 0.0)
    return Field(*made)


@dataclass
class North:
    gateway: Gateway
    field: Field
    terminal: Terminal
    port: int


@asynccontextmanager
async def north(folder) -> AsyncIterator[North]:
    field = build_field()
    mc = Dnp3Mc(build_mc_plc(SCENARIO, "mg680", lambda: True))
    terminal = Terminal(mc, SCENARIO.ders["mg680"])
    terminal.step(0.0)
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        line = StationServer((field.regulator, field.capacitor))
        poi = StationServer(mc.stations)
        places = [await server.start("127.0.0.1", 0) for server in (line, poi)]
        stack.push_async_callback(line.stop)
        stack.push_async_callback(poi.stop)
        (folder / "maps").mkdir()
        (folder / "maps" / "dnp3.csv").write_text(MAP)
        (folder / "site.toml").write_text(SITE.format(port=port))
        (folder / "devices.csv").write_text(
            "device,profile,link,address,unit\n"
            f"reg,dnp3_regulator,field,127.0.0.1:{places[0]},11\n"
            f"cap,dnp3_capacitor,field,127.0.0.1:{places[0]},21\n"
            f"mg,dnp3_mc,field,127.0.0.1:{places[1]},54\n"
        )
        gateway = Gateway(load_site(folder), SystemClock())

        async def stepping() -> None:
            while True:
                field.step()
                terminal.step(2.0)
                await asyncio.sleep(0.02)

        tasks = [asyncio.ensure_future(stepping()), asyncio.ensure_future(gateway.run())]
        wanted = ("reg.tap_cmd", "cap.cmd", "reg.tap", "cap.closed", "mg.poi_p", "mg.p_max_rtg",
                  "mg.req_p_active")  # fmt: skip
        await eventually(lambda: all(gateway.store[p].is_good for p in wanted), 10.0)
        yield North(gateway, field, terminal, port)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def seen(peer: Peer, kind: str, index: int, value: float) -> None:
    """Poll events until the master has a value."""
    for _ in range(100):
        await peer.poll()
        if peer.seen.values.get((kind, index)) == value:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{kind} {index} is {peer.seen.values.get((kind, index))}, not {value}")


@pytest.mark.interop
@pytest.mark.parametrize("master", [dnp3py_master, yadnp3_master], ids=["dnp3py", "yadnp3"])
async def test_field_to_master_and_back(tmp_path, master):
    async with north(tmp_path) as bench, master(bench.port) as ems:
        await ems.integrity()
        assert ems.seen.values["AI", 0] == 3.0
        assert ems.seen.values["BI", 0] == 0.0
        # select before operate, through arbiter, interlock and audit, to the regulator and back
        assert await ems.operate("AO", 0, 5.0, select=True) == CommandStatus.SUCCESS
        await seen(ems, "AI", 0, 5.0)
        assert bench.field.regulator.get("tap_cmd") == 5.0
        assert await ems.operate("BO", 0, 1.0, select=True) == CommandStatus.SUCCESS
        await seen(ems, "BI", 0, 1.0)


@pytest.mark.interop
async def test_an_event_keeps_the_time_the_field_gave_it(tmp_path):
    async with north(tmp_path) as bench, dnp3py_master(bench.port) as ems:
        await ems.integrity()
        stamped = time.time_ns() // 1_000_000 - 60_000  # the device says: a minute ago
        bench.field.regulator._utc_ms = lambda: stamped
        bench.field.regulator.bank.values["tap_cmd"] = 7.0
        await seen(ems, "AI", 0, 7.0)
        taps = [e for e in ems.seen.events if (e.kind, e.index, e.value) == ("AI", 0, 7.0)]
        assert [event.time_ms for event in taps] == [stamped]


@pytest.mark.interop
async def test_the_routers_refusals_are_the_standards_status_codes(tmp_path):
    async with north(tmp_path) as bench, dnp3py_master(bench.port) as ems:
        await ems.integrity()
        assert await ems.operate("AO", 0, 40.0, select=True) == CommandStatus.OUT_OF_RANGE
        bench.field.regulator.put("local", 1.0)
        await eventually(lambda: bench.gateway.store["reg.local"].value == 1.0)
        assert await ems.operate("AO", 0, 4.0, select=True) == CommandStatus.LOCAL
        bench.field.regulator.put("local", 0.0)
        await eventually(lambda: bench.gateway.store["reg.local"].value == 0.0)
        taken = await bench.gateway.router.submit(
            Command("reg.tap_cmd", 2.0, "operator:kim", Priority.OPERATOR)
        )
        assert taken.ok
        assert await ems.operate("AO", 0, 4.0, select=False) == CommandStatus.BLOCKED
        assert await ems.operate("AO", 9, 4.0, select=False) == CommandStatus.NOT_SUPPORTED
        assert bench.field.regulator.get("tap_cmd") == 2.0


@pytest.mark.interop
async def test_a_monitor_may_look_and_not_touch(tmp_path):
    async with north(tmp_path) as bench, dnp3py_master(bench.port, 2) as watcher:
        await watcher.integrity()
        assert watcher.seen.values["AI", 0] == 3.0
        status = await watcher.operate("AO", 0, 4.0, select=False)
        assert status == CommandStatus.NOT_AUTHORIZED
        assert bench.field.regulator.get("tap_cmd") == 3.0


@pytest.mark.interop
async def test_a_group_is_a_der_to_the_master(tmp_path):
    async with north(tmp_path) as bench, dnp3py_master(bench.port, outstation=1025) as ems:
        for _ in range(50):  # the group is looked at once a second
            await ems.integrity()
            if ems.seen.values["AI", 4]:
                break
            await asyncio.sleep(0.1)
        assert ems.seen.values["AI", 4] == SCENARIO.ders["mg680"].p_max_w
        assert ems.seen.values["BI", 25] == 0.0  # not islanded
        # half the rating: value first, then the enable
        assert await ems.operate("AO", 93, 500.0, select=True) == CommandStatus.SUCCESS
        assert await ems.operate("BO", 18, 1.0, select=True) == CommandStatus.SUCCESS
        wanted = 0.5 * SCENARIO.ders["mg680"].p_max_w
        await eventually(lambda: near(bench.terminal.power_w, wanted, 400e3), 8.0)
        await seen(ems, "BI", 70, 1.0)
        assert await ems.operate("AO", 93, 1001.0, select=True) == CommandStatus.OUT_OF_RANGE


@pytest.mark.interop
async def test_a_dead_field_line_is_not_shown_as_live(tmp_path):
    async with north(tmp_path) as bench, yadnp3_master(bench.port) as ems:
        await ems.integrity()
        silent_ms = time.time_ns() // 1_000_000
        bench.field.regulator.session._outstation_address = 999  # it answers no more
        await eventually(lambda: not bench.gateway.store["reg.tap"].is_good, 15.0)
        before = len(ems.seen.events)
        await ems.poll()
        (lost,) = [e for e in ems.seen.events[before:] if (e.kind, e.index) == ("AI", 0)]
        assert lost.time_ms >= silent_ms  # when it was lost, not when it was last heard
        status = await ems.operate("AO", 0, 4.0, select=True)
        assert status == CommandStatus.BLOCKED
