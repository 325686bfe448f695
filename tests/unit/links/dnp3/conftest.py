"""What the DNP3 tests share."""

from __future__ import annotations

import pytest

from tests.unit.links.dnp3.outstation_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
