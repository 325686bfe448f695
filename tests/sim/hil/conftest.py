"""Shared pieces of the bench's tests: one OpenDSS in the process, one scenario."""

from __future__ import annotations

import pytest

from hil.plant.engine import Feeder
from hil.plant.world import Plant
from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return load_scenario(DEFAULT_SCENARIO)


@pytest.fixture
def plant(scenario: Scenario) -> Plant:
    """A fresh plant; OpenDSS is one per process, so a test holds one at a time."""
    return Plant(scenario, Feeder(scenario.feeder))


@pytest.fixture
def nominal(scenario: Scenario) -> Feeder:
    """The feeder as the DMS knows it, without the scenario's mismatch."""
    return Feeder(scenario.feeder)
