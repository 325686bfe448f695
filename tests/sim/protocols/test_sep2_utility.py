"""Two gateways: a utility's commands a site's groups over IEEE 2030.5, an aggregator's way.

Both sides of the wire are ours, so this shows that the whole chain fits: group function, control,
group function, register, terminal, and back. What is asserted is what the inverter injects.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    Address,
    CurveReference,
    CurveRequest,
    DispatchRequest,
    GroupReply,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
)
from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.der import Excitation
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.sep2_client import derived_lfdi
from gateway.site.sep2_pki import certificate_lfdi, ensure_authority, ensure_device
from hil.demo.ports import free_ports
from hil.devices.modbus_server import DeviceServer
from hil.devices.sunspec_device import SunSpecDevice
from tests.sim.protocols.test_one_vector import PV, Terminal, stepping

NOW = dt.datetime.now(dt.UTC)
UTILITY = """\
name = "utility"

[links.csip]
type = "sep2"

[sep2_server]
port = {port}
pki = "pki"
registration = "in-band"
poll_s = 1
post_s = 1

[[sep2_server.aggregator]]
name = "site"
lfdi = "{aggregator}"
devices = ["inv"]

[poll.readings]
period_s = 2.0
[poll.status]
period_s = 2.0
[poll.contact]
period_s = 2.0

[groups.inv]
backend = "members"
members = ["inv"]
"""
SITE = """\
name = "site"

[links.lan]
type = "modbus-tcp"

[groups.inv]
backend = "members"
members = ["inv"]

[sep2_client]
url = "https://127.0.0.1:{port}/dcap"
pki = "pki"
registration = "in-band"
notify_port = {notify}
poll_min_s = 1

[[sep2_client.device]]
group = "inv"
"""


@dataclass
class Chain:
    """The utility's gateway, the site's, and the inverter's terminal."""

    utility: Gateway
    site: Gateway
    terminal: Terminal

    async def ask(self, kind: type, **fields: Any) -> GroupReply:
        address = Address(message_id=uuid4().hex, dms_id="dms", group_id="inv", time_ms=0)
        asker = Asker("dms", Priority.GROUP_FUNCTION)
        return await self.utility.ask(kind(address=address, **fields), asker, peer="test")

    async def until(self, true: Callable[[], bool], limit_s: float = 20.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.05)

    def seen(self, point: str) -> float | None:
        """A point at the utility, where it is good."""
        measurement = self.utility.store[f"inv.{point}"]
        return measurement.value if measurement.is_good else None

    def answers(self) -> list[int]:
        """What the site answered to the newest control."""
        assert self.utility.sep2 is not None
        orders = self.utility.sep2.states["inv"].orders
        return [code for code, _ in orders[-1].answers] if orders else []


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    port, notify = free_ports(2)
    utility, site = tmp_path / "utility", tmp_path / "site"
    for folder, stem in ((utility, "server"), (site, "client")):
        (folder / "pki").mkdir(parents=True)
        for name in ("ca.crt", "ca.key"):  # one authority for both
            if folder is utility:
                ensure_authority(folder / "pki", NOW)
            else:
                (folder / "pki" / name).write_bytes((utility / "pki" / name).read_bytes())
                (folder / "pki" / name).chmod(0o600)
        ensure_device(folder / "pki", stem, NOW, ("127.0.0.1",) if stem == "server" else ())
    aggregator = certificate_lfdi(site / "pki" / "client.crt", dt.datetime.now(dt.UTC))
    inverter = SunSpecDevice(PV, 1.0, lambda: True)
    terminal, server = Terminal(inverter, PV), DeviceServer(1, inverter)
    async with AsyncExitStack() as stack:
        modbus = await server.start("127.0.0.1", 0)
        stack.push_async_callback(server.stop)
        (utility / "site.toml").write_text(UTILITY.format(port=port, aggregator=aggregator))
        lfdi = derived_lfdi("site", "inv")
        row = f"inv,sep2_inverter,csip,{lfdi},8\n"
        (utility / "devices.csv").write_text(f"device,profile,link,address,timeout_s\n{row}")
        (site / "site.toml").write_text(SITE.format(port=port, notify=notify))
        row = f"inv,sunspec_inverter,lan,127.0.0.1:{modbus},1\n"
        (site / "devices.csv").write_text(f"device,profile,link,address,unit\n{row}")
        gateways = [Gateway(load_site(folder), SystemClock()) for folder in (utility, site)]
        tasks = [asyncio.create_task(stepping([terminal]))]
        tasks += [asyncio.create_task(gateway.run()) for gateway in gateways]
        try:
            yield Chain(gateways[0], gateways[1], terminal)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def is_seen(chain: Chain) -> None:
    """The site's inverter at the utility: signs, units, ratings."""
    await chain.until(lambda: chain.seen("q_set_ena") == 0.0 and chain.seen("conn") == 1.0)
    await chain.until(lambda: (chain.seen("p") or 0.0) > 0.5 * PV.p_max_w)
    await chain.until(lambda: chain.seen("p_max") is not None)
    assert abs((chain.seen("p") or 0.0) - chain.terminal.power_w) < 0.05 * PV.p_max_w
    assert chain.seen("s_max_rtg") == PV.s_max_va
    assert chain.seen("q_abs_rtg") == PV.q_max_var


