"""The inverter as a DER of the DNP3 DER profile: outputs reach its core, inputs say what it holds.

Indices are AN2018-001's and IEEE 1815.2-2025's (edition not verified), spelled out.
"""

from __future__ import annotations

import pytest

from hil.devices.dnp3_der import Dnp3Der
from hil.devices.sunspec_device import SunSpecDevice
from hil.scenario import Scenario
from tests.sim.hil.masters import MASTERS, Peer, by_py1815, serving

ADDRESS, EDITIONS = 1024, ("an2018", "1815_2")
RATED_W, MAX_VAR = 270e3, 132e3
ONLINE, RESTART, COMM_LOST = 0x01, 0x02, 0x04
FULL_SUN = 0.99  # of the rating, so a limit of 100 % does not throttle


class Rig:
    """An inverter at a stiff terminal: what it injects is what it measures next."""

    def __init__(self, scenario: Scenario, edition: str, name: str = "pv634") -> None:
        self.on = True
        self.der = scenario.ders[name]
        self.inverter = SunSpecDevice(self.der, scenario.step_s, lambda: self.on)
        self.device = Dnp3Der(self.inverter, edition)
        self.answer = {"p_w": 0.0, "q_var": 0.0}

    def run(self, seconds: int, v_pu: float = 1.0) -> None:
        volts = self.der.v_nom_v * v_pu / 3**0.5
        for _ in range(seconds):
            self.answer = self.device.on_step(
                {"v_v": [volts] * 3, "v_pu": [v_pu] * 3, "hz": 60.0, "sun": FULL_SUN,
                 "elapsed_s": 1.0, **self.answer}
            )  # fmt: skip


async def shown(peer: Peer, kind: str, index: int) -> float:
    await peer.integrity()
    return peer.seen.readings[kind, index].value


async def put(peer: Peer, kind: str, index: int, value: float | str) -> None:
    assert await peer.operate(kind, index, value) == "SUCCESS", (kind, index)


@pytest.fixture(params=EDITIONS)
def rig(request: pytest.FixtureRequest, scenario: Scenario) -> Rig:
    rig = Rig(scenario, request.param)
    rig.run(10)
    return rig


@pytest.mark.parametrize("name", sorted(MASTERS))
async def test_monitoring_points_are_where_the_profile_has_them(rig: Rig, name: str) -> None:
    async with serving(rig.device.stations) as port, MASTERS[name](port, ADDRESS) as peer:
        await peer.integrity()
        ai = {index: r.value for (kind, index), r in peer.seen.readings.items() if kind == "AI"}
        bi = {index: r.value for (kind, index), r in peer.seen.readings.items() if kind == "BI"}
    assert (ai[4], ai[12], ai[13], ai[14]) == (270_000, 132_000, -132_000, 300_000)
    assert ai[537] == pytest.approx(FULL_SUN * RATED_W, rel=0.01)
    assert ai[541] == pytest.approx(0, abs=1000)
    assert ai[536] == pytest.approx(60_000, abs=5), "mHz"
    assert ai[547] == pytest.approx(480 / 3**0.5 * 10, abs=5), "phase to neutral, 0.1 V"
    assert (bi[23], bi[19], bi[14], bi[15], bi[25]) == (1, 1, 1, 0, 0)
    assert [bi[n] for n in (36, 37, 46, 47, 48)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("edition", "output", "read_back"), [("an2018", 88, 149), ("1815_2", 87, 148)]
)
async def test_the_limit_is_at_its_editions_index(scenario, edition, output, read_back) -> None:
    rig = Rig(scenario, edition)
    rig.run(10)
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await put(peer, "AO", output, 500)  # tenths of a per cent
        rig.run(5)
        assert rig.answer["p_w"] > 0.9 * RATED_W, "the value alone limits nothing"
        await put(peer, "BO", 17, "latch_on")
        rig.run(10)
        assert rig.answer["p_w"] == pytest.approx(0.5 * RATED_W, rel=0.01)
        assert await shown(peer, "AI", read_back) == 500
        assert await shown(peer, "BI", 69) == 1
        await put(peer, "BO", 17, "latch_off")
        rig.run(30)
        assert rig.answer["p_w"] > 0.9 * RATED_W
        assert await peer.operate("AO", output, 1100) == "OUT_OF_RANGE"


async def test_the_other_limit_index_is_the_charging_side(scenario) -> None:
    """AO87 charges in AN2018, AO88 is the least power in 1815.2: a PV inverter's output stays."""
    for edition, output, raw in (("an2018", 87, 0), ("1815_2", 88, 0)):
        rig = Rig(scenario, edition)
        async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
            await put(peer, "AO", output, raw)
            await put(peer, "BO", 17, "latch_on")
            rig.run(15)
            assert rig.answer["p_w"] > 0.9 * RATED_W


