"""The microgrid controller's own logic: states, requests, dispatch at the POI.

After the functions of IEEE 2030.7 (dispatch in SS1 and SS2, transitions T1 to T4; edition not
verified) and the synchronising limits IEEE 1547 gives up to 500 kVA (edition not verified). Pure:
time comes as an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise

from hil.devices.microgrid import SOC_CONNECTED, SOC_ISLANDED, Assets, Bounds

#: Planned islanding: POI power that counts as zero, and how long it has to stay there.
_ZERO_VA, _ZERO_S = 5e3, 2.0
#: Planned islanding opens after this long whatever flows; 30 s is allowed from the request.
_T1_LONGEST_S = 25.0
#: Reconnection: the grid has to be good this long, and the sync check to pass within this long.
_GOOD_GRID_S, _T3_LONGEST_S = 5.0, 60.0
_GRID_LOW_PU, _GRID_HIGH_PU, _GRID_LOST_PU = 0.917, 1.05, 0.5
_SYNC_HZ, _SYNC_PU, _SYNC_DEG = 0.3, 0.10, 20.0
#: The island runs this much faster than the grid while it waits for the angle to come round.
_SLIP_HZ = 0.05
NOMINAL_HZ = 60.0


class State(IntEnum):
    """Steady states and transitions."""

    SS1 = 1
    SS2 = 2
    T1 = 3
    T2 = 4
    T3 = 5
    T4 = 6


class Result(IntEnum):
    """What became of the last request."""

    OK = 0
    CLIPPED = 1
    ISLANDED = 2
    INVALID = 3
    LOCAL = 4
    NO_SYNC = 5


class Function(IntEnum):
    """What the last request asked for."""

    NONE = 0
    LIMIT = 1
    P = 2
    Q = 3
    PF = 4
    CURVE = 5
    DISCONNECT = 6
    CONNECT = 7


@dataclass(frozen=True, slots=True)
class Curve:
    """A volt-var curve: voltages in pu of nominal, Q in var at the POI, voltages rising."""

    points: tuple[tuple[float, float], ...]

    def at(self, voltage_pu: float) -> float:
        """Q at a voltage; flat beyond the ends."""
        points = self.points
        if voltage_pu <= points[0][0]:
            return points[0][1]
        for (v1, q1), (v2, q2) in pairwise(points):
            if voltage_pu <= v2:
                return q1 + (q2 - q1) * (voltage_pu - v1) / (v2 - v1)
        return points[-1][1]


@dataclass(frozen=True, slots=True)
class Held:
    """What is being held; None where nothing is asked.

    Attributes:
        power_w, reactive_power_var: set points at the POI.
        limit_w: most export if 0 or more, most import if negative.
        power_factor: magnitude 0.8..1; positive over-excited (injects var), negative absorbs.
        curve: volt-var curve.
    """

    power_w: float | None = None
    reactive_power_var: float | None = None
    limit_w: float | None = None
    power_factor: float | None = None
    curve: Curve | None = None

    def limited(self, power_w: float) -> float:
        """Power with the limit applied."""
        if self.limit_w is None:
            return power_w
        return min(power_w, self.limit_w) if self.limit_w >= 0 else max(power_w, self.limit_w)


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid side of the POI breaker."""

    voltage_pu: float = 1.0
    hz: float = NOMINAL_HZ


