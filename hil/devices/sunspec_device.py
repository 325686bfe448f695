"""An emulated SunSpec inverter: registers outside, OpenDER inside, the plant at its terminal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes

from hil.devices.modbus_server import Refusal
from hil.devices.opender_core import OpenDer, Terminal
from hil.devices.sunspec_map import SunSpecMap
from hil.devices.sunspec_settings import build_map
from hil.devices.sunspec_timing import CurveAdoption, Reversion, keep_one_reactive_function
from hil.scenario import Der
from hil.wire import Message, number

UNIT = 1
_OFF, _STARTING, _RUNNING, _THROTTLED, _STANDBY = 0, 2, 3, 4, 7
_STOP, _START, _ENTER_STANDBY, _EXIT_STANDBY = range(4)
_SINGLE_PHASE, _THREE_PHASE = 0, 2
_MEASURED_MODELS = (701, 713)


@dataclass(slots=True)
class SunSpecDevice:
    """State and registers of one inverter.

    Attributes:
        fresh: asked at each request: whether plant data is young enough to be shown.
    """

    der: Der
    step_s: float
    fresh: Callable[[], bool]
    sunspec: SunSpecMap = field(init=False)
    _core: OpenDer = field(init=False)
    _reversion: Reversion = field(init=False)
    _adoption: CurveAdoption = field(init=False)
    _energy: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.sunspec = build_map(self.der)
        self._core = OpenDer(self.der, self.step_s)
        self._reversion = Reversion(self.sunspec)
        self._adoption = CurveAdoption(self.sunspec)
        self._energy = dict.fromkeys(("TotWhInj", "TotWhAbs", "TotVarhInj", "TotVarhAbs"), 0.0)

    # -- the plant's side ----------------------------------------------------------------------

    def on_step(self, message: Message) -> Message:
        """Run one step of the inverter and show what it measures."""
        terminal = Terminal(
            tuple(float(v) for v in message["v_v"]), number(message, "hz"), number(message, "sun")
        )
        elapsed_s = number(message, "elapsed_s")
        self._adoption.settle()
        self._reversion.advance(elapsed_s)
        self._core.step(self.sunspec, terminal, permitted=self._permitted(), elapsed_s=elapsed_s)
        power_w, reactive_power_var = number(message, "p_w"), number(message, "q_var")
        self._count_energy(power_w, reactive_power_var, elapsed_s)
        self._show_power(power_w, reactive_power_var, terminal)
        self._show_voltage(terminal)
        self._show_state(terminal)
        heartbeat = int(self.sunspec.setting("715.DERHb") + 1) & 0x7FFF_FFFF
        self.sunspec.put("715.DERHb", heartbeat)
        return {"p_w": self._core.power_w, "q_var": self._core.reactive_power_var}

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the display: ``{"local": bool}``."""
        if isinstance(command.get("local"), bool):
            self.sunspec.put("715.LocRemCtl", command["local"])

    # -- the client's side ---------------------------------------------------------------------

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Registers; measured models are refused while the plant is not heard."""
        if table != "holding":
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, "SunSpec lives in holding registers")
        if not self.fresh() and self._measured(address, count):
            raise Refusal(ExcCodes.DEVICE_FAILURE, "no data from the plant")
        return self.sunspec.read(address, count)

    def write(self, table: str, address: int, values: list[int]) -> None:
        """Settings and commands; refused in local with exception 1, wrong state for it."""
        if table != "holding":
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, "SunSpec lives in holding registers")
        if self.sunspec.setting("715.LocRemCtl"):
            raise Refusal(ExcCodes.ILLEGAL_FUNCTION, "in local control")
        paths = self.sunspec.write(address, values)
        keep_one_reactive_function(self.sunspec, paths)
        self._reversion.written(paths)
        self._adoption.written(paths)

    def _measured(self, address: int, count: int) -> bool:
        models = [m for m in _MEASURED_MODELS if m in self.sunspec.models]
        spans = (self.sunspec.span(m) for m in models)
        return any(address < s.stop and address + count > s.start for s in spans)

    def _permitted(self) -> bool:
        started = self.sunspec.setting("715.OpCtl") in (_START, _EXIT_STANDBY)
        return started and self.sunspec.setting("703.ES") == 1

    # -- what is shown -------------------------------------------------------------------------

    def _count_energy(self, power_w: float, reactive_power_var: float, elapsed_s: float) -> None:
        hours = elapsed_s / 3600
        for kind, value in (("Wh", power_w), ("Varh", reactive_power_var)):
            self._energy[f"Tot{kind}{'Inj' if value >= 0 else 'Abs'}"] += abs(value) * hours
        for name, value in self._energy.items():
            self.sunspec.put(f"701.{name}", value)

    def _show_power(self, power_w: float, reactive_power_var: float, terminal: Terminal) -> None:
        put = self.sunspec.put
        apparent_va = math.hypot(power_w, reactive_power_var)
        factor = power_w / apparent_va if apparent_va > 1 else 1.0
        volts = sum(terminal.volts)
        put("701.W", power_w)
        put("701.Var", reactive_power_var)
        put("701.VA", apparent_va)
        put("701.PF", factor)
        put("701.A", apparent_va / volts * len(terminal.volts) if volts > 0 else 0.0)
        phases = len(terminal.volts)
        for i in range(1, phases + 1):
            put(f"701.WL{i}", power_w / phases)
            put(f"701.VarL{i}", reactive_power_var / phases)
            put(f"701.VAL{i}", apparent_va / phases)
            put(f"701.PFL{i}", factor)
        put("701.TmpAmb", 25.0)
        put("701.TmpCab", 25.0 + 20.0 * apparent_va / self.der.s_max_va)

    def _show_voltage(self, terminal: Terminal) -> None:
        put, volts = self.sunspec.put, terminal.volts
        put("701.Hz", terminal.hz)
        put("701.ACType", _THREE_PHASE if len(volts) == 3 else _SINGLE_PHASE)
        put("701.LNV", sum(volts) / len(volts))
        for i, value in enumerate(volts, start=1):
            put(f"701.VL{i}", value)
        if len(volts) == 3:
            # Magnitudes only are measured: phases are taken as 120 degrees apart.
            between = [_line_volts(volts[i], volts[(i + 1) % 3]) for i in range(3)]
            for name, value in zip(("VL1L2", "VL2L3", "VL3L1"), between, strict=True):
                put(f"701.{name}", value)
            put("701.LLV", sum(between) / 3)

    def _show_state(self, terminal: Terminal) -> None:
        put, status = self.sunspec.put, self._core.status
        permitted = self._permitted()
        throttled_w = 0.0
        if self.der.kind == "pv" and status != "Trip":
            throttled_w = max(terminal.sun * self.der.p_max_w - self._core.power_w, 0.0)
        throttled = throttled_w > 0.01 * self.der.p_max_w
        put("701.St", permitted)
        put("701.ConnSt", status != "Trip")
        put("701.InvSt", _inverter_state(status, permitted=permitted, throttled=throttled))
        put("701.Alrm", 0)
        put("701.DERMode", 1)
        put("701.ThrotPct", 100 * throttled_w / self.der.p_max_w)
        sources = (self.sunspec.setting("704.WMaxLimPctEna"), self.sunspec.setting("704.WSetEna"))
        put("701.ThrotSrc", sum(1 << i for i, on in enumerate(sources) if on) if throttled else 0)
        if self.der.kind == "battery":
            put("713.SoC", 100 * self._core.soc)
            put("713.WHAvail", self._core.soc * self.der.energy_wh)


def _line_volts(first: float, second: float) -> float:
    return math.sqrt(first**2 + second**2 + first * second)


def _inverter_state(status: str, *, permitted: bool, throttled: bool) -> int:
    if status == "Trip":
        return _STANDBY if permitted else _OFF
    if status == "Entering Service":
        return _STARTING
    if status in ("Cease to Energize", "Momentary Cessation"):
        return _STANDBY
    return _THROTTLED if throttled else _RUNNING
