"""Real power of groups as the last resort: VVO, the group service and a feeder, closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gateway.apps.vvo.config import Group
from gateway.apps.vvo.curtail import LIFT_AFTER_MS
from gateway.apps.vvo.step import Vvo, VvoState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.observe import Injection
from gateway.groups.backend import Asker
from gateway.groups.messages import GroupReply, LimitRequest, Result, StatusRequest
from gateway.model.command import CommandResult, CommandStatus, Priority
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.unit.groups.conftest import Field
from tests.unit.vvo.test_step import BINDINGS, CONFIG, HEAD, MASTER, PHASES, Plant

VVO = replace(
    CONFIG,
    regulators=tuple(replace(own, act=False) for own in CONFIG.regulators),
    capacitors=(),
    ders=(),
    bindings=replace(BINDINGS, injections=(Injection("der_mg680", ("g.p",), ("g.q",)),)),
    margin_pu=0.002,
    ask_again_s=600.0,
    status_every_s=60.0,
)
ASKER = Asker("dms:vvo", Priority.GROUP_FUNCTION)
CYCLE_MS = 60_000


@dataclass
class MgPlant(Plant):
    """A feeder with a group's power at bus 680."""

    mg_w: float = 0.0

    def volts(self):
        for regulator, tap in self.taps.items():
            self.engine.set_tap(regulator, tap)
        self.engine.scale_loads(np.array([[0.108, 0.105], [0.093, 0.095], [0.104, 0.1]]))
        self.engine.set_injection("der_mg680", self.mg_w, self.mg_var)
        self.solution = self.engine.solve()
        return dict(zip(self.engine.nodes, self.solution.voltages_pu.tolist(), strict=True))

    def nodes_out(self) -> int:
        judged = [v for n, v in self.volts().items() if n.split(".")[0] not in VVO.excluded_buses]
        return sum(not 0.95 <= volt <= 1.05 for volt in judged)


class Loop:
    """The cycle closed: the plant's power follows what the group's points were told."""

    def __init__(self, field: Field, plant: Plant, group: str, config=VVO) -> None:
        config = replace(config, groups=(Group("der_mg680", group, curtail=True),))
        self.field, self.plant, self.group = field, plant, group
        self.vvo, self.state = Vvo(config, DssEngine(MASTER, HEAD)), VvoState()
        self.replies: list[GroupReply] = []
        self.limits: list[float | None] = []
        self.sun_w = {"pv1": 0.0, "pv2": 0.0}
        self.now_ms = field.clock.utc_ms()

    def give(self) -> None:
        """What the group gives of its sun, or its fuel, under its limits."""
        field = self.field
        if self.group == "mg":
            limit_w = field.store["mg.held_limit"].value
            held = field.store["mg.req_limit_active"].value == 1.0
            power_w = min(self.sun_w["pv1"], limit_w) if held else self.sun_w["pv1"]
            field.show_all(mg__poi_p=power_w, mg__poi_q=0.0)
            self.plant.mg_w = power_w
            self.plant.mg_var = field.store["mg.held_q"].value
            return
        self.plant.mg_w = 0.0
        for name, free_w in self.sun_w.items():
            limit_pct = field.store[f"{name}.p_limit_pct"].value
            rating_w = field.store[f"{name}.p_max"].value
            held = field.store[f"{name}.p_limit_ena"].value == 1.0
            power_w = min(free_w, limit_pct * rating_w / 100.0) if held else free_w
            field.show(f"{name}.p", power_w)
            self.plant.mg_w += power_w

    async def cycle(self, number: int = 1) -> None:
        for _ in range(number):
            self.field.clock.advance(CYCLE_MS / 1000)
            self.now_ms = self.field.clock.utc_ms()
            self.give()
            self.plant.measure()
            for point, value in (("g.p", self.plant.mg_w), ("g.q", self.plant.mg_var)):
                self.plant.store.update(point, Measurement(value, Quality.ONLINE, self.now_ms))
            decision = self.vvo.step(
                self.plant.store.freeze(), tuple(self.replies), self.state, self.now_ms
            )
            self.state, self.decision = decision.state, decision
            self.replies = []
            for message in decision.messages:
                if isinstance(message, LimitRequest):
                    self.limits.append(message.limit_w)
                reply = await self.field.ask(message, ASKER)
                # the group's clock is the plant's
                self.replies.append(replace(reply, time_ms=self.now_ms))
            self.give()


@pytest.fixture
def field(tmp_path, clock):
    own = Field(tmp_path, clock)
    for name, rating_w in (("pv1", 2.4e6), ("pv2", 0.8e6)):
        for point in ("p_max_rtg", "p_max", "s_max_rtg"):
            own.show(f"{name}.{point}", rating_w)
        for point in ("q_inj_rtg", "q_abs_rtg"):
            own.show(f"{name}.{point}", 0.0)
    own.show_all(mg__q_min=0.0, mg__q_max=0.0)
    yield own
    own.trail.close()


@pytest.fixture
def plant(clock):
    points = {p for _, p in BINDINGS.voltages} | {*BINDINGS.head_p, *BINDINGS.head_q}
    points |= {f"f.{kind}_{phase}" for kind in ("tap", "cmd") for phase in PHASES}
    points |= {"f.cap", "f.cap_cmd", "pv.p", "pv.q", "pv.q_set", "pv.q_ena", "pv.mod"}
    points |= {"pv.s_rtg", "pv.q_rtg", "g.p", "g.q"}
    store = PointStore([PointSpec(p, PointKind.AO, max_age_s=1e9) for p in sorted(points)], clock)
    return MgPlant(store, DssEngine(MASTER, HEAD), {f"reg60{phase}": 2 for phase in PHASES})


