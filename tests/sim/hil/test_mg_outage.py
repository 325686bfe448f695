"""A fault inside the microgrid on the 123-node bench: relay, POI, feeder, and what masters read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.devices.dnp3_mc import ADDRESS, Dnp3Mc
from hil.devices.mc_logic import State
from hil.scenario import Scenario, load_scenario
from tests.sim.hil.masters import by_py1815, serving
from tests.sim.hil.test_outage_devices import Field, fresh

ROOT = Path(__file__).parents[3]
FAULT_S, CLEAR_S = 30.0, 4200.0
#: Binary inputs of devices/dnp3_mc.csv.
POI_CLOSED, FLAG_A, FLAG_B, FLAG_C, REVERSE, TRIPPED, LOCKOUT, INTERNAL = 0, 7, 8, 9, 10, 11, 12, 13


def scenario(relay: str, step_s: float = 1.0, clear_s: float = CLEAR_S) -> Scenario:
    plain = load_scenario(ROOT / "hil/scenarios/ieee123_mg_fault.toml")
    behind = plain.microgrid.model_copy(update={"poi_relay": relay})
    fault = plain.fault[0].model_copy(update={"clear_s": clear_s})
    noise = type(plain.noise)()
    update = {"noise": noise, "microgrid": behind, "fault": (fault,), "step_s": step_s}
    return plain.model_copy(update=update)


class McField(Field):
    """Plant, switchgear and microgrid; steps of half a second, so that the POI can be first."""

    def run_to(self, time_s: float) -> object:
        while self.plant.time_s < time_s - 1e-9:
            self.step(self.scenario.step_s)
        return self.snapshot

    @property
    def customers_out(self) -> int:
        assert self.snapshot.supply is not None
        return self.snapshot.supply.customers_out


def test_a_poi_relay_that_works_is_first_and_nobody_on_the_feeder_notices() -> None:
    field = McField(scenario("works", 0.5))
    field.run_to(FAULT_S + 120)
    assert field.microgrid.controller.state is State.SS2
    assert not field.microgrid.controller.load_carried, "a fault inside cannot be energised"
    assert field.microgrid.relay.tripped
    assert field.snapshot.switches["sw1"].operations == 0
    assert field.customers_out == 0


def test_a_poi_that_stays_closed_takes_the_feeder_with_it_until_it_is_asked_to_open() -> None:
    field = McField(scenario("failed"))
    field.run_to(FAULT_S + 30)
    supply = field.snapshot.supply
    assert supply.locked == ("sw1",)
    assert supply.customers_out == supply.customers
    assert field.microgrid.controller.closed
    flagged = {n for n, relay in field.gear._relays.items() if relay.indicators.phases}
    assert flagged == {"sw1", "sw2", "sw4", "sw5"}
    assert field.microgrid.relay.indicators.phases == {"1"}
    assert not field.microgrid.relay.indicators.reverse

    field.microgrid.controller.ask_disconnect(emergency=True)
    field.run_to(FAULT_S + 35)
    field.switch("sw1", close=True)
    field.run_to(FAULT_S + 120)
    assert field.customers_out == 0
    assert field.snapshot.supply.closed_onto_fault == 0
    assert field.snapshot.switches["sw1"].closed


def test_closing_the_head_first_is_closing_onto_the_fault() -> None:
    field = McField(scenario("failed"))
    field.run_to(FAULT_S + 30)
    field.switch("sw1", close=True)
    assert field.snapshot.supply.closed_onto_fault == 1


def test_a_stuck_poi_does_not_open() -> None:
    field = McField(scenario("stuck"))
    field.run_to(FAULT_S + 30)
    field.microgrid.controller.ask_disconnect(emergency=True)
    field.run_to(FAULT_S + 40)
    assert field.microgrid.controller.closed


@pytest.mark.parametrize("relay", ["works", "failed"])
def test_it_comes_back_in_step_once_mended_and_never_before(relay: str) -> None:
    field = McField(scenario(relay, 0.5, clear_s=200.0))
    field.run_to(FAULT_S + 30)
    if relay == "failed":
        field.microgrid.controller.ask_disconnect(emergency=True)
        field.run_to(FAULT_S + 35)
        field.switch("sw1", close=True)
    field.microgrid.controller.ask_connect()
    field.run_to(190)
    assert field.microgrid.controller.state is State.SS2, "the sync check gave up"
    field.run_to(210)
    assert not field.microgrid.relay.internal
    field.microgrid.controller.ask_connect()
    field.run_to(270)
    assert field.microgrid.controller.state is State.SS1
    assert field.customers_out == 0
    assert field.snapshot.supply.closed_onto_fault == 0


async def test_masters_read_the_relay_at_indices_behind_the_old_ones() -> None:
    field = McField(scenario("failed"))
    field.run_to(FAULT_S + 30)
    device = Dnp3Mc(field.microgrid)
    async with serving(device.stations) as port, by_py1815(port, ADDRESS) as peer:
        await peer.integrity()
        seen = {n: r.value for (kind, n), r in peer.seen.readings.items() if kind == "BI"}
        assert [seen[n] for n in (FLAG_A, FLAG_B, FLAG_C, REVERSE)] == [1, 0, 0, 0]
        assert [seen[n] for n in (POI_CLOSED, TRIPPED, LOCKOUT, INTERNAL)] == [1, 0, 0, 1]
        assert await peer.operate("BO", 7, "pulse_on", select=False) == "SUCCESS"
        await peer.integrity()
        assert peer.seen.readings["BI", FLAG_A].value == 0
    assert fresh()


def test_a_fault_behind_no_poi_of_the_scenario_is_refused(tmp_path: Path) -> None:
    path = ROOT / "hil/scenarios/ieee123_mg_fault.toml"
    text = path.read_text().replace("../feeders", str(ROOT / "hil/feeders"))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace('behind = "mg108"', 'behind = "pv76"'))
    with pytest.raises(ValueError, match="not at the POI of 'pv76'"):
        load_scenario(wrong)
