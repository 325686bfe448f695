"""Without a model: the band is reached on a feeder that the application knows nothing of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.apps.vvo.measured import MeasuredState, MeasuredVvo
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from tests.unit.vvo.test_step import CONFIG, Plant, carry_out, plant

__all__ = ["plant"]
BLIND = replace(CONFIG, capacitors=(), groups=())
CYCLE_MS = 10_000


def excess_pu(plant: Plant) -> float:
    volts = plant.volts()
    metered = np.array([volts[node] for node, _ in BLIND.bindings.voltages])
    return float((np.maximum(metered - 1.05, 0) + np.maximum(0.95 - metered, 0)).sum())


def run(plant: Plant, cycles: int, config=BLIND):
    vvo, state, excess, sent = MeasuredVvo(config), MeasuredState(), [excess_pu(plant)], []
    for cycle in range(cycles):
        plant.measure()
        # the inverter does as it was told, and says so
        plant.store.update("pv.q_ena", Measurement(1.0, Quality.ONLINE, 1))
        decision = vvo.step(plant.store.freeze(), (), state, cycle * CYCLE_MS)
        state = decision.state
        carry_out(plant, decision)
        sent.append({command.correlation for command in decision.commands})
        excess.append(excess_pu(plant))
    return state, excess, sent


@pytest.mark.parametrize(
    ("taps", "load"), [((14, 14, -6), 0.6), ((0, 0, 0), 1.0), ((16, 16, 16), 0.3)], ids=str
)
def test_the_band_is_reached_by_one_control_at_a_time(plant, taps, load):
    plant.taps = dict(zip(plant.taps, taps, strict=True))
    plant.load = load
    assert excess_pu(plant) > 0.0
    _, excess, sent = run(plant, 80)
    assert excess[-1] == 0.0
    assert all(len(together) <= 1 for together in sent)
    assert not any(sent[-5:])


def test_the_first_move_of_a_control_is_small_and_its_response_is_what_the_feeder_does(plant):
    plant.taps = dict.fromkeys(plant.taps, 16)
    plant.load = 0.3
    before = plant.volts()
    run(plant, 1)
    after = plant.volts()
    assert sorted(plant.taps.values()) == [15, 16, 16]
    plant.taps = dict.fromkeys(plant.taps, 16)
    ((_, response),) = run(plant, 2)[0].responses.items()
    change = [before[node] - after[node] for node, _ in BLIND.bindings.voltages]
    assert response.pu_per_unit == pytest.approx(np.array(change), abs=1e-3)


def test_inside_the_band_nothing_moves(plant):
    plant.load = 0.5
    plant.taps = {"reg60a": 2, "reg60b": 0, "reg60c": 2}
    assert excess_pu(plant) == 0.0
    assert not any(run(plant, 3)[2])


def test_advice_is_no_command_and_waits_for_nothing(plant):
    plant.taps = dict.fromkeys(plant.taps, 16)
    plant.measure()
    vvo = MeasuredVvo(replace(BLIND, mode="advise"))
    decision = vvo.step(plant.store.freeze(), (), MeasuredState(), 0)
    assert decision.commands == ()
    assert decision.advice
    assert decision.state.trial is None
