"""What the controller shows of itself: values of its own points, by their role."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apps.microgrid.capability import agreed, capability_now
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.state import Phase
from gateway.apps.microgrid.targets import Targets
from gateway.model.der import Range


def shown(now: Situation, targets: Targets) -> Mapping[str, float | None]:
    """Values by role; None where a value is not known and must not look as if it were."""
    phase, poi = now.state.phase, now.seen.poi
    can, rated = capability_now(now), agreed(now.config.agreement)
    held = targets.held
    values: dict[str, float | None] = {
        "p": poi.power_w,
        "q": poi.reactive_power_var,
        "v": None if poi.bus_pu is None else poi.bus_pu * now.config.voltage_v,
        "hz": poi.bus_hz,
        "soc": _charge_pct(now),
        "state": None if phase is None else float(phase),
        "connected": None if poi.closed is None else float(poi.closed),
        "islanded": None if phase is None else float(phase is not Phase.SS1),
        "s_rated": rated.apparent_power_va,
        "held_p": _known(held.power_w),
        "held_q": _known(held.reactive_power_var),
        "held_limit": _known(held.limit_w),
        "result": float(now.state.result),
        "load_p": now.seen.load_w if now.seen.loads else None,
        "load_shed_p": sum(now.state.load_w.get(name, 0.0) for name in now.state.shed),
        "settings_group": targets.settings,
    }
    for stem, present, plate in (
        ("p", can.power_w, rated.power_w),
        ("q", can.reactive_power_var, rated.reactive_power_var),
    ):
        values |= _ends(f"{stem}_now", present) | _ends(f"{stem}_rated", plate)
    return values


def _ends(stem: str, interval: Range) -> dict[str, float]:
    return {f"{stem}_min": interval.minimum, f"{stem}_max": interval.maximum}


def _known(value: float | None) -> float:
    return 0.0 if value is None else value


def _charge_pct(now: Situation) -> float | None:
    """State of charge of all batteries, by energy; None where one cannot be read."""
    storages = now.config.storages
    if not storages or len(now.seen.storages) < len(storages):
        return None
    energy_wh = sum(storage.energy_wh for storage in storages)
    stored = sum(s.soc_pct * s.points.energy_wh for s in now.seen.storages.values())
    return stored / energy_wh
