"""A DERMS over real bytes: an inverter by SunSpec, a battery by Modbus, and what replies say."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    DispatchRequest,
    GroupReply,
    LimitRequest,
    Quantity,
    Result,
)
from gateway.model.command import Priority
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.status import status
from hil.microgrid.scenario import load_path
from hil.microgrid.station import MicrogridStation

SCENARIOS = Path(__file__).parents[3] / "hil" / "scenarios"
SITE = """\
name = "d"
[links.field]
type = "modbus-tcp"
[groups.fleet]
backend = "members"
members = ["sun", "member"]
[groups.sun]
backend = "members"
members = ["pv"]
[derms]
cycle_s = 0.3
settle_s = 1
retry_s = 2
"""
DMS = Asker("cim:dms", Priority.GROUP_FUNCTION)
OPERATOR = Asker("cim:operator", Priority.OPERATOR)


class Box:
    """A gateway and the plant behind it."""

    def __init__(self, station: MicrogridStation, gateway: Gateway) -> None:
        self.station = station
        self.gateway = gateway
        self._numbers = itertools.count(1)

    @property
    def group_w(self) -> float:
        line = self.station.line()
        return float(line["pv_w"] + line["member_w"])

    def address(self, group: str) -> Address:
        return Address(
            message_id=f"m{next(self._numbers)}", dms_id="dms", group_id=group, time_ms=1
        )

    async def dispatch(self, *values: float, group: str = "fleet", asker=DMS) -> GroupReply:
        schedule = tuple((0.0, value) for value in values)
        request = DispatchRequest(
            address=self.address(group), quantity=Quantity.ACTIVE_POWER, schedule=schedule
        )
        return await self.gateway.ask(request, asker, peer=asker.name)

    async def until(self, holds: Callable[[], bool]) -> bool:
        for _ in range(200):
            if holds():
                return True
            await asyncio.sleep(0.05)
        return False

    def near(self, power_w: float) -> bool:
        return abs(self.group_w - power_w) < 1.5e3


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    station = MicrogridStation(load_path(SCENARIOS / "derms_loss.toml"), None)
    await station.start("127.0.0.1", {})
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "devices.csv").write_text(
        "device,profile,link,address,unit\n"
        f"pv,sunspec_inverter,field,127.0.0.1:{station.ports['pv']},1\n"
        f"member,grid_forming_battery,field,127.0.0.1:{station.ports['member']},24\n"
    )
    gateway = Gateway(load_site(tmp_path), SystemClock())
    box = Box(station, gateway)
    station.go()
    tasks = [asyncio.create_task(station.run()), asyncio.create_task(gateway.run())]
    try:
        assert await box.until(lambda: bool(gateway.derms.cycle.state.cycles))
        assert await box.until(lambda: bool(gateway.groups.groups["fleet"].look().able.all()))
        yield box
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await station.stop()


async def test_what_is_asked_is_held_without_a_member_and_with_it_again(box):
    reply = await box.dispatch(50e3)
    assert reply.result is Result.OK
    assert await box.until(lambda: box.near(50e3))
    await box.station.suffer("trip member", "127.0.0.1")
    await box.station.suffer("lose member", "127.0.0.1")
    assert await box.until(lambda: box.station.line()["pv_w"] > 48.5e3)
    reply = await box.dispatch(110e3)
    assert reply.result is Result.PARTIAL
    assert any("member" in error.reason for error in reply.errors)
    assert reply.held[0].held < 70e3
    report = status(box.gateway)["derms"]
    assert report["alarms"]
    assert not report["held"][0]["complete"]
    await box.station.suffer("reset member", "127.0.0.1")
    await box.station.suffer("find member", "127.0.0.1")
    assert await box.until(lambda: box.near(110e3))
    assert await box.until(lambda: not status(box.gateway)["derms"]["alarms"])
    # ended: everything is let go
    assert (await box.dispatch()).result is Result.OK
    assert await box.until(lambda: abs(box.station.line()["member_w"]) < 1.5e3)
    assert await box.until(lambda: not box.gateway.derms.cycle.state.held)


async def test_ranks_inner_groups_and_limits(box):
    assert (await box.dispatch(40e3, asker=OPERATOR)).result is Result.OK
    reply = await box.dispatch(10e3)
    assert reply.result is Result.FAILED
    assert "held by cim:operator" in reply.errors[0].reason
    assert await box.until(lambda: box.near(40e3))
    # the inner group is asked later at the same rank: the rest of the fleet makes up for it
    assert (await box.dispatch(5e3, group="sun", asker=OPERATOR)).result is Result.OK
    assert await box.until(lambda: box.near(40e3) and box.station.line()["pv_w"] < 6.5e3)
    limit = LimitRequest(address=box.address("fleet"), limit_w=20e3)
    reply = await box.gateway.ask(limit, OPERATOR, peer="operator")
    assert reply.result is not Result.FAILED, reply
    assert await box.until(lambda: box.near(20e3))
    capability = CapabilityRequest(address=box.address("fleet"))
    known = await box.gateway.ask(capability, DMS, peer="dms")
    assert known.ranges[0].now.minimum <= -150e3 + 1
    assert len(status(box.gateway)["derms"]["regions"]["fleet"]) > 8