@dataclass(slots=True)
class Controller:
    """State machine and dispatch of one microgrid.

    Attributes:
        faulted: a fault lies inside: as an island it cannot be energised.
        opens_by_itself: the POI opens when voltage is lost, as it does for its relay.
        opens_when_asked: the POI's breaker works.
    """

    assets: Assets
    state: State = State.SS1
    held: Held = field(default_factory=Held)
    local: bool = False
    result: Result = Result.OK
    result_function: Function = Function.NONE
    requests: int = 0
    island_hz: float = NOMINAL_HZ
    angle_deg: float = 0.0
    load_carried: bool = True
    faulted: bool = False
    opens_by_itself: bool = True
    opens_when_asked: bool = True
    _in_state_s: float = 0.0
    _zero_s: float = 0.0
    _good_s: float = 0.0

    @property
    def closed(self) -> bool:
        """POI breaker."""
        return self.state in (State.SS1, State.T1)

    @property
    def soc_floor(self) -> float:
        """Reserve of the present state."""
        return SOC_CONNECTED if self.state is State.SS1 else SOC_ISLANDED

    def capability(self) -> Bounds:
        """At the POI now; nothing while the breaker is open."""
        return self.assets.capability(SOC_CONNECTED) if self.closed else Bounds(0, 0, 0, 0)

    # -- requests: each returns whether it is now being held ---------------------------------

    def ask_limit(self, limit_w: float | None) -> bool:
        """Hold a limit on export (0 or more) or import (negative); None lifts it."""
        if limit_w is None:
            return self._lift(Function.LIMIT, replace(self.held, limit_w=None))
        reason = self._unfit()
        if reason is not None:
            return self._answer(Function.LIMIT, reason)
        rating = self.assets.poi.s_max_va
        value = min(max(limit_w, -rating), rating)
        # A limit nothing can meet (load larger than all sources) is held as far as it goes.
        reachable = self._reachable_limit(value)
        self.held = replace(self.held, limit_w=value)
        clipped = value != limit_w or reachable != value
        return self._answer(Function.LIMIT, Result.CLIPPED if clipped else Result.OK)

    def ask_power(self, power_w: float | None) -> bool:
        """Hold real power at the POI."""
        if power_w is None:
            return self._lift(Function.P, replace(self.held, power_w=None))
        reason = self._unfit()
        if reason is not None:
            return self._answer(Function.P, reason)
        now = self.assets.capability(SOC_CONNECTED)
        value = min(max(self.held.limited(power_w), now.p_min), now.p_max)
        self.held = replace(self.held, power_w=value)
        return self._answer(Function.P, Result.OK if value == power_w else Result.CLIPPED)

    def ask_reactive_power(self, reactive_power_var: float | None) -> bool:
        """Hold reactive power at the POI; ends a power factor or curve."""
        if reactive_power_var is None:
            return self._lift(Function.Q, replace(self.held, reactive_power_var=None))
        reason = self._unfit()
        if reason is not None:
            return self._answer(Function.Q, reason)
        now = self.assets.capability(SOC_CONNECTED)
        value = min(max(reactive_power_var, now.q_min), now.q_max)
        self.held = replace(self.held, reactive_power_var=value, power_factor=None, curve=None)
        return self._answer(
            Function.Q, Result.OK if value == reactive_power_var else Result.CLIPPED
        )

    def ask_power_factor(self, power_factor: float | None) -> bool:
        """Hold a power factor at the POI; ends a Q dispatch or curve."""
        if power_factor is None:
            return self._lift(Function.PF, replace(self.held, power_factor=None))
        reason = self._unfit()
        if reason is None and not 0.8 <= abs(power_factor) <= 1.0:
            reason = Result.INVALID
        if reason is not None:
            return self._answer(Function.PF, reason)
        self.held = replace(
            self.held, power_factor=power_factor, reactive_power_var=None, curve=None
        )
        return self._answer(Function.PF, Result.OK)

    def ask_curve(self, curve: Curve | None) -> bool:
        """Hold a volt-var curve; ends a Q dispatch or power factor."""
        if curve is None:
            return self._lift(Function.CURVE, replace(self.held, curve=None))
        reason = self._unfit()
        if reason is None and not _proper(curve):
            reason = Result.INVALID
        if reason is not None:
            return self._answer(Function.CURVE, reason)
        self.held = replace(self.held, curve=curve, reactive_power_var=None, power_factor=None)
        return self._answer(Function.CURVE, Result.OK)

    def ask_disconnect(self, *, emergency: bool) -> bool:
        """Become an island: planned (T1, POI power to zero first) or at once."""
        if self.local:
            return self._answer(Function.DISCONNECT, Result.LOCAL)
        if not self.opens_when_asked:
            return self._answer(Function.DISCONNECT, Result.OK)  # taken, and nothing moves
        if self.state is State.SS1 or (self.state is State.T1 and emergency):
            self._enter(State.T2 if emergency else State.T1)
        elif self.state is State.T3:
            self._enter(State.SS2)
        return self._answer(Function.DISCONNECT, Result.OK)

    def ask_connect(self) -> bool:
        """Reconnect (T3): sync check, then SS1. Held until connected or refused."""
        if self.local:
            return self._answer(Function.CONNECT, Result.LOCAL)
        if self.state is State.T1:
            self._enter(State.SS1)
        elif not self.closed:
            self._enter(State.T3)
        return self._answer(Function.CONNECT, Result.OK)

    def trip(self) -> None:
        """The POI's relay opens the breaker."""
        if self.closed:
            self._enter(State.T2)

    # -- time ----------------------------------------------------------------------------------

    def step(self, grid: Grid, sun: float, elapsed_s: float) -> tuple[float, float]:
        """One scan.

        Args:
            grid: the grid side of the breaker.
            sun: irradiance 0..1.
            elapsed_s: simulated seconds since the last scan.

        Returns:
            Injection at the POI, W and var.
        """
        self.assets.see_sun(sun)
        self._in_state_s += elapsed_s
        if self.opens_by_itself and grid.voltage_pu < _GRID_LOST_PU:
            self.trip()
        if self.state is State.SS1:
            self.load_carried = True
            self.assets.follow(*self._wanted(grid), self.soc_floor, elapsed_s)
        elif self.state is State.T1:
            self._to_zero(elapsed_s)
        else:
            self._island(grid, elapsed_s)
        if not self.closed:
            return 0.0, 0.0
        return self.assets.poi_w, self.assets.poi_var

    def _wanted(self, grid: Grid) -> tuple[float, float]:
        now = self.assets.capability(self.soc_floor)
        idle_w = self.assets.pv_available_w - self.assets.behind.load_w
        power_w = self.held.limited(idle_w if self.held.power_w is None else self.held.power_w)
        power_w = min(max(power_w, now.p_min), now.p_max)
        if self.held.reactive_power_var is not None:
            wanted_var = self.held.reactive_power_var
        elif self.held.power_factor is not None:
            # The set point follows the power that flows, so that both settle together.
            factor = self.held.power_factor
            wanted_var = math.copysign(abs(self.assets.poi_w) * _tan(factor), factor)
        elif self.held.curve is not None:
            wanted_var = self.held.curve.at(grid.voltage_pu)
        else:
            wanted_var = -self.assets.behind.load_var
        return power_w, min(max(wanted_var, now.q_min), now.q_max)

    def _to_zero(self, elapsed_s: float) -> None:
        self.assets.follow(0.0, 0.0, SOC_ISLANDED, elapsed_s)
        small = math.hypot(self.assets.poi_w, self.assets.poi_var) < _ZERO_VA
        self._zero_s = self._zero_s + elapsed_s if small else 0.0
        if self._zero_s >= _ZERO_S or self._in_state_s >= _T1_LONGEST_S:
            self._enter(State.SS2)

    def _island(self, grid: Grid, elapsed_s: float) -> None:
        self.load_carried = not self.faulted and self.assets.form_grid(elapsed_s)
        if self.faulted:
            self.assets.stop()
        if self.state is State.T2 and self._in_state_s > 0:
            self._enter(State.SS2)
        if self.state is not State.T3:
            share = self.assets.battery_w / self.assets.behind.battery_w
            self.island_hz = NOMINAL_HZ - 0.05 * share
            self._good_s = 0.0
        else:
            good = _GRID_LOW_PU <= grid.voltage_pu <= _GRID_HIGH_PU
            self._good_s = self._good_s + elapsed_s if good else 0.0
            self.island_hz = grid.hz + _SLIP_HZ
        slip_deg = 360 * (self.island_hz - grid.hz) * elapsed_s
        self.angle_deg = (self.angle_deg + slip_deg + 180) % 360 - 180
        if self.state is State.T3:
            self._try_to_close(grid)

    def _try_to_close(self, grid: Grid) -> None:
        in_step = (
            abs(self.island_hz - grid.hz) <= _SYNC_HZ
            and abs(1.0 - grid.voltage_pu) <= _SYNC_PU
            and abs(self.angle_deg) <= _SYNC_DEG
        )
        if self._good_s >= _GOOD_GRID_S and in_step and self.load_carried:
            self._enter(State.SS1)
        elif self._in_state_s >= _T3_LONGEST_S:
            self._enter(State.SS2)
            self.result, self.result_function = Result.NO_SYNC, Function.CONNECT

    def _enter(self, state: State) -> None:
        self.state = state
        self._in_state_s = self._zero_s = self._good_s = 0.0
        if state in (State.T1, State.T2):
            self.held = Held()

    def _unfit(self) -> Result | None:
        if self.local:
            return Result.LOCAL
        return None if self.state is State.SS1 else Result.ISLANDED

    def _reachable_limit(self, limit_w: float) -> float:
        now = self.assets.capability(SOC_CONNECTED)
        return max(limit_w, now.p_min) if limit_w >= 0 else min(limit_w, now.p_max)

    def _lift(self, function: Function, held: Held) -> bool:
        if self.local:
            return self._answer(function, Result.LOCAL)
        self.held = held
        self._answer(function, Result.OK)
        return False

    def _answer(self, function: Function, result: Result) -> bool:
        self.requests += 1
        self.result, self.result_function = result, function
        return result in (Result.OK, Result.CLIPPED)


def _proper(curve: Curve) -> bool:
    volts = [v for v, _ in curve.points]
    vars_ = [q for _, q in curve.points]
    rising = all(b > a for a, b in pairwise(volts))
    return rising and all(b <= a for a, b in pairwise(vars_))


def _tan(power_factor: float) -> float:
    return math.sqrt(1 - power_factor**2) / abs(power_factor)
