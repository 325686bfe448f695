"""The emulated inverter: OpenDER's physics behind the settings, the handshake, the refusals."""

from __future__ import annotations

import math
import struct

import pytest
from pymodbus.client import AsyncModbusTcpClient

from hil.devices.sunspec_device import SunSpecDevice
from hil.scenario import Scenario
from hil.wire import Message

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
IN_PROGRESS, COMPLETED, FAILED = 0, 1, 2


class Switch:
    def __init__(self) -> None:
        self.on = True

    def __call__(self) -> bool:
        return self.on


class Rig:
    """An inverter at a stiff terminal: what it injects is what it measures next."""

    def __init__(self, scenario: Scenario, name: str) -> None:
        self.fresh = Switch()
        self.der = scenario.ders[name]
        self.device = SunSpecDevice(self.der, scenario.step_s, self.fresh)
        self.answer: Message = {"p_w": 0.0, "q_var": 0.0}

    def run(self, seconds: int, v_pu: float = 1.0, sun: float = 0.9) -> Message:
        three = len(self.der.nodes) == 3
        volts = self.der.v_nom_v * v_pu / (3**0.5 if three else 1)
        for _ in range(seconds):
            self.answer = self.device.on_step(
                {
                    "v_v": [volts] * (3 if three else 1),
                    "v_pu": [v_pu] * (3 if three else 1),
                    "hz": 60.0,
                    "sun": sun,
                    "elapsed_s": 1.0,
                    **self.answer,
                }
            )
        return self.answer

    def address(self, path: str) -> int:
        return self.device.sunspec.points[path].address

    def write(self, path: str, raw: int) -> None:
        """Write a raw value as a client would."""
        point = self.device.sunspec.points[path]
        packed = struct.pack(">h" if point.size == 1 else ">i", raw)
        words = list(struct.unpack(f">{point.size}H", packed))
        self.device.write("holding", point.address, words)

    def get(self, path: str) -> float:
        return self.device.sunspec.setting(path)


@pytest.fixture
def pv(scenario: Scenario) -> Rig:
    return Rig(scenario, "pv675")


@pytest.fixture
def battery(scenario: Scenario) -> Rig:
    return Rig(scenario, "bat671")


@pytest.mark.parametrize("name", ["pv675", "pv634", "pv646", "pv652"])
def test_pv_follows_the_sun_at_unity(scenario: Scenario, name: str) -> None:
    rig = Rig(scenario, name)
    for sun in (0.9, 0.3):
        answer = rig.run(5, sun=sun)
        assert answer["p_w"] == pytest.approx(sun * rig.der.p_max_w, rel=1e-3)
        assert answer["q_var"] == pytest.approx(0.0, abs=1.0)
    assert rig.get("701.W") == pytest.approx(answer["p_w"], abs=50.0)
    assert rig.get("701.InvSt") == 3
    assert rig.get("701.ConnSt") == 1


def test_a_limit_is_held_and_called_throttling(pv: Rig) -> None:
    pv.run(3)
    pv.write("704.WMaxLimPct", 400)
    pv.write("704.WMaxLimPctEna", 1)
    answer = pv.run(6)
    assert answer["p_w"] == pytest.approx(0.4 * 450e3, rel=1e-3)
    assert pv.get("701.InvSt") == 4
    assert pv.get("701.ThrotSrc") == 1
    pv.write("704.WMaxLimPctEna", 0)
    assert pv.run(3)["p_w"] == pytest.approx(0.9 * 450e3, rel=1e-3)


def test_the_ramp_setting_slows_a_limit(pv: Rig) -> None:
    pv.run(3)
    pv.write("704.WRmp", 5)  # 5 % a second: 100 % to 20 % takes 16 s
    pv.write("704.WMaxLimPct", 200)
    pv.write("704.WMaxLimPctEna", 1)
    assert pv.run(8)["p_w"] > 0.5 * 450e3
    assert pv.run(10)["p_w"] == pytest.approx(0.2 * 450e3, rel=1e-3)


@pytest.mark.parametrize(
    ("mode", "path", "raw", "expected_var"),
    [
        (4, "704.VarSet", -150_000, -150e3),
        (4, "704.VarSet", 150_000, 150e3),
        (1, "704.VarSetPct", 500, 0.5 * 220e3),
        (3, "704.VarSetPct", -200, -0.2 * 500e3),
        (0, "704.VarSetPct", 100, 0.1 * 450e3),
    ],
)
def test_reactive_power_set_points_by_mode(
    pv: Rig, mode: int, path: str, raw: int, expected_var: float
) -> None:
    pv.run(2)
    pv.write("704.VarSetMod", mode)
    pv.write(path, raw)
    pv.write("704.VarSetEna", 1)
    answer = pv.run(15)
    assert answer["q_var"] == pytest.approx(expected_var, rel=0.01)
    assert answer["p_w"] == pytest.approx(0.9 * 450e3, rel=1e-3)


