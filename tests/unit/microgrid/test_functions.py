from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.apps.microgrid import functions
from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.functions import function_table
from gateway.apps.microgrid.state import Phase
from tests.unit.microgrid.virtual import Virtual

ROOT = Path(__file__).parents[3]
_FILE = Path(functions.__file__).with_suffix(".toml")


def _data() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(_FILE.read_text(encoding="utf-8")))


def test_the_readme_prints_the_table_the_controller_runs_on() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in _data()["row"]:
        cells = (
            row["function"],
            ", ".join(row["states"]),
            ", ".join(row["group"]) or "none",
            ", ".join(row["device"]),
        )
        assert f"| {' | '.join(cells)} |" in readme


def test_every_state_stands_in_one_row() -> None:
    data = _data()
    data["row"][0]["states"] = ["SS1", "SS2"]
    with pytest.raises(ValueError, match="every state"):
        function_table(data)


def test_a_name_nobody_knows_is_refused() -> None:
    data = _data()
    data["row"][0]["device"].append("warp drive")
    with pytest.raises(ValueError, match="warp drive"):
        function_table(data)


def test_a_request_that_is_not_in_the_row_of_its_state_is_not_heeded(
    microgrid: MicrogridConfig,
) -> None:
    data = _data()
    data["row"][0]["group"].remove("real power dispatch")
    virtual = Virtual(microgrid, functions=function_table(data))
    virtual.run(2)
    before_w = virtual.plant.poi_w
    virtual.ask(p_set=50e3, p_enable=1.0)
    virtual.run(10)
    assert virtual.plant.poi_w == pytest.approx(before_w, abs=1e3)
    assert virtual.state.held.power_w is None


def test_an_order_that_is_not_in_the_row_of_its_state_is_never_sent(
    microgrid: MicrogridConfig,
) -> None:
    data = _data()
    for row in data["row"]:
        row["device"] = [name for name in row["device"] if name != "POI breaker"]
    virtual = Virtual(microgrid, functions=function_table(data))
    virtual.run(2)
    virtual.ask(disconnect=1.0)
    virtual.run(60)
    assert virtual.plant.relay.closed
    ordered = {command.point for made in virtual.decisions for command in made.commands}
    assert "poi.cmd" not in ordered


def test_every_row_is_in_force_in_its_states() -> None:
    table = function_table(_data())
    for phase in Phase:
        assert phase in table.row(phase).states
