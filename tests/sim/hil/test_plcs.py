"""The two PLCs over real Modbus: registers at the addresses of their lists, refusals, staleness.

Addresses are spelled out: the register list is what a vendor would have printed.
"""

from __future__ import annotations

import pytest
from pymodbus.client import AsyncModbusTcpClient

from hil.devices.feeder_plc import FeederPlc
from hil.devices.mc_plc import McPlc, build_mc_plc
from hil.plant.terminals import Instruments
from hil.plant.world import Snapshot
from hil.scenario import Scenario
from hil.wire import Message

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, BUSY = 1, 2, 3, 4, 6


class Switch:
    """Plant data young or not, as the test likes."""

    def __init__(self) -> None:
        self.on = True

    def __call__(self) -> bool:
        return self.on


def signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


async def code(client: AsyncModbusTcpClient, call: str, *args: object, unit: int) -> int:
    """Exception code of a request, 0 if it was taken."""
    answer = await getattr(client, call)(*args, device_id=unit)
    return answer.exception_code if answer.isError() else 0


@pytest.fixture
def feeder_message(quiet: Instruments, snapshot: Snapshot) -> Message:
    return quiet.message("feeder_plc", 1, 1.0, snapshot)


async def test_feeder_plc_shows_what_it_measures(serve, snapshot, feeder_message) -> None:
    plc = FeederPlc(Switch())
    plc.on_step(feeder_message)
    async with serve(1, plc) as client:
        words = (await client.read_input_registers(0, count=42, device_id=1)).registers
        bits = (await client.read_discrete_inputs(0, count=7, device_id=1)).bits[:7]
        held = (await client.read_holding_registers(0, count=3, device_id=1)).registers
        coils = (await client.read_coils(0, count=2, device_id=1)).bits[:2]
    assert words[:3] == [7, 9, 4] == held
    head_w = [words[i] << 16 | words[i + 1] for i in (8, 10, 12)]
    assert head_w == pytest.approx([s.real for s in snapshot.head_va], abs=1.0)
    total_w = words[20] << 16 | words[21]
    assert total_w == pytest.approx(sum(s.real for s in snapshot.head_va), abs=1.5)
    for register, node in ((24, "rg60.1"), (30, "675.1"), (37, "646.3"), (39, "611.3")):
        assert words[register] == pytest.approx(snapshot.voltage_pu[node] * 1e4, abs=0.51)
    assert words[40] == 60_000
    assert bits == [False, False, False, True, False, False, False]
    assert coils == [True, False]


async def test_feeder_plc_commands_reach_the_plant(serve, feeder_message) -> None:
    plc = FeederPlc(Switch())
    assert plc.on_step(feeder_message)["taps"] == {"a": 7, "b": 9, "c": 4}
    async with serve(1, plc) as client:
        assert await code(client, "write_register", 0, 0xFFFD, unit=1) == 0
        assert await code(client, "write_registers", 1, [5, 16], unit=1) == 0
        assert await code(client, "write_coil", 1, True, unit=1) == 0
    answer = plc.on_step(feeder_message)
    assert answer == {
        "taps": {"a": -3, "b": 5, "c": 16},
        "caps": {"cap675": True, "cap611": True},
    }


async def test_feeder_plc_refuses_with_the_right_code(serve, feeder_message) -> None:
    plc = FeederPlc(Switch())
    async with serve(1, plc) as client:
        assert await code(client, "read_holding_registers", 0, unit=1) == BUSY
        plc.on_step(feeder_message)
        assert await code(client, "write_register", 0, 17, unit=1) == ILLEGAL_VALUE
        assert await code(client, "write_registers", 0, [1, 0xFFEF], unit=1) == ILLEGAL_VALUE
        assert await code(client, "write_register", 3, 0, unit=1) == ILLEGAL_ADDRESS
        assert await code(client, "read_input_registers", 42, unit=1) == ILLEGAL_ADDRESS
        plc.on_site({"local": {"reg_b": True}})
        assert await code(client, "write_register", 1, 0, unit=1) == ILLEGAL_FUNCTION
        assert await code(client, "write_register", 0, 0, unit=1) == 0
        assert (await client.read_discrete_inputs(1, count=1, device_id=1)).bits[0]
        other = await client.read_input_registers(0, count=1, device_id=9)
        assert other.isError()
        assert other.exception_code == 11
    assert plc.on_step(feeder_message)["taps"] == {"a": 0, "b": 9, "c": 4}


async def test_feeder_plc_never_shows_old_measurements(serve, feeder_message) -> None:
    fresh = Switch()
    plc = FeederPlc(fresh)
    plc.on_step(feeder_message)
    async with serve(1, plc) as client:
        assert await code(client, "read_input_registers", 0, unit=1) == 0
        fresh.on = False
        assert await code(client, "read_input_registers", 0, unit=1) == DEVICE_FAILURE
        assert await code(client, "read_discrete_inputs", 0, unit=1) == DEVICE_FAILURE
        fresh.on = True
        assert await code(client, "read_input_registers", 0, unit=1) == 0


@pytest.fixture
def mc(scenario: Scenario) -> McPlc:
    plc = build_mc_plc(scenario, "mg680", Switch())
    scan(plc, 5)
    return plc


def scan(plc: McPlc, times: int, v_pu: float = 1.0) -> Message:
    answer: Message = {"p_w": 0.0, "q_var": 0.0}
    for _ in range(times):
        answer = plc.on_step(
            {
                "v_v": [v_pu * 4160 / 3**0.5] * 3,
                "v_pu": [v_pu] * 3,
                "hz": 60.0,
                "sun": 0.8,
                "elapsed_s": 1.0,
                "p_w": answer["p_w"],
                "q_var": answer["q_var"],
            }
        )
    return answer


