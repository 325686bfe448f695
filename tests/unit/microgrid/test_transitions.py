from __future__ import annotations

import pytest

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.guards import GUARDS
from gateway.apps.microgrid.state import MicrogridState, Phase, Result
from gateway.apps.microgrid.transitions import TRANSITIONS
from hil.microgrid.plant import Grid
from tests.unit.microgrid.virtual import Virtual


def test_every_row_names_guards_that_exist_and_every_guard_is_used() -> None:
    named = {guard for row in TRANSITIONS for guard in row.guards}
    assert named == set(GUARDS)


def test_every_phase_can_be_left_and_reached() -> None:
    moves = {(row.before, row.after) for row in TRANSITIONS if row.before is not row.after}
    assert {before for before, _ in moves} == set(Phase)
    assert {after for _, after in moves} == set(Phase)


def test_ieee_2030_7_knows_no_other_transitions() -> None:
    """Connected to islanded by T1 or T2, back by T3, from a dead bus by T4; nothing else."""
    steady = {Phase.SS1, Phase.SS2}
    for row in TRANSITIONS:
        if row.before in steady and row.after in steady and row.before is not row.after:
            assert row.guards == ("poi closed", "bus live")  # somebody closed it in the field


def test_what_is_not_known_moves_nothing(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid, lost={"poi", "bat", "diesel", "panel", "pv"})
    virtual.ask(disconnect=1.0, island_mode=1.0)
    virtual.run(10)
    assert virtual.state.phase is None
    assert not any(decision.commands for decision in virtual.decisions)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_lost_relay_holds_the_phase_and_the_breaker(
    microgrid: MicrogridConfig, phase: Phase
) -> None:
    """Nothing is opened, closed, energised or shed on the word of a relay that is not heard."""
    virtual = Virtual(microgrid, state=MicrogridState(phase=phase), lost={"poi"})
    virtual.run(60)
    given_up = {Phase.T1: Phase.SS1, Phase.T3: Phase.SS2}  # what was asked is not carried out
    assert virtual.state.phase in (phase, given_up.get(phase))
    ordered = {c.point for decision in virtual.decisions for c in decision.commands}
    assert not ordered & {"poi.cmd", "bat.form_cmd", "panel.cmd_1", "panel.cmd_2"}


def test_a_planned_islanding_the_sources_cannot_carry_is_refused(
    microgrid: MicrogridConfig,
) -> None:
    virtual = Virtual(microgrid)
    assert virtual.plant.battery is not None
    assert virtual.plant.diesel is not None
    virtual.plant.battery.soc_pct = 8.0
    virtual.plant.diesel.ready = False
    virtual.run(2)
    virtual.ask(disconnect=1.0)
    virtual.run(10)
    assert virtual.state.phase is Phase.SS1
    assert virtual.state.result is Result.NOT_PERMITTED
    assert virtual.told["mg.req_disconnect"] == 0.0


def test_a_request_to_reconnect_does_not_outlive_its_time(microgrid: MicrogridConfig) -> None:
    """The grid that comes back an hour later is not closed onto for the sake of an old word."""
    good = [True]
    virtual = Virtual(microgrid, grid=lambda _: Grid() if good[0] else Grid(0.8, 60.0))
    virtual.run(2)
    virtual.ask(disconnect=1.0, island_mode=1.0)
    virtual.run_until(Phase.SS2, 10)
    good[0] = False
    virtual.ask(reconnect=1.0)
    virtual.run(microgrid.pace.wait_s + 5)
    assert virtual.state.result is Result.NO_SYNC
    good[0] = True
    virtual.run(60)
    assert virtual.state.phase is Phase.SS2
    assert not virtual.plant.relay.closed


def test_a_bus_closed_in_the_field_is_taken_as_it_is(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    virtual.run(2)
    virtual.ask(disconnect=1.0, island_mode=1.0)
    virtual.run_until(Phase.SS2, 10)
    virtual.plant.relay.closed = True  # by hand, with a synchroscope
    virtual.run(2)
    assert virtual.state.phase is Phase.SS1
    assert virtual.plant.relay.settings == 1


def test_settings_group_of_the_relay_follows_the_state(microgrid: MicrogridConfig) -> None:
    virtual = Virtual(microgrid)
    virtual.run(2)
    assert virtual.plant.relay.settings == 1
    virtual.ask(disconnect=1.0)
    virtual.run_until(Phase.SS2, 40)
    virtual.run(1)
    assert virtual.plant.relay.settings == 2
    virtual.ask(reconnect=1.0)
    virtual.run_until(Phase.SS1, 120)
    virtual.run(1)
    assert virtual.plant.relay.settings == 1
