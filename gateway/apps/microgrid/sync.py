"""Closing the POI: bringing the island in step with the grid, and when to give the order.

The relay checks once more by itself; this is not instead of that.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.apps.microgrid.situation import Situation

#: The island runs this much faster while it waits for the angle to come round.
SLIP_HZ = 0.04
#: Share of the window that is used: measurements and breakers have errors.
_SHARE = 0.8
#: How far set points may be moved off nominal.
_REACH_HZ, _REACH_PU = 1.0, 0.08
_FULL_DEG = 360.0


@dataclass(frozen=True, slots=True)
class Steering:
    """Set points of the source that forms the island: Hz at no load, voltage in pu."""

    hz: float
    voltage_pu: float


def may_close(now: Situation) -> bool:
    """Whether an order given now closes inside the window, whenever within the breaker's time.

    A live line may close onto a dead bus: there is nothing to be in step with.
    """
    poi, seen = now.seen.poi, now.seen
    if poi.in_sync is not True or not seen.grid_good:
        return False
    if seen.bus_dead:
        return not any(load.closed for load in seen.loads.values())
    known = (poi.bus_hz, poi.grid_hz, poi.bus_pu, poi.grid_pu, poi.angle_deg)
    if any(value is None for value in known):
        return False
    bus_hz, grid_hz, bus_pu, grid_pu, angle_deg = (float(value or 0.0) for value in known)
    window, slip_hz = now.config.window, bus_hz - grid_hz
    if abs(slip_hz) > _SHARE * window.hz or abs(bus_pu - grid_pu) > _SHARE * window.voltage_pu:
        return False
    turned_deg = _FULL_DEG * slip_hz * now.config.pace.breaker_s
    at_most = _SHARE * window.angle_deg
    # straight in between: inside at both ends is inside all the way
    return abs(angle_deg) <= at_most and abs(angle_deg + turned_deg) <= at_most


def steer_to_grid(now: Situation, present: Steering) -> Steering:
    """Set points that bring the island to the grid's voltage and just above its frequency."""
    poi = now.seen.poi
    hz, voltage_pu = present.hz, present.voltage_pu
    if poi.bus_hz is not None and poi.grid_hz is not None:
        hz += poi.grid_hz + SLIP_HZ - poi.bus_hz
    if poi.bus_pu is not None and poi.grid_pu is not None:
        voltage_pu += poi.grid_pu - poi.bus_pu
    return _bounded(now, hz, voltage_pu)


def steer_to_nominal(now: Situation, present: Steering) -> Steering:
    """Set points that bring an island back to nominal: droop is made good slowly."""
    poi = now.seen.poi
    hz, voltage_pu = present.hz, present.voltage_pu
    if poi.bus_hz is not None:
        hz += 0.3 * (now.config.hz - poi.bus_hz)
    if poi.bus_pu is not None:
        voltage_pu += 0.3 * (1.0 - poi.bus_pu)
    return _bounded(now, hz, voltage_pu)


def _bounded(now: Situation, hz: float, voltage_pu: float) -> Steering:
    nominal = now.config.hz
    return Steering(
        min(max(hz, nominal - _REACH_HZ), nominal + _REACH_HZ),
        min(max(voltage_pu, 1.0 - _REACH_PU), 1.0 + _REACH_PU),
    )