async def test_power_and_vars_follow_their_set_points(rig: Rig) -> None:
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await put(peer, "AO", 93, 400)
        await put(peer, "BO", 18, "latch_on")
        await put(peer, "AO", 203, -500)
        await put(peer, "BO", 27, "latch_on")
        rig.run(30)
        assert rig.answer["p_w"] == pytest.approx(0.4 * RATED_W, rel=0.02)
        assert rig.answer["q_var"] == pytest.approx(-0.5 * MAX_VAR, rel=0.02)
        assert [await shown(peer, "AI", n) for n in (154, 281)] == [400, -500]
        assert [await shown(peer, "BI", n) for n in (70, 79)] == [1, 1]


async def test_one_reactive_function_at_a_time(rig: Rig) -> None:
    """IEEE 1547 (edition not verified): enabling one reactive function ends the other."""
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await put(peer, "AO", 210, 90)
        await put(peer, "BO", 10, "latch_on")  # under-excited
        await put(peer, "BO", 28, "latch_on")
        rig.run(30)
        expected = -rig.answer["p_w"] * (1 / 0.9**2 - 1) ** 0.5
        assert rig.answer["q_var"] == pytest.approx(expected, rel=0.03)
        assert [await shown(peer, "BI", n) for n in (29, 80, 79)] == [1, 1, 0]
        await put(peer, "BO", 27, "latch_on")
        assert [await shown(peer, "BI", n) for n in (80, 79)] == [0, 1]
        assert await shown(peer, "BO", 28) == 0


async def test_a_curve_is_edited_adopted_and_followed(rig: Rig) -> None:
    curve = [(920, 1000), (980, 0), (1020, 0), (1080, -1000)]
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        for index, raw in ((244, 1), (245, 2), (247, 129), (248, 2), (246, 4)):
            await put(peer, "AO", index, raw)
        for n, pair in enumerate(curve):
            await put(peer, "AO", 249 + 2 * n, pair[0])
            await put(peer, "AO", 250 + 2 * n, pair[1])
        await put(peer, "AO", 217, 1)
        rig.run(1)
        await put(peer, "BO", 29, "latch_on")
        rig.run(60, v_pu=1.05)
        assert rig.answer["q_var"] == pytest.approx(-0.5 * MAX_VAR, rel=0.1), "half way down"
        assert await shown(peer, "BI", 81) == 1
        assert await shown(peer, "AI", 297) == 1
        await put(peer, "AO", 249, 1100)  # voltages that do not rise are no curve
        await put(peer, "AO", 217, 1)
        rig.run(1)
        assert await shown(peer, "AI", 297) == 0, "not adopted"


async def test_what_it_cannot_do_is_refused_at_the_select(rig: Rig) -> None:
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        for index, raw in ((244, 2), (245, 3), (247, 1), (217, 2), (248, 9), (246, 1)):
            assert await peer.operate("AO", index, raw) == "OUT_OF_RANGE", index
        assert await peer.operate("AO", 93, -100) == "OUT_OF_RANGE", "PV does not charge"
        assert await peer.operate("AO", 84, 1) == "NOT_SUPPORTED"
        assert await peer.operate("BO", 6, "latch_on") == "NOT_SUPPORTED"
        assert await peer.operate("BO", 17, "trip") == "NOT_SUPPORTED"
        assert await shown(peer, "AO", 246) == 4, "untouched"
        rig.device.on_site({"local": True})
        assert await peer.operate("BO", 17, "latch_on") == "LOCAL"
        assert await shown(peer, "BI", 10) == 1


async def test_disconnecting_ceases_and_reads_back(rig: Rig) -> None:
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await put(peer, "BO", 5, "latch_off")
        rig.run(5)
        assert rig.answer["p_w"] == pytest.approx(0, abs=1)
        assert [await shown(peer, "BI", n) for n in (23, 14, 15, 19)] == [0, 0, 1, 0]
        assert await shown(peer, "BO", 2) == 1
        await put(peer, "BO", 2, "latch_off")
        rig.run(60)
        assert rig.answer["p_w"] > 0.9 * RATED_W
        assert [await shown(peer, "BI", n) for n in (23, 15)] == [1, 0]


async def test_what_the_plant_no_longer_tells_is_flagged(rig: Rig) -> None:
    async with serving(rig.device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await peer.integrity()
        assert peer.seen.readings["AI", 537].flags == ONLINE
        assert peer.seen.readings["AI", 6].flags == RESTART, "no such rating: never shown"
        rig.on = False
        await peer.integrity()
        assert peer.seen.readings["AI", 537].flags == ONLINE | COMM_LOST
        assert peer.seen.readings["AO", 203].flags == ONLINE
