from __future__ import annotations

from pathlib import Path

import pytest

from gateway.apps.microgrid.config import MicrogridConfig
from tests.unit.microgrid.virtual import config


@pytest.fixture
def microgrid(tmp_path: Path) -> MicrogridConfig:
    return config(tmp_path)
