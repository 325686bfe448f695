"""A plant and a pyranometer on a pymodbus server: what a running gateway forecasts of them."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from contextlib import asynccontextmanager

import pytest
from pymodbus.constants import ExcCodes

from gateway.apps.forecast.solar import Place, clear_sky_w_per_m2
from gateway.groups.backend import Asker
from gateway.groups.messages import Address, LimitRequest, Result
from gateway.model.command import Priority
from gateway.model.errors import ConfigError
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from hil.devices.modbus_server import DeviceServer, Refusal

PROFILE = """\
name = "plant"
title = "A PV plant's controller with a pyranometer"
protocol = "modbus"
source = "made for this test"
[modbus]
unit = 1
[poll.fast]
period_s = 0.2
[der]
p = "p"
q = "q"
s_rated = "s_rtg"
p_rated_max = "p_rtg"
q_rated_max = "q_rtg"
limit = "limit"
limit_enable = "limit_on"
"""
POINTS = """\
point,kind,unit,table,register,type,scale,poll
p,AI,W,input,0,uint16,100,fast
q,AI,var,input,1,int16,100,fast
s_rtg,AI,VA,input,2,uint16,100,fast
p_rtg,AI,W,input,3,uint16,100,fast
q_rtg,AI,var,input,4,uint16,100,fast
ghi,AI,W/m2,input,60,uint16,0.1,fast
limit,AO,W,holding,0,uint16,100,fast
limit_on,BO,1,holding,1,uint16,1,fast
"""
SITE = """\
name = "sunny"
profiles = ["profiles"]
[links.lan]
type = "modbus-tcp"
[groups.pv]
backend = "members"
members = ["plant"]
[dms]
[dms.vvo]
mode = "off"
[dms.forecast]
spacing_s = 1
latitude_deg = 0.0
longitude_deg = {longitude}
tilt_deg = 5.0
irradiance = "horizontal"
"""
RATING_W = 500e3


class Plant:
    """Its registers: 400 W a W/m2 under 0.8 of the clear sky, unless it is limited."""

    def __init__(self, place: Place) -> None:
        self.place, self.clearness, self.lost, self.silent = place, 0.8, False, False
        self.held = [0, 0]

    def free_w(self, at_ms: float) -> float:
        return 400.0 * self.clearness * clear_sky_w_per_m2(self.place, at_ms)

    def read(self, table: str, address: int, count: int) -> list[int]:
        if table == "holding":
            return self.held[address : address + count]
        if self.lost and address + count > 60:
            raise Refusal(ExcCodes.DEVICE_FAILURE, "the pyranometer does not answer")
        if self.silent and address < 60:
            raise Refusal(ExcCodes.DEVICE_FAILURE, "the plant does not answer")
        now_ms = SystemClock().utc_ms()
        power_w = self.free_w(now_ms)
        if self.held[1]:
            power_w = min(power_w, 100.0 * self.held[0])
        level = Place(self.place.latitude_deg, self.place.longitude_deg)
        ghi = self.clearness * clear_sky_w_per_m2(level, now_ms)
        words = dict.fromkeys(range(70), 0) | {0: round(power_w / 100), 60: round(ghi * 10)}
        words |= dict.fromkeys((2, 3, 4), round(RATING_W / 100))
        return [words[address + n] for n in range(count)]

    def write(self, table: str, address: int, values: list[int]) -> None:
        assert table == "holding"
        self.held[address : address + len(values)] = values


def noon_place() -> Place:
    """Where on the equator the sun stands highest about now."""
    now = dt.datetime.now(dt.UTC)
    longitude = 15.0 * (12.0 - now.hour - now.minute / 60.0)
    return Place(0.0, longitude, 5.0)


@asynccontextmanager
async def running(folder):
    place = noon_place()
    plant = Plant(place)
    server = DeviceServer(1, plant)
    port = await server.start("127.0.0.1", 0)
    (folder / "profiles").mkdir()
    (folder / "profiles" / "plant.toml").write_text(PROFILE)
    (folder / "profiles" / "plant.csv").write_text(POINTS)
    (folder / "site.toml").write_text(SITE.format(longitude=place.longitude_deg))
    (folder / "devices.csv").write_text(
        f"device,profile,link,address,unit\nplant,plant,lan,127.0.0.1:{port},1\n"
    )
    (folder / "points.csv").write_text("point,act,max_age_s\nplant.ghi,,2\nplant.p,,2\n")
    (folder / "maps").mkdir()
    (folder / "maps" / "network.csv").write_text(
        "role,element,source\nder,der_plant,plant\nirradiance,site,plant.ghi\n"
    )
    gateway = Gateway(load_site(folder), SystemClock())
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway, plant
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()


async def limit(gateway: Gateway, limit_w: float | None, number: int) -> None:
    """Ask the group for a limit, as the DMS does."""
    address = Address(message_id=f"m{number}", dms_id="dms", group_id="pv", time_ms=1)
    asker = Asker("dms:test", Priority.OPERATOR)
    async with asyncio.timeout(10):
        reply = await gateway.ask(LimitRequest(address=address, limit_w=limit_w), asker, peer="t")
    assert reply.result is Result.OK, reply.errors


async def forecast_w(gateway: Gateway, wanted_w, source="plant.p") -> float:
    """Wait until the forecast of a quarter of an hour is near what it should be."""
    async with asyncio.timeout(20):
        while True:
            now_ms = gateway.clock.utc_ms()
            found = gateway.forecasts.predict(source, now_ms, 900)
            wanted = wanted_w(now_ms + 900_000)
            if found is not None and found.nominal == pytest.approx(wanted, rel=0.02):
                return found.nominal
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
async def test_a_running_gateway_forecasts_by_the_sun_while_a_limit_holds_the_plant(tmp_path):
    async with running(tmp_path) as (gateway, plant):
        free_w = await forecast_w(gateway, plant.free_w)
        await limit(gateway, 50e3, 1)
        plant.clearness = 0.6
        await forecast_w(gateway, plant.free_w)  # the cloud is seen though the power stands still
        async with asyncio.timeout(10):
            while gateway.forecasts.present("plant.p") != 50e3:
                await asyncio.sleep(0.1)
        await forecast_w(gateway, plant.free_w, "pv")  # the group's as well
        assert plant.free_w(gateway.clock.utc_ms()) < 0.8 * free_w
        plant.lost = True  # what is left to go by is the measured power, limited as it is
        async with asyncio.timeout(20):
            while gateway.forecasts.predict("plant.p", gateway.clock.utc_ms(), 900).nominal > (
                0.6 * plant.free_w(gateway.clock.utc_ms() + 900_000)
            ):
                await asyncio.sleep(0.1)
        plant.lost = False
        await limit(gateway, None, 2)
        await forecast_w(gateway, plant.free_w)
        assert gateway.forecasts.unread_w(gateway.clock.utc_ms()) == {}
        plant.silent = True  # a model is then set by what the sun says
        async with asyncio.timeout(30):
            while not (told := gateway.forecasts.unread_w(gateway.clock.utc_ms())):
                await asyncio.sleep(0.1)
        assert told["der_plant"] == pytest.approx(plant.free_w(gateway.clock.utc_ms()), rel=0.02)


def test_a_point_that_is_no_irradiance_or_for_no_plant_is_refused_with_its_place(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "plant.toml").write_text(PROFILE)
    (tmp_path / "profiles" / "plant.csv").write_text(POINTS)
    text = SITE.format(longitude=0.0).replace("latitude_deg = 0.0\nlongitude_deg = 0.0\n", "")
    (tmp_path / "site.toml").write_text(text)
    (tmp_path / "devices.csv").write_text(
        f"device,profile,link,address,unit\nplant,plant,lan,127.0.0.1:{port},1\n"
    )
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "network.csv").write_text(
        "role,element,source\nirradiance,site,plant.p\nirradiance,der_x,plant.ghi\n"
    )
    with pytest.raises(ConfigError) as refused:
        load_site(tmp_path)
    told = "\n".join(f"{issue.line}:{issue.column} {issue}" for issue in refused.value.issues)
    assert "2:17 " in told
    assert "'W'" in told
    assert "3:12 " in told
    assert "'der_x'" in told
    assert "latitude_deg" in told
