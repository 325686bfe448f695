"""One vector of group functions over Modbus, SunSpec and DNP3: the same effect at the terminal.

The gateway runs as at a site; the devices answer in real bytes on loopback. What is asserted is
what the devices inject, not what any register says.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    Address,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    Direction,
    DispatchRequest,
    GroupReply,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
    StatusRequest,
    Timing,
)
from gateway.model.command import Priority
from gateway.model.der import Excitation
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from hil.devices.dnp3_der import Dnp3Der
from hil.devices.dnp3_mc import Dnp3Mc
from hil.devices.dnp3_server import StationServer
from hil.devices.mc_plc import build_mc_plc
from hil.devices.modbus_server import DeviceServer
from hil.devices.sunspec_device import SunSpecDevice
from hil.scenario import DEFAULT_SCENARIO, load_scenario

SCENARIO = load_scenario(DEFAULT_SCENARIO)
PV, MG = SCENARIO.ders["pv675"], SCENARIO.ders["mg680"]
STEP_S, SIM_S = 0.02, 2.0
VOLTAGE_PU = 1.0
#: Group, device profile, link, unit.
DEVICES = {
    "inv_sunspec": ("sunspec_inverter", "lan", 1),
    "inv_dnp3": ("dnp3_der_an2018", "field", 1024),
    "inv_dnp3_2025": ("dnp3_der_1815_2", "field", 1024),
    "mc_modbus": ("mc_plc", "lan", 54),
    "mc_dnp3": ("dnp3_mc", "field", 54),
}
SITE = """\
name = "vector"

[links.lan]
type = "modbus-tcp"

