"""Plans of volt-VAR optimisation on our 13-node feeder, from any state, replayed by the test."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.plan import plan
from tests.unit.vvo.ieee13 import objective

NOISE_PU = 1e-6
taps = st.tuples(*[st.integers(-16, 16)] * 3)
closed = st.tuples(st.booleans(), st.booleans())
var = st.tuples(st.floats(-220e3, 220e3), st.floats(-300e3, 300e3))


def worst_pu(volts) -> float:
    """How far the voltages are out of 0.95 to 1.05, added up."""
    return float(sum(max(0.95 - volt, volt - 1.05, 0.0) for volt in volts.tolist()))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(taps, closed, var, st.floats(0.2, 1.3), st.sampled_from(["losses", "power"]))
def test_no_state_on_the_way_is_worse_and_the_power_flow_accepts_the_end(
    taps, closed, var, load, aim
):
    config = VvoConfig(objective=aim)
    goal = objective(taps, closed, var, load, config, reach=4)
    planned = plan(goal.problem, 4000)
    assert planned is not None
    # an engine of the test's own, set move by move
    replay = objective(taps, closed, var, load, config, reach=4).problem
    at = [control.present for control in replay.controls]
    begin = replay.judge(tuple(at))
    for number in planned.order:
        assert planned.best.setting[number] != at[number]
        at[number] = planned.best.setting[number]
        assert worst_pu(replay.judge(tuple(at)).volts_pu) <= worst_pu(begin.volts_pu) + NOISE_PU
    assert tuple(at) == planned.best.setting
    if not planned.waiting:  # half-way it may cost more, never be further out of band
        assert replay.judge(tuple(at)).cost <= begin.cost + 1e-2
    for control, value in zip(replay.controls, at, strict=True):
        assert control.minimum <= value <= control.maximum or value == control.present
        assert control.kind == "var" or value == round(value)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    taps,
    closed,
    var,
    st.floats(0.2, 1.3),
    st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 7), min_size=8, max_size=8),
)
def test_whatever_of_one_cycle_has_arrived_and_however_far_nothing_is_worse(
    taps, closed, var, load, how_far
):
    planned = plan(objective(taps, closed, var, load, VvoConfig(), reach=4).problem, 4000)
    assert planned is not None
    replay = objective(taps, closed, var, load, VvoConfig(), reach=4).problem
    stay = [control.present for control in replay.controls]
    begin_pu = worst_pu(replay.judge(tuple(stay)).volts_pu)
    for shares in how_far:
        at = list(stay)
        for number in planned.order:
            way = planned.best.setting[number] - stay[number]
            at[number] = stay[number] + way * shares[number]
            if replay.controls[number].kind != "var":
                at[number] = float(round(at[number]))
        assert worst_pu(replay.judge(tuple(at)).volts_pu) <= begin_pu + 1e-5
