"""What a SunSpec DER does with time: reversion timers and the adoption of curves.

Reversion counts simulated seconds, as the power the settings act on does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from hil.devices.sunspec_map import SunSpecMap
from hil.devices.sunspec_settings import CURVES, POINTS

_RVRT_704 = {
    "PFWInj": {"PFWInj.PF": "PFWInjRvrt.PF", "PFWInj.Ext": "PFWInjRvrt.Ext"},
    "WMaxLimPct": {"WMaxLimPct": "WMaxLimPctRvrt"},
    "WSet": {"WSet": "WSetRvrt", "WSetPct": "WSetPctRvrt"},
    "VarSet": {"VarSet": "VarSetRvrt", "VarSetPct": "VarSetPctRvrt"},
}
#: Reactive power functions of which IEEE 1547 lets one be active: enable point by path.
REACTIVE = ("704.PFWInjEna", "704.VarSetEna", "705.Ena", "712.Ena")


class Adoption(IntEnum):
    """AdptCrvRslt."""

    IN_PROGRESS = 0
    COMPLETED = 1
    FAILED = 2


@dataclass(slots=True)
class Reversion:
    """Restarts a function's timer when it is written, reverts it when the timer runs out."""

    sunspec: SunSpecMap
    _left_s: dict[str, float] = field(default_factory=dict)

    def written(self, paths: tuple[str, ...]) -> None:
        """Take note of a write."""
        for name, values in _RVRT_704.items():
            own = {f"704.{name}Ena", f"704.{name}RvrtTms", *(f"704.{v}" for v in values)}
            if own & set(paths):
                self._restart(f"704.{name}", f"704.{name}Ena", f"704.{name}RvrtTms")
        for model in POINTS:
            if {f"{model}.Ena", f"{model}.RvrtTms", f"{model}.AdptCrvReq"} & set(paths):
                self._restart(f"{model}", f"{model}.Ena", f"{model}.RvrtTms")

    def advance(self, elapsed_s: float) -> None:
        """Let simulated time pass."""
        for key in tuple(self._left_s):
            self._left_s[key] = max(self._left_s[key] - elapsed_s, 0.0)
            self._show(key, self._left_s[key])
            if self._left_s[key] == 0.0:
                del self._left_s[key]
                self._revert(key)

    def _restart(self, key: str, enable: str, timeout: str) -> None:
        self._left_s.pop(key, None)
        timeout_s = self.sunspec.setting(timeout)
        self._show(key, 0.0)
        if self.sunspec.setting(enable) == 1 and timeout_s > 0:
            self._left_s[key] = timeout_s
            self._show(key, timeout_s)

    def _show(self, key: str, left_s: float) -> None:
        path = f"{key}RvrtRem" if key.startswith("704.") else f"{key}.RvrtRem"
        self.sunspec.put(path, left_s)

    def _revert(self, key: str) -> None:
        setting = self.sunspec.setting
        if not key.startswith("704."):
            fallback = int(setting(f"{key}.RvrtCrv"))
            if fallback > 1:
                copy_curve(self.sunspec, int(key), fallback)
            else:
                self.sunspec.put(f"{key}.Ena", 0)
            return
        name = key.removeprefix("704.")
        self.sunspec.put(f"{key}Ena", setting(f"{key}EnaRvrt"))
        for value, fallback_path in _RVRT_704[name].items():
            self.sunspec.put(f"704.{value}", setting(f"704.{fallback_path}"))


@dataclass(slots=True)
class CurveAdoption:
    """The handshake of 705 and 712: a request is in progress until ``settle`` judges it."""

    sunspec: SunSpecMap
    _pending: dict[int, int] = field(default_factory=dict)

    def written(self, paths: tuple[str, ...]) -> None:
        """Take note of a write."""
        for model in POINTS:
            if f"{model}.AdptCrvReq" in paths:
                wanted = int(self.sunspec.setting(f"{model}.AdptCrvReq"))
                if wanted:
                    self._pending[model] = wanted
                    self.sunspec.put(f"{model}.AdptCrvRslt", Adoption.IN_PROGRESS)

    def settle(self) -> None:
        """Adopt what is pending where the curve is a proper one."""
        for model, curve in self._pending.items():
            proper = 1 <= curve <= CURVES and proper_curve(self.sunspec, model, curve)
            if proper:
                copy_curve(self.sunspec, model, curve)
            result = Adoption.COMPLETED if proper else Adoption.FAILED
            self.sunspec.put(f"{model}.AdptCrvRslt", result)
        self._pending.clear()


def curve_points(sunspec: SunSpecMap, model: int, curve: int) -> list[tuple[float, float]]:
    """The points in use: (V % or W %, Q %)."""
    at, x = f"{model}.Crv.{curve}", "V" if model == 705 else "W"
    count = int(sunspec.setting(f"{at}.ActPt"))
    return [
        (sunspec.setting(f"{at}.Pt.{i}.{x}"), sunspec.setting(f"{at}.Pt.{i}.Var"))
        for i in range(1, count + 1)
    ]


def proper_curve(sunspec: SunSpecMap, model: int, curve: int) -> bool:
    """Whether a curve can be followed: voltages rising, Q falling; 712 needs all six points."""
    points = curve_points(sunspec, model, curve)
    steps = list(pairwise(points))
    rising = all(b[0] > a[0] for a, b in steps)
    falling = all(b[1] <= a[1] for a, b in steps)
    return rising and falling and (model == 705 or len(points) == POINTS[712])


def copy_curve(sunspec: SunSpecMap, model: int, curve: int) -> None:
    """Make a curve the active one, curve 1, which stays read-only."""
    source, target = f"{model}.Crv.{curve}.", f"{model}.Crv.1."
    for path in tuple(sunspec.points):
        if path.startswith(source) and not path.endswith(".ReadOnly"):
            sunspec.put(target + path.removeprefix(source), sunspec.get(path))


def keep_one_reactive_function(sunspec: SunSpecMap, paths: tuple[str, ...]) -> None:
    """Switch the other reactive power functions off when one was switched on."""
    enabled = [p for p in REACTIVE if p in paths and sunspec.setting(p) == 1]
    if enabled:
        for path in REACTIVE:
            if path != enabled[-1]:
                sunspec.put(path, 0)