async def obeys(chain: Chain) -> None:
    """Limit, vars, power factor, curve: each reaches the terminal and is lifted again."""
    reply = await chain.ask(LimitRequest, limit_w=100e3)
    assert reply.result is Result.OK, reply
    await chain.until(lambda: chain.terminal.power_w <= 100.5e3)
    assert chain.answers()[:2] == [1, 2]
    holder = chain.site.router.holder("inv.p_limit_ena")
    assert holder is not None
    assert (holder.origin, holder.priority) == ("sep2:utility", Priority.UTILITY_2030_5)
    vars_ = {"quantity": Quantity.REACTIVE_POWER, "schedule": ((0.0, -50e3),)}
    assert (await chain.ask(DispatchRequest, **vars_)).result is Result.OK
    await chain.until(lambda: abs(chain.terminal.var + 50e3) < 1e3)
    assert chain.terminal.power_w <= 100.5e3, "the limit holds on"
    factor = {"power_factor": 0.9, "excitation": Excitation.OVER_EXCITED}
    assert (await chain.ask(PowerFactorRequest, **factor)).result is Result.OK
    await chain.until(lambda: abs(chain.terminal.var - 48.4e3) < 1.5e3)  # 100 kW at 0.9
    curve = {
        "points": ((90.0, 40.0), (95.0, 20.0), (105.0, 20.0), (110.0, -40.0)),
        "reference": CurveReference.MAX_REACTIVE_POWER,
    }
    assert (await chain.ask(CurveRequest, **curve)).result is Result.OK
    await chain.until(lambda: abs(chain.terminal.var - 0.2 * PV.q_max_var) < 2e3)
    assert (await chain.ask(CurveRequest, points=())).result is Result.OK
    assert (await chain.ask(LimitRequest, limit_w=None)).result is Result.OK
    await chain.until(lambda: chain.terminal.power_w > 0.5 * PV.p_max_w)
    await chain.until(lambda: abs(chain.terminal.var) < 2e3)


async def the_arbiter_settles_conflicts(chain: Chain) -> None:
    """The utility stands over the site's VVO, the operator over the utility, and each is told."""
    assert (await chain.ask(LimitRequest, limit_w=150e3)).result is Result.OK
    router = chain.site.router
    vvo = Command("inv.p_limit_pct", 90.0, "dms:vvo", Priority.DMS_VVO)
    assert (await router.submit(vvo)).status is CommandStatus.BLOCKED
    mine = Command("inv.p_limit_pct", 20.0, "operator:kim", Priority.OPERATOR)
    assert (await router.submit(mine)).ok
    await chain.until(lambda: chain.terminal.power_w <= 0.21 * PV.p_max_w)
    await chain.until(lambda: 4 in chain.answers())
    await chain.until(lambda: chain.seen("p_limit_ena") == 0.0)
    held = {"quantity": Quantity.REACTIVE_POWER, "schedule": ((0.0, 20e3),)}
    assert (await router.submit(Command("inv.q_set", 0.0, "operator:kim", Priority.OPERATOR))).ok
    refused = await chain.ask(DispatchRequest, **held)
    assert refused.result is Result.FAILED
    assert "opted out" in " ".join(error.reason for error in refused.errors)


async def test_a_utility_commands_a_site_and_is_told_what_became_of_it(chain: Chain) -> None:
    await is_seen(chain)
    await obeys(chain)
    await the_arbiter_settles_conflicts(chain)
