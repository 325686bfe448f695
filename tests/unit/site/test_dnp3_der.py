"""A group as one DER of the DNP3 DER profile: value first, then enable, then a group function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.groups.backend import PointGroup, Submitter
from gateway.groups.der_points import DerPoints
from gateway.groups.messages import (
    CurveRequest,
    DispatchRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Result,
)
from gateway.groups.replies import failed, reply
from gateway.model.command import CommandMode, CommandStatus, Priority
from gateway.model.der import Excitation
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.profiles.load import load_profile
from gateway.site.dnp3_der import GroupDer

PROFILE = load_profile(Path(__file__).resolve().parents[3] / "devices", "dnp3_der_an2018")
ROLES = {
    "p": 100e3, "q": 20e3, "s_rated": 500e3, "p_rated_max": 400e3, "p_rated_min": -200e3,
    "q_rated_max": 250e3, "q_rated_min": -250e3, "hz": 60.0, "connected": 1.0,
    "limit_enable": 0.0, "p_enable": 0.0, "q_enable": 0.0, "pf_enable": 0.0, "curve_enable": 0.0,
}  # fmt: skip


class Bench:
    def __init__(self, clock):
        self.clock = clock
        self.measured = PointStore([PointSpec(f"d.{r}", PointKind.AI) for r in ROLES], clock)
        nowhere = Submitter(None, None, None, None, None)
        der = DerPoints("d", {role: f"d.{role}" for role in ROLES})
        self.group = PointGroup("mg", [der], self.measured, nowhere)
        self.measure(**ROLES)
        self.asked = []
        self.refuse = ""
        ranks = {"ems": Priority.UTILITY_2030_5}
        self.der = GroupDer(self.group, PROFILE, self.ask, ranks, clock)

    async def ask(self, request, asker, peer):
        self.asked.append(request)
        now_ms = self.clock.utc_ms()
        if self.refuse:
            return failed(request.address, now_ms, self.refuse)
        return replace(reply(request.address, now_ms, Result.OK))

    def measure(self, **values):
        for role, value in values.items():
            taken = Measurement(value, Quality.ONLINE, self.clock.utc_ms())
            self.measured.update(f"d.{role}", taken)

    async def operate(self, name, value, master="ems"):
        return await self.der.operate(f"mg.{name}", value, CommandMode.DIRECT_OPERATE, master)

    def shown(self, name):
        return self.der.store[f"mg.{name}"]


@pytest.fixture
def bench(clock):
    return Bench(clock)


def test_what_the_group_is_shows_at_the_profiles_points(bench):
    assert bench.shown("p").value == 100e3
    assert bench.shown("p_max_rtg").value == 400e3
    assert bench.shown("p_min_rtg").value == -200e3
    assert bench.shown("s").value == pytest.approx((100e3**2 + 20e3**2) ** 0.5)
    assert bench.shown("conn_generating").value == 1.0
    assert bench.shown("islanded").value == 0.0


def test_a_group_that_cannot_be_read_is_not_shown_as_live(bench):
    bench.measured.mark_comm_lost(np.arange(2))  # p and q
    bench.der.refresh()
    assert not bench.shown("p").is_good


async def test_a_set_point_asks_for_nothing_until_its_function_is_enabled(bench):
    assert await bench.operate("p_set", 50.0) is CommandStatus.SUCCESS
    assert bench.asked == []
    assert await bench.operate("p_set_ena", 1.0) is CommandStatus.SUCCESS
    (request,) = bench.asked
    assert isinstance(request, DispatchRequest)
    assert request.schedule == ((0.0, pytest.approx(200e3)),)  # 50 % of 400 kW
    assert bench.shown("p_set_on").value == 1.0


async def test_a_change_while_enabled_is_asked_for_anew_and_the_end_ends_it(bench):
    await bench.operate("q_set_ena", 1.0)
    await bench.operate("q_set", -40.0)
    assert bench.asked[-1].schedule == ((0.0, pytest.approx(-100e3)),)  # 40 % of 250 kvar
    await bench.operate("q_set_ena", 0.0)
    assert bench.asked[-1].schedule == ()


async def test_limits_in_both_directions(bench):
    await bench.operate("p_limit", 25.0)
    await bench.operate("p_limit_charge", 10.0)
    await bench.operate("p_limit_ena", 1.0)
    assert [type(r) for r in bench.asked] == [LimitRequest, LimitRequest]
    assert [r.limit_w for r in bench.asked] == pytest.approx([100e3, 20e3])


async def test_power_factor_curve_and_islanding_become_their_group_functions(bench):
    await bench.operate("pf_set", 0.95)
    await bench.operate("pf_ext", 1.0)
    await bench.operate("pf_ena", 1.0)
    assert isinstance(bench.asked[-1], PowerFactorRequest)
    assert bench.asked[-1].excitation is Excitation.UNDER_EXCITED
    for number, (volts, var) in enumerate(((92, 44), (98, 0), (102, 0), (108, -44)), 1):
        await bench.operate(f"vv_v{number}", volts)
        await bench.operate(f"vv_q{number}", var)
    await bench.operate("vv_points", 4.0)
    await bench.operate("vv_ena", 1.0)
    assert isinstance(bench.asked[-1], CurveRequest)
    assert bench.asked[-1].points == ((92, 44), (98, 0), (102, 0), (108, -44))
    assert bench.shown("pf_on").value == 0.0  # one function of reactive power at a time
    await bench.operate("island", 1.0)
    assert isinstance(bench.asked[-1], IslandRequest)
    assert bench.asked[-1].action is IslandAction.PLANNED


async def test_what_is_refused_is_not_held(bench):
    bench.refuse = "islanded"
    assert await bench.operate("p_set_ena", 1.0) is CommandStatus.BLOCKED
    assert bench.shown("p_set_on").value == 0.0
    bench.refuse = "no member took it"
    assert await bench.operate("q_set_ena", 1.0) is CommandStatus.DOWNSTREAM_FAIL


async def test_nothing_for_strangers_beyond_limits_or_on_inputs(bench):
    assert await bench.operate("p_set", 50.0, "stranger") is CommandStatus.NOT_AUTHORIZED
    assert await bench.operate("p_set", 101.0) is CommandStatus.OUT_OF_RANGE
    assert await bench.operate("p", 1.0) is CommandStatus.NOT_SUPPORTED
    assert bench.asked == []