async def status(client: AsyncModbusTcpClient) -> list[int]:
    words = (await client.read_input_registers(2100, count=34, device_id=54)).registers
    return [signed(w) for w in words]


async def test_mc_plc_status_block(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        words = await status(client)
    assert words[1] == 1, "SS1"
    assert words[2] == 1, "POI breaker closed"
    assert words[4] == 800, "0.1 kW: 200 kW of PV less 120 kW of load"
    assert words[5] == -400, "the load's 40 kvar"
    assert words[6] == pytest.approx(24018, abs=1)
    assert words[9] + 0x10000 == 60_000
    assert words[10:14] == [2000, 0, 1200, 400]
    assert words[14] == pytest.approx(650, abs=1)
    assert words[15:17] == [-3200, 2800]
    assert words[19:21] == [-3200, 3300]
    assert words[23] == 4000


async def test_mc_plc_takes_a_dispatch_and_says_so_at_once(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        assert await code(client, "write_register", 2012, 150, unit=54) == 0
        assert (await status(client))[31] == 0, "a value alone is no request"
        assert await code(client, "write_register", 2011, 1, unit=54) == 0
        words = await status(client)
        assert words[24] == 1500
        assert words[28] == 0b00001
        assert words[29:32] == [0, 2, 1], "OK, function P, one request"
        assert await code(client, "write_registers", 2009, [1, 0x10000 - 80], unit=54) == 0
        answer = scan(mc, 10)
        assert answer["p_w"] == pytest.approx(150e3, abs=0.05 * 400e3)
        assert answer["q_var"] == pytest.approx(-80e3, abs=0.05 * 400e3)
        assert await code(client, "write_register", 2012, 390, unit=54) == 0
        words = await status(client)
        assert words[29] == 1, "clipped"
        assert words[24] == words[16], "held at the capability"
        assert await code(client, "write_register", 2011, 0, unit=54) == 0
        assert (await status(client))[28] == 0b00010


async def test_mc_plc_limit_is_signed_as_the_test_bed_has_it(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        await client.write_registers(2005, [1, 0x10000 - 20], device_id=54)
        await client.write_registers(2011, [1, 0x10000 - 200], device_id=54)
        words = await status(client)
        assert words[26] == -200
        assert words[29:31] == [1, 2], "an import of 200 kW is clipped to the limit's 20 kW"
        assert scan(mc, 10)["p_w"] == pytest.approx(-20e3, abs=100)


async def test_mc_plc_power_factor_and_curve(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        await client.write_registers(2007, [1, 0x10000 - 900], device_id=54)
        assert scan(mc, 10)["q_var"] < 0
        curve = [1000, 920, 440, 980, 0, 1020, 0, 1080, 0x10000 - 440]
        await client.write_registers(2014, curve, device_id=54)
        await client.write_register(2013, 1, device_id=54)
        assert (await status(client))[28] == 0b10000, "the curve ends the power factor"
        held = await client.read_holding_registers(2007, count=1, device_id=54)
        assert held.registers == [0]
        assert scan(mc, 10, v_pu=1.05)["q_var"] == pytest.approx(-88e3, abs=2e3)
        await client.write_register(2015, 1100, device_id=54)
        await client.write_register(2013, 1, device_id=54)
        assert (await status(client))[29] == 3, "voltages that fall are no curve"


async def test_mc_plc_islands_and_comes_back(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        assert await code(client, "write_register", 2004, 1, unit=54) == 0
        assert (await status(client))[1] == 3, "T1"
        answer = scan(mc, 30)
        assert (answer["p_w"], answer["q_var"]) == (0.0, 0.0)
        words = await status(client)
        assert words[1:3] == [2, 0], "SS2, breaker open"
        assert words[4:6] == [0, 0]
        assert await code(client, "write_registers", 2011, [1, 50], unit=54) == 0
        words = await status(client)
        assert words[29:31] == [2, 2], "refused: islanded"
        assert (await client.read_holding_registers(2011, count=1, device_id=54)).registers == [0]
        assert await code(client, "write_register", 2024, 1, unit=54) == 0
        assert (await status(client))[1] == 5, "T3"
        scan(mc, 60)
        words = await status(client)
        assert words[1:3] == [1, 1]
        block = await client.read_holding_registers(2004, count=21, device_id=54)
        assert block.registers[0] == 0
        assert block.registers[20] == 0


async def test_mc_plc_refuses_with_the_right_code(serve, mc: McPlc) -> None:
    async with serve(54, mc) as client:
        assert await code(client, "write_register", 2012, 500, unit=54) == ILLEGAL_VALUE
        assert await code(client, "write_register", 2000, 1, unit=54) == ILLEGAL_ADDRESS
        assert await code(client, "write_register", 1999, 1, unit=54) == ILLEGAL_ADDRESS
        assert await code(client, "read_input_registers", 2099, unit=54) == ILLEGAL_ADDRESS
        assert await code(client, "write_registers", 2000, [0x6700, 0], unit=54) == 0
        mc.on_site({"local": True})
        assert await code(client, "write_registers", 2011, [1, 50], unit=54) == 0
        assert (await status(client))[29] == 4, "refused: local"
        mc.fresh.on = False  # type: ignore[attr-defined]
        assert await code(client, "read_input_registers", 2100, unit=54) == DEVICE_FAILURE
        assert await code(client, "write_register", 2011, 1, unit=54) == DEVICE_FAILURE
        assert await code(client, "read_holding_registers", 2000, unit=54) == 0