def test_a_set_of_inverters_is_limited_until_the_voltage_holds_and_let_go_again(field, plant):
    loop = Loop(field, plant, "pv")

    async def day() -> None:
        loop.sun_w = {"pv1": 0.3e6, "pv2": 0.1e6}
        await loop.cycle(3)
        assert loop.limits == []  # nothing is out of band: nothing is taken
        loop.sun_w = {"pv1": 2.2e6, "pv2": 0.75e6}
        loop.give()
        assert plant.nodes_out() > 0
        await loop.cycle(4)
        assert plant.nodes_out() == 0
        assert 0.5e6 < plant.mg_w < 2.95e6
        less_w = plant.mg_w
        plant.mg_w = 1.1 * less_w
        assert plant.nodes_out() > 0  # and no more is taken than that needs
        asked = len(loop.limits)
        await loop.cycle(3)
        assert len(loop.limits) == asked  # what holds is not asked again
        assert loop.state.free["der_mg680"].peak_w == pytest.approx(2.95e6)
        loop.sun_w = {"pv1": 0.2e6, "pv2": 0.1e6}
        await loop.cycle(2)
        assert loop.limits[-1] is not None  # a cloud passes
        await loop.cycle(LIFT_AFTER_MS // CYCLE_MS + 1)
        assert loop.limits[-1] is None
        assert field.store["pv1.p_limit_ena"].value == field.store["pv2.p_limit_ena"].value == 0.0

    asyncio.run(day())


def test_a_limit_is_eased_as_the_feeder_can_take_more(field, plant):
    loop = Loop(field, plant, "pv")

    async def day() -> None:
        loop.sun_w = {"pv1": 2.2e6, "pv2": 0.75e6}
        await loop.cycle(4)
        held_w = plant.mg_w
        plant.taps = dict.fromkeys(plant.taps, -4)
        await loop.cycle(3)
        assert plant.mg_w > 1.2 * held_w
        assert plant.nodes_out() == 0

    asyncio.run(day())


def mg_field(field, plant, taps: int) -> Loop:
    plant.taps = dict.fromkeys(plant.taps, taps)
    loop = Loop(field, plant, "mg")
    loop.sun_w = {"pv1": 330e3}
    return loop


def taps_near_the_limit(plant) -> int:
    """The highest taps at which the feeder is inside without the microgrid, and out with it."""
    for taps in range(16, -16, -1):
        plant.taps = dict.fromkeys(plant.taps, taps)
        plant.mg_w = 0.0
        alone = plant.nodes_out()
        plant.mg_w = 330e3
        if not alone and plant.nodes_out():
            return taps
    raise AssertionError("no tap puts the microgrid to the test")


def test_a_microgrid_is_limited_through_its_controller(field, plant):
    loop = mg_field(field, plant, taps_near_the_limit(plant))

    async def day() -> None:
        await loop.cycle(4)
        assert plant.nodes_out() == 0
        assert loop.limits
        assert field.store["mg.req_limit_active"].value == 1.0
        assert plant.mg_w == field.store["mg.held_limit"].value < 330e3

    asyncio.run(day())


def test_what_a_microgrid_gives_in_part_enters_the_next_cycle_and_is_asked_again_later(
    field, plant
):
    loop = mg_field(field, plant, taps_near_the_limit(plant))
    del field.follows["mg.req_limit"]
    field.show("mg.held_limit", 320e3)  # whatever it is asked, it goes no lower

    async def day() -> None:
        await loop.cycle(2)
        assert loop.replies[-1].result is Result.PARTIAL
        await loop.cycle(1)
        assert loop.state.limits["mg"].held_w == 320e3
        assert plant.mg_w == 320e3

    asyncio.run(day())
    again = Loop(field, plant, "mg", replace(VVO, ask_again_s=150.0))
    again.sun_w = loop.sun_w

    async def ask() -> None:
        counts = []
        for _ in range(8):
            await again.cycle(1)
            counts.append(len(again.limits))
        assert counts[0] == 0  # its status is not known yet
        assert counts[1] == 1
        assert counts[2] == 1  # it is let be
        assert counts[-1] > 1

    asyncio.run(ask())


def test_a_microgrid_that_refuses_its_limit_still_gives_its_reactive_power(field, plant):
    field.show_all(mg__q_min=-300e3, mg__q_max=300e3)
    loop = mg_field(field, plant, taps_near_the_limit(plant))
    refused: list[str] = []

    async def no_limit(command):
        if "limit" in command.point:
            refused.append(command.point)
            return CommandResult(command, CommandStatus.NOT_SUPPORTED, "no limit here", 0.0)
        return await Field.operate(field, command)

    field.operate = no_limit
    plant.taps = dict.fromkeys(plant.taps, plant.taps["reg60a"] + 3)  # more than Q can mend

    async def day() -> None:
        await loop.cycle(6)
        assert refused
        asked = [type(m) for m in loop.decision.messages if not isinstance(m, StatusRequest)]
        assert LimitRequest not in asked
        assert loop.state.refused_ms == {}
        assert field.store["mg.req_q_active"].value == 1.0
        assert field.store["mg.held_q"].value < -200e3

    asyncio.run(day())
