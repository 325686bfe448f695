"""One VVO cycle on our own feeder: the model is off, the meters are right, the plan must hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gateway.apps.vvo.config import Capacitor, Der, Group, Regulator, VvoConfig
from gateway.apps.vvo.step import Vvo, VvoState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.observe import Bindings, Injection
from gateway.groups.messages import (
    CurveRequest,
    DispatchRequest,
    GroupReply,
    PowerFactorRequest,
    Present,
    Quantity,
    QuantityRange,
    ReplyError,
    Result,
    StatusRequest,
)
from gateway.model.command import Priority
from gateway.model.der import Excitation, Range
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore

MASTER = Path(__file__).resolve().parents[3] / "hil" / "feeders" / "ieee13_der.dss"
HEAD = ("Transformer.reg60a", "Transformer.reg60b", "Transformer.reg60c")
PHASES = "abc"
METERS = ("rg60.1", "rg60.2", "rg60.3", "675.1", "675.2", "675.3", "634.1", "634.2", "634.3")
BINDINGS = Bindings(
    taps=tuple((f"reg60{p}", f"f.tap_{p}") for p in PHASES),
    capacitors=(("cap675", "f.cap"),),
    injections=(Injection("der_pv675", ("pv.p",), ("pv.q",)), Injection("der_mg680")),
    voltages=tuple((node, f"v.{node.replace('.', '_')}") for node in METERS),
    head_p=tuple(f"f.p_{p}" for p in PHASES),
    head_q=tuple(f"f.q_{p}" for p in PHASES),
)
CONFIG = VvoConfig(
    regulators=tuple(
        Regulator(f"reg60{p}", f"f.tap_{p}", f"f.cmd_{p}", act=True) for p in PHASES
    ),
    capacitors=(Capacitor("cap675", "f.cap", "f.cap_cmd", act=True),),
    ders=(
        Der("der_pv675", "pv.p", "pv.q", "pv.q_set", "pv.q_ena", (("pv.mod", 4.0),),
            "pv.s_rtg", "pv.q_rtg", act=True),
    ),
    groups=(Group("der_mg680", "mg"),),
    bindings=BINDINGS,
    excluded_buses=("sourcebus", "650"),
    mode="act",
)  # fmt: skip


@dataclass
class Plant:
    """A feeder that is not the model: every load is off by its own factor."""

    store: PointStore
    engine: DssEngine
    taps: dict[str, int]
    pv_var: float = 0.0
    mg_var: float = 0.0
    load: float = 1.0
    pv_w: float = 0.0

    def volts(self) -> dict[str, float]:
        for regulator, tap in self.taps.items():
            self.engine.set_tap(regulator, tap)
        self.engine.scale_loads(np.array([[1.08, 1.05], [0.93, 0.95], [1.04, 1.0]]) * self.load)
        self.engine.set_injection("der_pv675", self.pv_w, self.pv_var)
        self.engine.set_injection("der_mg680", 100e3, self.mg_var)
        self.solution = self.engine.solve()
        return dict(zip(self.engine.nodes, self.solution.voltages_pu.tolist(), strict=True))

    def measure(self, lost: tuple[str, ...] = ()) -> None:
        volts = self.volts()
        values = {f"v.{node.replace('.', '_')}": volts[node] for node in METERS}
        for phase, p, q in zip(
            PHASES, self.solution.head_p_w, self.solution.head_q_var, strict=True
        ):
            values |= {f"f.p_{phase}": float(p), f"f.q_{phase}": float(q)}
            values[f"f.tap_{phase}"] = values[f"f.cmd_{phase}"] = self.taps[f"reg60{phase}"]
        values |= {"f.cap": 1, "f.cap_cmd": 1, "pv.p": self.pv_w, "pv.q": self.pv_var}
        values |= {"pv.q_set": self.pv_var, "pv.q_ena": 0, "pv.mod": 0}
        values |= {"pv.s_rtg": 500e3, "pv.q_rtg": 220e3}
        for point, value in values.items():
            quality = Quality.COMM_LOST if point in lost else Quality.ONLINE
            self.store.update(point, Measurement(float(value), quality, 1))

    def worst(self) -> tuple[float, float]:
        volts = [v for node, v in self.volts().items() if node.split(".")[0] != "sourcebus"]
        return min(volts), max(volts)


@pytest.fixture
def plant(clock):
    points = {p for _, p in BINDINGS.voltages} | {*BINDINGS.head_p, *BINDINGS.head_q}
    points |= {f"f.{kind}_{phase}" for kind in ("tap", "cmd") for phase in PHASES}
    points |= {"f.cap", "f.cap_cmd", "pv.p", "pv.q", "pv.q_set", "pv.q_ena", "pv.mod"}
    points |= {"pv.s_rtg", "pv.q_rtg"}
    store = PointStore([PointSpec(p, PointKind.AO, max_age_s=1e9) for p in sorted(points)], clock)
    taps = {f"reg60{phase}": 0 for phase in PHASES}
    return Plant(store, DssEngine(MASTER, HEAD), taps)


def app(**changes) -> Vvo:
    return Vvo(replace(CONFIG, **changes), DssEngine(MASTER, HEAD))


def status(q_min=-300e3, q_max=300e3, connected=1.0, time_ms=1000) -> GroupReply:
    values = ((Quantity.ACTIVE_POWER, 100e3), (Quantity.REACTIVE_POWER, 0.0))
    present = (*values, (Quantity.CONNECTED, connected))
    return GroupReply(
        message_id="r", correlation_id="m", dms_id="dms", group_id="mg", time_ms=time_ms,
        result=Result.OK,
        present=tuple(
            Present(quantity=q, value=v, good=True, time_ms=time_ms) for q, v in present
        ),
        ranges=(
            QuantityRange(
                quantity=Quantity.REACTIVE_POWER, now=Range(q_min, q_max), nameplate=None
            ),
            QuantityRange(
                quantity=Quantity.APPARENT_POWER, now=None, nameplate=Range(0, 400e3)
            ),
        ),
    )  # fmt: skip


def carry_out(plant: Plant, decision) -> None:
    for command in decision.commands:
        if command.point.startswith("f.cmd_"):
            plant.taps[f"reg60{command.point[-1]}"] = round(command.value)
        elif command.point == "pv.q_set":
            plant.pv_var = command.value
    for message in decision.messages:
        if isinstance(message, DispatchRequest):
            plant.mg_var = message.schedule[0][1]


@pytest.mark.parametrize("load", [0.3, 0.6, 1.0])
def test_a_feeder_out_of_band_is_inside_within_few_cycles_though_the_model_is_off(plant, load):
    plant.load = load
    plant.taps = {"reg60a": 14, "reg60b": 14, "reg60c": -6}
    low, high = plant.worst()
    assert low < 0.95 or high > 1.05
    vvo, state = app(), VvoState()
    for cycle in range(6):
        plant.measure()
        decision = vvo.step(plant.store.freeze(), (status(),), state, 1000 + cycle)
        state = decision.state
        carry_out(plant, decision)
    low, high = plant.worst()
    assert low >= 0.95
    assert high <= 1.05


def test_nothing_moves_where_nothing_is_to_gain(plant):
    plant.load = 0.5
    vvo, state = app(), VvoState()
    for cycle in range(5):
        plant.measure()
        decision = vvo.step(plant.store.freeze(), (status(),), state, 1000 + cycle)
        state = decision.state
        carry_out(plant, decision)
    plant.measure()
    decision = vvo.step(plant.store.freeze(), (status(),), state, 2000)
    assert [command for command in decision.commands if "cmd_" in command.point] == []


def test_no_voltage_meter_means_hold(plant):
    plant.measure(lost=tuple(point for _, point in BINDINGS.voltages))
    decision = app().step(plant.store.freeze(), (status(),), VvoState(), 1000)
    assert decision.commands == ()
    raised = {alarm.source for alarm in decision.alarms if alarm.active}
    plant.measure()
    decision = app().step(plant.store.freeze(), (status(),), decision.state, 2000)
    assert raised == {"vvo"}
    assert {alarm.source for alarm in decision.alarms if not alarm.active} >= raised


def test_a_lost_regulator_is_left_alone_and_the_rest_works_on(plant):
    plant.taps = {"reg60a": 14, "reg60b": 14, "reg60c": 14}
    plant.load = 0.3
    plant.measure(lost=("f.cmd_a",))
    decision = app().step(plant.store.freeze(), (status(),), VvoState(), 1000)
    moved = {command.point for command in decision.commands}
    assert "f.cmd_a" not in moved
    assert {"f.cmd_b", "f.cmd_c"} <= moved


def test_only_what_may_act_is_moved_and_advice_is_never_a_command(plant):
    plant.taps = {"reg60a": 14, "reg60b": 14, "reg60c": 14}
    plant.load = 0.3
    plant.measure()
    image = plant.store.freeze()
    locked = tuple(replace(regulator, act=False) for regulator in CONFIG.regulators)
    decision = app(regulators=locked).step(image, (status(),), VvoState(), 1000)
    assert not any(command.point.startswith("f.cmd_") for command in decision.commands)
    decision = app(regulators=locked, mode="advise").step(image, (status(),), VvoState(), 1000)
    assert decision.commands == ()
    assert any(command.point.startswith("f.cmd_") for command in decision.advice)
    assert all(isinstance(message, StatusRequest) for message in decision.messages)


def test_tap_steps_a_cycle_are_bounded(plant):
    plant.taps = {"reg60a": 16, "reg60b": 16, "reg60c": 16}
    plant.load = 0.2
    plant.measure()
    decision = app(max_taps_per_cycle=3).step(plant.store.freeze(), (), VvoState(), 1000)
    taps = [c.value for c in decision.commands if c.point.startswith("f.cmd_")]
    assert taps
    assert all(13 <= tap <= 16 for tap in taps)


def test_a_set_point_goes_before_its_enable_and_presets_before_both(plant):
    plant.load = 1.1
    plant.measure()
    decision = app().step(plant.store.freeze(), (), VvoState(), 1000)
    own = [command.point for command in decision.commands if command.point.startswith("pv.")]
    assert own == ["pv.mod", "pv.q_set", "pv.q_ena"]
    assert (
        len({command.correlation for command in decision.commands if "pv." in command.point}) == 1
    )
    assert {command.priority for command in decision.commands} == {Priority.DMS_VVO}


def test_status_is_asked_before_the_group_is_relied_on(plant):
    plant.load = 1.1
    plant.measure()
    vvo = app()
    first = vvo.step(plant.store.freeze(), (), VvoState(), 10_000)
    assert [type(message) for message in first.messages] == [StatusRequest]
    second = vvo.step(plant.store.freeze(), (status(time_ms=10_000),), first.state, 10_500)
    (ask,) = second.messages
    assert isinstance(ask, DispatchRequest)
    assert ask.quantity is Quantity.REACTIVE_POWER
    assert -300e3 <= ask.schedule[0][1] <= 300e3


@pytest.mark.parametrize(
    "reply", [status(connected=0.0), status(time_ms=-100_000)], ids=["islanded", "stale"]
)
def test_an_islanded_or_silent_group_is_not_asked_for_power(plant, reply):
    plant.load = 1.1
    plant.measure()
    decision = app().step(plant.store.freeze(), (reply,), VvoState(), 10_000)
    assert all(isinstance(message, StatusRequest) for message in decision.messages)


def test_after_a_refusal_the_group_is_let_be_for_a_while(plant):
    plant.load = 1.1
    plant.measure()
    error = ReplyError(code="6.1", level="WARNING", reason="held by operator")
    refusal = replace(
        status(time_ms=10_000), present=(), ranges=(), result=Result.FAILED, errors=(error,)
    )
    vvo, image = app(), plant.store.freeze()
    first = vvo.step(image, (status(time_ms=10_000), refusal), VvoState(), 10_000)
    assert not any(isinstance(message, DispatchRequest) for message in first.messages)
    later = vvo.step(image, (status(time_ms=45_000),), first.state, 45_000)
    assert any(isinstance(message, DispatchRequest) for message in later.messages)


def test_the_same_wish_as_power_factor_or_curve(plant):
    plant.load = 1.1
    plant.measure()
    for ask, kind in (("pf", PowerFactorRequest), ("curve", CurveRequest)):
        groups = (replace(CONFIG.groups[0], ask=ask),)
        decision = app(groups=groups).step(plant.store.freeze(), (status(),), VvoState(), 1000)
        (message,) = [m for m in decision.messages if not isinstance(m, StatusRequest)]
        assert isinstance(message, kind)
        if isinstance(message, PowerFactorRequest):
            assert message.excitation is Excitation.OVER_EXCITED
            assert 0 < message.power_factor <= 1
        else:
            volts = [volt for volt, _ in message.points]
            vars_ = [var for _, var in message.points]
            assert volts == sorted(volts)
            assert vars_ == sorted(vars_, reverse=True)
            assert max(vars_) <= 100


def test_a_step_is_pure(plant):
    plant.measure()
    image, state = plant.store.freeze(), VvoState()
    first = app().step(image, (status(),), state, 1000)
    again = app().step(image, (status(),), state, 1000)
    assert first.commands == again.commands
    assert first.notes == again.notes


def test_a_status_of_which_a_member_is_missing_is_not_optimised_on(plant):
    plant.load = 1.1
    plant.measure()
    whole = status(time_ms=10_000)
    parts = tuple(replace(p, good=p.quantity is not Quantity.REACTIVE_POWER) for p in whole.present)
    reply = replace(whole, present=parts, result=Result.PARTIAL)
    decision = app().step(plant.store.freeze(), (reply,), VvoState(), 10_000)
    assert all(isinstance(message, StatusRequest) for message in decision.messages)


def test_when_the_clock_steps_back_an_old_status_does_not_stay_fresh(plant):
    plant.load = 1.1
    plant.measure()
    hour_ms = 3_600_000
    vvo, image = app(), plant.store.freeze()
    first = vvo.step(image, (status(time_ms=hour_ms),), VvoState(), hour_ms)
    later = vvo.step(image, (), first.state, 20_000)
    assert [type(message) for message in later.messages] == [StatusRequest]
    assert later.state.replies == {}


class Diverging(DssEngine):
    """The real engine, told that what it found is no solution."""

    diverges = True

    def solve(self):
        solution = super().solve()
        return replace(solution, converged=not self.diverges and solution.converged)


def test_without_a_solution_every_control_is_held_and_the_next_cycle_begins_anew(plant):
    plant.load = 1.1
    plant.measure()
    model = Diverging(MASTER, HEAD)
    vvo, image = Vvo(CONFIG, model), plant.store.freeze()
    held = vvo.step(image, (), VvoState(), 10_000)
    assert held.commands == ()
    assert any("converge" in alarm.text and alarm.active for alarm in held.alarms)
    assert np.array_equal(held.state.multipliers, np.ones((3, 2)))
    model.diverges = False
    assert vvo.step(image, (), held.state, 20_000).commands


def test_no_plan_rests_on_a_tap_changer_that_does_not_follow(plant):
    plant.load = 1.1
    plant.measure()
    wanted = plant.store["f.tap_a"].value + 4
    plant.store.update("f.cmd_a", Measurement(wanted, Quality.ONLINE, 0))
    vvo, image, state = app(), plant.store.freeze(), VvoState()
    for now_ms in (10_000, 131_000):
        decision = vvo.step(image, (), state, now_ms)
        state = decision.state
    assert "f.cmd_a" not in {command.point for command in decision.commands}
    assert {"f.cmd_b", "f.cmd_c"} & {command.point for command in decision.commands}
    (alarm,) = [a for a in decision.alarms if a.source == "vvo:reg60a" and a.active]
    assert "stands at 0, commanded 4" in alarm.text


def test_what_a_result_rests_on_is_told_and_what_is_out_on_an_unknown_tap_is_in_doubt(plant):
    plant.load = 0.3
    plant.taps = {"reg60a": 14, "reg60b": 14, "reg60c": 14}
    plant.measure(lost=("f.tap_a", "v.675_1", "v.634_1"))
    decision = app().step(plant.store.freeze(), (status(),), VvoState(), 1000)
    assert decision.notes["unknown"] == "tap reg60a"
    assert "1 unknown" in decision.notes["rests_on"]
    assert 0.0 < decision.notes["nodes_out_in_doubt"] < decision.notes["nodes_out"]
    raised = {alarm.source for alarm in decision.alarms if alarm.active}
    assert "vvo:unknown" in raised
    plant.measure()
    decision = app().step(plant.store.freeze(), (status(),), decision.state, 2000)
    assert decision.notes["unknown"] == ""
    assert decision.notes["nodes_out_in_doubt"] == 0.0
