"""A serial line of a site, two outstations on it, over a pair of pseudo-terminals."""

from __future__ import annotations

import asyncio
import os
import tty

from py1815.control import CommandStatus as Py1815Status

from gateway.model.command import Command, CommandStatus, Priority
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from hil.devices.dnp3_station import Station
from tests.interop.dnp3.master_face import eventually

SITE = """\
name = "line"

[links.line]
type = "dnp3-serial"
serial_port = "{path}"
baud = 19200
"""


def regulator(address: int, tap: float) -> Station:
    def take(point: str, value: float, carry_out: bool) -> Py1815Status:
        if carry_out:
            station.put(point, value)
            station.put("tap", value)
        return Py1815Status.SUCCESS

    station = Station(address, "dnp3_regulator", take)
    for point, value in (("tap", tap), ("tap_cmd", tap), ("local", 0.0), ("ops", 0.0)):
        station.put(point, value)
    return station


async def test_two_regulators_on_a_serial_line_are_read_and_commanded(tmp_path):
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stations = [regulator(11, 3.0), regulator(12, -4.0)]

    def hear() -> None:
        octets = os.read(ours, 4096)
        os.write(ours, b"".join(station.session.receive(octets) for station in stations))

    loop = asyncio.get_running_loop()
    loop.add_reader(ours, hear)
    (tmp_path / "site.toml").write_text(SITE.format(path=os.ttyname(theirs)))
    (tmp_path / "devices.csv").write_text(
        "device,profile,link,address,unit\n"
        "reg_a,dnp3_regulator,line,,11\nreg_b,dnp3_regulator,line,,12\n"
    )
    gateway = Gateway(load_site(tmp_path), SystemClock())
    running = asyncio.ensure_future(gateway.run())
    try:
        points = ("reg_a.tap", "reg_b.tap", "reg_a.tap_cmd", "reg_b.tap_cmd")
        await eventually(lambda: all(gateway.store[p].is_good for p in points), 10.0)
        assert (gateway.store["reg_a.tap"].value, gateway.store["reg_b.tap"].value) == (3.0, -4.0)
        asked = Command("reg_b.tap_cmd", 7.0, "operator:kim", Priority.OPERATOR)
        assert (await gateway.router.submit(asked)).status is CommandStatus.SUCCESS
        await eventually(lambda: gateway.store["reg_b.tap"].value == 7.0)
        assert gateway.store["reg_a.tap"].value == 3.0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)
