"""What a utility's 2030.5 controls ask of a group, and what it hears of each mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.groups.backend import Asker, PointGroup, Submitter
from gateway.groups.der_points import DerPoints
from gateway.groups.messages import (
    ConnectRequest,
    CurveReference,
    CurveRequest,
    DispatchRequest,
    GroupReply,
    GroupRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
)
from gateway.groups.replies import failed, reply
from gateway.links.sep2.client import Effective, ModeSetting, Taken
from gateway.links.sep2.resources import (
    ActivePower,
    CurveData,
    DERCurve,
    FixedVar,
    Link,
    PowerFactorWithExcitation,
    ReactivePower,
)
from gateway.model.command import Command, Priority
from gateway.model.der import Excitation
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.site.sep2_utility import RETRY_S, UtilityDevice
from gateway.site.sep2_view import UtilityView
from tests.conftest import VirtualClock

ROLES = {
    "p": 100e3, "q": 20e3, "s_rated": 500e3, "p_rated_max": 400e3, "p_rated_min": -200e3,
    "q_rated_max": 250e3, "q_rated_min": -150e3, "hz": 60.0, "connected": 1.0, "soc": 55.0,
    "limit": 100.0, "limit_enable": 0.0, "q_set": 0.0, "q_enable": 0.0,
}  # fmt: skip
CURVE = DERCurve(
    mrid=1,
    creation_time=0,
    curve_data=(CurveData(xvalue=950, yvalue=44), CurveData(xvalue=1050, yvalue=-44)),
    curve_type=11,
    open_loop_tms=500,
    v_ref=10_100,
    x_multiplier=-1,
    y_multiplier=0,
    y_ref_type=2,
)


@dataclass
class Rig:
    """A battery as a group of one, and what is asked of it."""

    clock: VirtualClock
    asked: list[GroupRequest] = field(default_factory=list)
    refuse: str = ""
    holder: Command | None = None

    def __post_init__(self) -> None:
        specs = [PointSpec(f"d.{role}", PointKind.AI, max_age_s=10.0) for role in ROLES]
        self.store = PointStore(specs, self.clock)
        self.measure()
        nobody: Any = None
        submitter = Submitter(nobody, nobody, nobody, nobody, lambda _: self.holder)
        der = DerPoints("d", {role: f"d.{role}" for role in ROLES})
        self.group = PointGroup("g", [der], self.store, submitter)
        self.device = UtilityDevice(self.group, self.ask, "utility", self.clock)

    def measure(self) -> None:
        for role, value in ROLES.items():
            self.store.update(f"d.{role}", Measurement(value, Quality.ONLINE, self.clock.utc_ms()))

    async def ask(self, request: GroupRequest, asker: Asker, peer: str) -> GroupReply:
        assert (asker, peer) == (Asker("sep2:utility", Priority.UTILITY_2030_5), "utility")
        self.asked.append(request)
        now_ms = self.clock.utc_ms()
        if self.refuse:
            return failed(request.address, now_ms, self.refuse)
        return reply(request.address, now_ms, Result.OK)

    def apply(self, **modes: Any) -> dict[str, Taken]:
        """What became of each mode."""
        outcome = asyncio.run(self.device.apply(effective(**modes)))
        return {mode: one.taken for mode, one in outcome.modes.items()}


def _rounded(value: Any) -> Any:
    """Products of tenths, as the numbers they stand for."""
    if isinstance(value, tuple):
        return tuple(_rounded(entry) for entry in value)
    return round(value, 6) if isinstance(value, float) else value


def effective(**modes: Any) -> Effective:
    return Effective(
        {
            mode: ModeSetting(
                value, 7, event=True, curve=CURVE if isinstance(value, Link) else None
            )
            for mode, value in modes.items()
        }
    )


@pytest.fixture
def rig(clock: VirtualClock) -> Rig:
    return Rig(clock)


@pytest.mark.parametrize(
    ("modes", "kind", "asked"),
    [
        ({"op_mod_max_lim_w": 2500}, LimitRequest, {"limit_w": 100e3}),
        ({"op_mod_gen_lim_w": ActivePower.of(5e3)}, LimitRequest, {"limit_w": 5e3}),
        ({"op_mod_fixed_w": 5000}, DispatchRequest, {"schedule": ((0.0, 200e3),)}),
        ({"op_mod_fixed_w": -5000}, DispatchRequest, {"schedule": ((0.0, -100e3),)}),
        ({"op_mod_target_w": ActivePower.of(7e4)}, DispatchRequest, {"schedule": ((0.0, 7e4),)}),
        (
            {"op_mod_fixed_var": FixedVar(ref_type=2, value=4000)},
            DispatchRequest,
            {"schedule": ((0.0, 100e3),), "quantity": Quantity.REACTIVE_POWER},
        ),
        (
            {"op_mod_fixed_var": FixedVar(ref_type=2, value=-4000)},
            DispatchRequest,
            {"schedule": ((0.0, -60e3),)},
        ),
        (
            {"op_mod_fixed_var": FixedVar(ref_type=1, value=1000)},
            DispatchRequest,
            {"schedule": ((0.0, 40e3),)},
        ),
        (
            {"op_mod_target_var": ReactivePower.of(-1234.0)},
            DispatchRequest,
            {"schedule": ((0.0, -1234.0),)},
        ),
        (
            {"op_mod_fixed_pf_inject_w": PowerFactorWithExcitation.of(0.95, excitation=True)},
            PowerFactorRequest,
            {"power_factor": 0.95, "excitation": Excitation.UNDER_EXCITED},
        ),
        (
            {"op_mod_volt_var": Link(href="/c/1")},
            CurveRequest,
            {
                "points": ((95.0, 44.0), (105.0, -44.0)),
                "reference": CurveReference.MAX_REACTIVE_POWER,
                "voltage_reference_pct": 101.0,
                "response_s": 5.0,
            },
        ),
        ({"op_mod_connect": False}, ConnectRequest, {"connect": False}),
        ({"op_mod_energize": True}, ConnectRequest, {"connect": True}),
    ],
)
def test_each_mode_is_a_group_function_in_its_own_terms(
    rig: Rig, modes: dict[str, Any], kind: type, asked: dict[str, Any]
) -> None:
    assert rig.apply(**modes) == dict.fromkeys(modes, Taken.TAKEN)
    (request,) = rig.asked
    assert isinstance(request, kind)
    for name, value in asked.items():
        assert _rounded(getattr(request, name)) == value


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("op_mod_fixed_var", FixedVar(ref_type=4, value=1)),  # percent of a voltage
        ("op_mod_freq_watt", Link(href="/c/2")),
    ],
)
def test_what_a_group_cannot_be_told_is_not_supported(rig: Rig, mode: str, value: Any) -> None:
    assert rig.apply(**{mode: value}).get(mode, Taken.NOT_SUPPORTED) is Taken.NOT_SUPPORTED
    assert not rig.asked


def test_what_stays_is_not_asked_again_and_what_goes_is_ended(rig: Rig) -> None:
    rig.apply(op_mod_max_lim_w=5000, op_mod_fixed_var=FixedVar(ref_type=2, value=1000))
    rig.apply(op_mod_max_lim_w=5000)
    assert len(rig.asked) == 3
    ended = rig.asked[-1]
    assert isinstance(ended, DispatchRequest)
    assert (ended.quantity, ended.schedule) == (Quantity.REACTIVE_POWER, ())
    rig.apply()
    lifted = rig.asked[-1]
    assert isinstance(lifted, LimitRequest)
    assert lifted.limit_w is None


def test_one_function_of_reactive_power_at_a_time(rig: Rig) -> None:
    told = rig.apply(
        op_mod_fixed_var=FixedVar(ref_type=2, value=1000), op_mod_volt_var=Link(href="/c/1")
    )
    assert told == {
        "op_mod_fixed_var": Taken.TAKEN,
        "op_mod_volt_var": Taken.NOT_SUPPORTED,
    }


@pytest.mark.parametrize(
    ("reason", "taken"),
    [
        ("d.limit: held by operator:kim at priority OPERATOR", Taken.REFUSED),
        ("islanded", Taken.REFUSED),
        ("d: is not online", Taken.REFUSED),
        ("d: d has no limit, limit_enable", Taken.NOT_SUPPORTED),
    ],
)
def test_a_refusal_is_told_for_what_it_is(rig: Rig, reason: str, taken: Taken) -> None:
    rig.refuse = reason
    assert rig.apply(op_mod_max_lim_w=5000) == {"op_mod_max_lim_w": taken}


def test_what_was_refused_is_asked_again_and_not_ended(rig: Rig) -> None:
    rig.refuse = "held by operator:kim"
    now = effective(op_mod_max_lim_w=5000)
    rig.apply(op_mod_max_lim_w=5000)
    assert asyncio.run(rig.device.watch(now)) is None
    rig.clock.advance(RETRY_S)
    rig.refuse = ""
    outcome = asyncio.run(rig.device.watch(now))
    assert outcome is not None
    assert outcome.modes["op_mod_max_lim_w"].taken is Taken.TAKEN
    assert len(rig.asked) == 2


def test_an_operator_who_takes_over_and_lets_go_is_told_of(rig: Rig) -> None:
    now = effective(op_mod_max_lim_w=5000)
    rig.apply(op_mod_max_lim_w=5000)
    rig.holder = Command("d.limit", 20.0, "operator:kim", Priority.OPERATOR)
    over = asyncio.run(rig.device.watch(now))
    assert over is not None
    assert over.modes["op_mod_max_lim_w"].taken is Taken.REFUSED
    assert asyncio.run(rig.device.watch(now)) is None
    rig.holder = Command("d.limit", 50.0, "sep2:utility", Priority.UTILITY_2030_5)
    back = asyncio.run(rig.device.watch(now))
    assert back is not None
    assert back.modes["op_mod_max_lim_w"].taken is Taken.TAKEN
    assert len(rig.asked) == 1, "its claim waited below the operator's; nothing was asked again"


def test_the_view_tells_ratings_and_only_what_is_good(rig: Rig) -> None:
    view = UtilityView(rig.group, rig.clock)
    told = view.snapshot()
    assert (told.power_w, told.reactive_power_var, told.soc_percent) == (100e3, 20e3, 55.0)
    assert told.capability is not None
    assert told.capability.rtg_max_w.number == 400e3
    assert told.capability.rtg_max_charge_rate_w is not None
    assert told.capability.rtg_max_charge_rate_w.number == 200e3
    # charge, discharge, fixed var, target var, maximum limit
    assert told.capability.modes_supported == 1 << 0 | 1 << 1 | 1 << 6 | 1 << 21 | 1 << 20
    first = told.settings
    rig.clock.advance(5.0)
    assert view.snapshot().settings is first, "what did not change is not posted anew"
    rig.clock.advance(6.0)
    rig.store.age()
    lost = view.snapshot()
    assert (lost.reachable, lost.power_w, lost.connected) == (False, None, None)