def test_power_factor_and_excitation(pv: Rig) -> None:
    pv.write("704.PFWInj.PF", 950)
    pv.write("704.PFWInj.Ext", 1)
    pv.write("704.PFWInjEna", 1)
    answer = pv.run(15)
    apparent = math.hypot(answer["p_w"], answer["q_var"])
    assert answer["p_w"] / apparent == pytest.approx(0.95, abs=0.002)
    assert answer["q_var"] < 0, "under-excited absorbs"


def test_the_apparent_power_rating_holds(pv: Rig) -> None:
    pv.write("704.VarSet", 220_000)
    pv.write("704.VarSetEna", 1)
    answer = pv.run(15, sun=1.0)
    assert math.hypot(answer["p_w"], answer["q_var"]) <= 500e3 * 1.001


def test_one_reactive_function_at_a_time(pv: Rig) -> None:
    pv.write("704.VarSetEna", 1)
    pv.write("705.Ena", 1)
    assert (pv.get("704.VarSetEna"), pv.get("705.Ena")) == (0, 1)
    pv.write("704.PFWInjEna", 1)
    assert (pv.get("705.Ena"), pv.get("704.PFWInjEna")) == (0, 1)


def _write_curve(rig: Rig, curve: int, points: list[tuple[int, int]]) -> None:
    rig.write(f"705.Crv.{curve}.ActPt", len(points))
    rig.write(f"705.Crv.{curve}.DeptRef", 1)
    rig.write(f"705.Crv.{curve}.RspTms", 10)
    for i, (volts, q) in enumerate(points, start=1):
        rig.write(f"705.Crv.{curve}.Pt.{i}.V", volts)
        rig.write(f"705.Crv.{curve}.Pt.{i}.Var", q)


@pytest.mark.parametrize(
    ("points", "at"),
    [
        ([(9000, 10000), (9800, 0), (10200, 0), (11000, -10000)], {0.94: 0.5, 1.0: 0, 1.06: -0.5}),
        ([(9500, 5000), (10500, -5000)], {0.93: 0.5, 1.0: 0.0, 1.025: -0.25}),
        ([(9500, 5000), (10000, 0), (10500, -5000)], {0.975: 0.25, 1.05: -0.5}),
    ],
)
def test_an_adopted_curve_answers_the_voltage(
    pv: Rig, points: list[tuple[int, int]], at: dict[float, float]
) -> None:
    _write_curve(pv, 2, points)
    pv.write("705.AdptCrvReq", 2)
    assert pv.get("705.AdptCrvRslt") == IN_PROGRESS
    pv.run(1)
    assert pv.get("705.AdptCrvRslt") == COMPLETED
    assert pv.get("705.Crv.1.Pt.1.V") == points[0][0] / 100
    pv.write("705.Ena", 1)
    for voltage, share in at.items():
        answer = pv.run(20, v_pu=voltage, sun=0.5)
        assert answer["q_var"] == pytest.approx(share * 220e3, abs=2e3)


def test_a_crooked_curve_fails_and_the_old_one_stays(pv: Rig) -> None:
    before = pv.get("705.Crv.1.Pt.1.V")
    _write_curve(pv, 3, [(10500, 5000), (9500, -5000)])
    pv.write("705.AdptCrvReq", 3)
    pv.run(1)
    assert pv.get("705.AdptCrvRslt") == FAILED
    assert pv.get("705.Crv.1.Pt.1.V") == before


def test_watt_var_follows_its_default_curve(pv: Rig) -> None:
    pv.write("712.Ena", 1)
    # 712's default: no Q to 50 % of WMax, then falling to -44 % of VAMax at 100 %.
    assert pv.run(20, sun=0.4)["q_var"] == pytest.approx(0.0, abs=500)
    assert pv.run(20, sun=0.75)["q_var"] == pytest.approx(-0.22 * 500e3, rel=0.02)


def test_cease_and_return_to_service(pv: Rig) -> None:
    pv.run(3)
    pv.write("703.ES", 0)
    assert pv.run(2)["p_w"] == 0
    assert (pv.get("701.ConnSt"), pv.get("701.InvSt")) == (0, 0)
    pv.write("703.ES", 1)
    assert pv.run(3)["p_w"] == 0, "it waits its enter-service delay"
    assert pv.run(12)["p_w"] == pytest.approx(0.9 * 450e3, rel=1e-3)
    pv.write("715.OpCtl", 0)
    assert pv.run(2)["p_w"] == 0
    pv.write("715.OpCtl", 1)
    assert pv.run(15)["p_w"] > 0


