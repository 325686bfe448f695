"""An inverter of the tests' own behind py20305's command-line client: what it does is what it says.

Loaded by that client by its import path; the state file is how the test and it meet.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from py20305.connectors.base import BaseConnector
from py20305.connectors.control_errors import ModeNotSupportedError

W_MAX, VA_MAX, VAR_MAX = 10_000, 12_000, 5_000
STATE = "TIELINE_TEST_INVERTER"


class Inverter(BaseConnector):
    """Follows limits and vars at once; has no power factor."""

    connector_name = "TestInverter"

    def __init__(self, **_: Any) -> None:
        self._path = Path(os.environ[STATE])
        self._limit_pct, self._var_pct = 100.0, 0.0

    async def fetch_nameplate(self) -> dict[str, Any]:
        return {"WMaxRtg": W_MAX, "VAMaxRtg": VA_MAX, "VarMaxInjRtg": VAR_MAX,
                "VarMaxAbsRtg": VAR_MAX, "VNomRtg": 480, "CtrlModes": 0}  # fmt: skip

    async def fetch_configuration(self) -> dict[str, Any]:
        return {"WMax": W_MAX, "VAMax": VA_MAX, "VarMaxInj": VAR_MAX, "VarMaxAbs": VAR_MAX}

    async def fetch_status(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "connectStatus": {"dateTime": now, "value": 0b111},
            "inverterStatus": {"dateTime": now, "value": 4},
            "operationalModeStatus": {"dateTime": now, "value": 2},
            "readingTime": now,
        }

    async def fetch_monitoring(self) -> dict[str, Any]:
        power = 80.0 * min(self._limit_pct, 100.0)
        var = VAR_MAX * self._var_pct / 100.0
        return {"W": power, "Var": var, "Hz": 60.0, "V": 481.5, "VA": (power**2 + var**2) ** 0.5,
                "PF": 1.0, "A": 10.0}  # fmt: skip

    async def update_p_lim(self, params: dict[str, Any]) -> None:
        on = params.get("p_lim_mode_enable")
        self._limit_pct = float(params["p_lim_w"]) if on else 100.0
        self._tell(limit_pct=self._limit_pct)

    async def update_const_q(self, params: dict[str, Any]) -> None:
        on = params.get("const_q_mode_enable")
        self._var_pct = float(params["const_q_pct"]) if on else 0.0
        self._tell(var_pct=self._var_pct)

    async def update_const_pf(self, params: dict[str, Any]) -> None:
        if params.get("inj", {}).get("mode"):
            raise ModeNotSupportedError("this inverter has no power factor")

    def _tell(self, **said: float) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