[links.field]
type = "dnp3-tcp"
"""


@dataclass
class Terminal:
    """A stiff bus with one device on it, stepped through simulated time."""

    device: object
    der: object
    volts_pu: float = VOLTAGE_PU
    power_w: float = 0.0
    var: float = 0.0

    def step(self, elapsed_s: float) -> None:
        volts = self.volts_pu * self.der.v_nom_v / math.sqrt(3)
        answer = self.device.on_step(
            {
                "seq": 1, "time_s": 0.0, "elapsed_s": elapsed_s, "hz": 60.0, "sun": 0.9,
                "v_v": [volts] * 3, "v_pu": [self.volts_pu] * 3,
                "p_w": self.power_w, "q_var": self.var,
            }
        )  # fmt: skip
        self.power_w, self.var = answer["p_w"], answer["q_var"]


@dataclass
class Rig:
    gateway: Gateway
    terminals: dict[str, Terminal]
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    async def ask(self, group: str, kind, **fields) -> GroupReply:
        address = Address(
            message_id=f"m{next(self.numbers)}", dms_id="dms", group_id=group, time_ms=1
        )
        asker = Asker("dms:test", Priority.GROUP_FUNCTION)
        return await self.gateway.ask(kind(address=address, **fields), asker, peer="test")

    async def settled(self, group: str, condition, timeout_s: float = 8.0) -> None:
        terminal = self.terminals[group]
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(terminal):
                    await asyncio.sleep(STEP_S)
        except TimeoutError:
            pytest.fail(f"{group} stays at {terminal.power_w:.0f} W, {terminal.var:.0f} var")


def build(name: str):
    """The device, its server and its DER."""
    fresh = lambda: True  # noqa: E731
    if name == "mc_modbus":
        plc = build_mc_plc(SCENARIO, "mg680", fresh)
        return plc, DeviceServer(54, plc), MG
    if name == "mc_dnp3":
        mc = Dnp3Mc(build_mc_plc(SCENARIO, "mg680", fresh))
        return mc, StationServer(mc.stations), MG
    inverter = SunSpecDevice(PV, 1.0, fresh)
    if name == "inv_sunspec":
        return inverter, DeviceServer(1, inverter), PV
    edition = "an2018" if name == "inv_dnp3" else "1815_2"
    der = Dnp3Der(inverter, edition)
    return der, StationServer(der.stations), PV


async def stepping(terminals: list[Terminal]) -> None:
    while True:
        for terminal in terminals:
            terminal.step(SIM_S)
        await asyncio.sleep(STEP_S)


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        rows, terminals = ["device,profile,link,address,unit"], {}
        for name, (profile, link, unit) in DEVICES.items():
            device, server, der = build(name)
            terminals[name] = Terminal(device, der)
            terminals[name].step(0.0)
            port = await server.start("127.0.0.1", 0)
            stack.push_async_callback(server.stop)
            rows.append(f"{name},{profile},{link},127.0.0.1:{port},{unit}")
        groups = "".join(
            f'\n[groups.{name}]\nbackend = "plc"\ndevice = "{name}"\n' for name in DEVICES
        )
        (tmp_path / "site.toml").write_text(SITE + groups)
        (tmp_path / "devices.csv").write_text("\n".join(rows) + "\n")
        gateway = Gateway(load_site(tmp_path), SystemClock())
        tasks = [
            asyncio.ensure_future(stepping(list(terminals.values()))),
            asyncio.ensure_future(gateway.run()),
        ]
        rig = Rig(gateway, terminals)
        async with asyncio.timeout(20):
            while not all(
                gateway.store[point].is_good
                for group in gateway.groups.groups.values()
                for view in group.views.values()
                for role, point in view.der.points.items()
                if role.endswith(("_enable", "_rated_max", "s_rated"))
            ):
                await asyncio.sleep(0.05)
        yield rig
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def near(value: float, wanted: float, of: float) -> bool:
    return abs(value - wanted) <= 0.02 * of


@pytest.mark.parametrize("name", DEVICES)
async def test_the_same_requests_have_the_same_effect(rig, name):
    rating = rig.terminals[name].der.s_max_va
    # left alone an inverter is at unity; a microgrid takes its load's vars
    alone_var = -SCENARIO.microgrid.load_var if name.startswith("mc") else 0.0

    async def done(kind, condition, **fields):
        reply = await rig.ask(name, kind, **fields)
        assert reply.result is Result.OK, (kind.__name__, reply.errors)
        if condition is not None:
            await rig.settled(name, condition)

    active, reactive = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER
    await done(
        DispatchRequest, lambda t: near(t.power_w, 120e3, rating),
        quantity=active, schedule=((0.0, 120e3),),
    )  # fmt: skip
    await done(
        DispatchRequest,
        lambda t: near(t.var, -50e3, rating) and near(t.power_w, 120e3, rating),
        quantity=reactive, schedule=((0.0, -50e3),),
    )  # fmt: skip
    wanted = -120e3 * math.tan(math.acos(0.95))
    await done(
        PowerFactorRequest, lambda t: near(t.var, wanted, rating),
        power_factor=0.95, excitation=Excitation.UNDER_EXCITED,
    )  # fmt: skip
    await done(PowerFactorRequest, lambda t: near(t.var, alone_var, rating), power_factor=None)
    await done(
        LimitRequest, lambda t: near(t.power_w, 80e3, rating),
        limit_w=80e3, direction=Direction.EXPORT,
    )  # fmt: skip
    await done(LimitRequest, lambda t: near(t.power_w, 120e3, rating), limit_w=None)
    await done(DispatchRequest, None, quantity=active, schedule=())
    rig.terminals[name].volts_pu = 1.05
    await done(
        CurveRequest,
        # half way down the last slope: -22 % of the rating
        lambda t: near(t.var, -0.22 * rating, rating),
        points=((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0)),
        reference=CurveReference.MAX_APPARENT_POWER,
    )
    await done(CurveRequest, lambda t: near(t.var, alone_var, rating), points=())
    rig.terminals[name].volts_pu = 1.0
    await done(ConnectRequest, lambda t: abs(t.power_w) < 100, connect=False)


@pytest.mark.parametrize("name", DEVICES)
async def test_a_status_read_anew_shows_what_is_injected_now(rig, name):
    await rig.ask(
        name, DispatchRequest, quantity=Quantity.ACTIVE_POWER, schedule=((0.0, 90e3),)
    )  # fmt: skip
    await rig.settled(name, lambda t: near(t.power_w, 90e3, t.der.s_max_va))
    await asyncio.sleep(1.2)  # one scan of the slowest
    reply = await rig.ask(name, StatusRequest, timing=Timing.REFRESHED)
    assert reply.result is Result.OK
    present = {p.quantity: p for p in reply.present}
    assert near(present[Quantity.ACTIVE_POWER].value, 90e3, rig.terminals[name].der.s_max_va)