def test_a_limit_reverts_after_its_simulated_time(pv: Rig) -> None:
    pv.write("704.WMaxLimPct", 300)
    pv.write("704.WMaxLimPctRvrtTms", 20)
    pv.write("704.WMaxLimPctEna", 1)
    assert pv.run(15)["p_w"] == pytest.approx(0.3 * 450e3, rel=1e-3)
    assert pv.get("704.WMaxLimPctRvrtRem") == 5
    assert pv.run(10)["p_w"] == pytest.approx(0.9 * 450e3, rel=1e-3)
    assert pv.get("704.WMaxLimPctEna") == 0
    assert pv.get("704.WMaxLimPctRvrtRem") == 0


def test_battery_charges_and_discharges_and_its_energy_balances(battery: Rig) -> None:
    battery.run(2)
    assert battery.answer["p_w"] == 0
    before = battery.get("713.SoC")
    battery.write("704.WSet", 240_000)
    battery.write("704.WSetEna", 1)
    assert battery.run(600)["p_w"] == pytest.approx(240e3, rel=1e-3)
    # 240 kW for ten minutes out of 600 kWh: 6.67 points.
    assert before - battery.get("713.SoC") == pytest.approx(100 / 15, abs=0.15)
    battery.write("704.WSet", -100_000)
    low = battery.get("713.SoC")
    assert battery.run(60)["p_w"] == pytest.approx(-100e3, rel=1e-3)
    assert battery.get("713.SoC") > low


def test_energy_counters_count_simulated_time(pv: Rig) -> None:
    pv.run(600, sun=1.0)
    # 450 kW for ten minutes.
    assert pv.get("701.TotWhInj") == pytest.approx(75e3, rel=0.01)


async def code(client: AsyncModbusTcpClient, address: int, *values: int) -> int:
    answer = await client.write_registers(address, list(values), device_id=1)
    return answer.exception_code if answer.isError() else 0


async def test_refusals_over_the_wire(serve, pv: Rig) -> None:
    pv.run(2)
    async with serve(1, pv.device) as client:
        at = pv.address
        assert await code(client, at("704.WMaxLimPct"), 1001) == ILLEGAL_VALUE
        assert await code(client, at("704.WMaxLimPctEna"), 2) == ILLEGAL_VALUE
        assert await code(client, at("704.WMaxLimPct"), 0xFFFF) == ILLEGAL_VALUE
        assert await code(client, at("704.VarSet"), 0x0004, 0x93E0) == ILLEGAL_VALUE  # 300 kvar
        assert await code(client, at("705.AdptCrvReq"), 4) == ILLEGAL_VALUE
        assert await code(client, at("701.W"), 1) == ILLEGAL_ADDRESS
        assert await code(client, at("702.WMaxRtg"), 1) == ILLEGAL_ADDRESS
        assert await code(client, at("705.Crv.1.ActPt"), 2) == ILLEGAL_ADDRESS
        assert await code(client, at("704.VarSet"), 1) == ILLEGAL_ADDRESS, "half a point"
        assert await code(client, at("704.AntiIslEna"), 1) == ILLEGAL_ADDRESS, "not implemented"
        assert await code(client, 39_999, 1) == ILLEGAL_ADDRESS
        answer = await client.read_input_registers(40_000, count=2, device_id=1)
        assert answer.exception_code == ILLEGAL_ADDRESS
        # A block with one bad value changes nothing.
        assert await code(client, at("704.WMaxLimPctEna"), 1, 1001) == ILLEGAL_VALUE
        assert pv.get("704.WMaxLimPctEna") == 0
        pv.device.on_site({"local": True})
        assert await code(client, at("704.WMaxLimPct"), 500) == ILLEGAL_FUNCTION
        pv.device.on_site({"local": False})
        assert await code(client, at("704.WMaxLimPct"), 500) == 0


async def test_measurements_are_refused_without_the_plant(serve, battery: Rig) -> None:
    battery.run(2)
    async with serve(1, battery.device) as client:
        battery.fresh.on = False
        for path, expected in (
            ("701.W", DEVICE_FAILURE),
            ("713.SoC", DEVICE_FAILURE),
            ("704.WMaxLimPct", 0),
            ("701.ID", 0),
        ):
            answer = await client.read_holding_registers(
                battery.address(path), count=1, device_id=1
            )
            assert (answer.exception_code if answer.isError() else 0) == expected, path
        battery.fresh.on = True
        answer = await client.read_holding_registers(
            battery.address("713.SoC"), count=1, device_id=1
        )
        assert answer.registers == [pytest.approx(600, abs=1)]
