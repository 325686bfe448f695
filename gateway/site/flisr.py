"""From a site's switches to fault location, isolation and service restoration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.site.config import DmsTable
from gateway.site.dms import check_elements
from gateway.site.site import Device, Site
from gateway.site.worker import Step

if TYPE_CHECKING:
    from gateway.apps.flisr.config import FlisrConfig, GroupBinding, SwitchPoints
    from gateway.points.image import ProcessImage
    from gateway.site.forecasts import SiteForecasts

#: The most a step may take, s: it plans once an outage, and nothing waits for it but itself.
STEP_LIMIT_S = 30.0
#: Names that switch controls' points have in device profiles.
_FLAGS = ((1, "fault_a"), (2, "fault_b"), (3, "fault_c"))


def flisr_config(site: Site, dms: DmsTable) -> FlisrConfig:
    """Bindings, limits and pace of restoration at a site."""
    from gateway.apps.flisr.config import FlisrConfig  # noqa: PLC0415 - only a DMS box has it

    rows, table = site.network, dms.flisr
    machines = set(table.machines)
    return FlisrConfig(
        switches=tuple(
            _switch(site, site.devices[row.source], row.element)
            for row in rows
            if row.role == "switch"
        ),
        groups=tuple(_group(site, row.source, row.element) for row in rows if row.role == "group"),
        ders=tuple(
            (row.element, power)
            for row in rows
            if row.role == "der" and (power := site.devices[row.source].point_of("p"))
        ),
        machines=tuple(row.element for row in rows if row.source in machines),
        regulators=tuple((row.element, row.source) for row in rows if row.role == "regulator"),
        capacitors=tuple((row.element, row.source) for row in rows if row.role == "capacitor"),
        capacities_w=tuple((s.name.lower(), 1e3 * s.capacity_kw) for s in table.source),
        dms_id=dms.id,
        mode="act" if table.mode == "act" else "advise",
        settle_s=table.settle_s,
        follow_s=table.follow_s,
        dwell_s=table.dwell_s,
        reconnect_s=table.reconnect_s,
        hold_s=table.hold_s,
        voltage_min_pu=table.voltage_min_pu,
        cold_load_factor=table.cold_load_factor,
        repaired=table.repaired or "",
    )


def flisr_factory(site: Site, dms: DmsTable) -> partial[Step]:
    """What the worker process calls to build restoration.

    Raises:
        ConfigError: there is no model or no switch, the solver is not installed, or a name of
            the tables is not known.
    """
    issues = list(_faults(site, dms))
    if issues or dms.model is None:
        raise ConfigError(issues)
    master = site.folder / dms.model
    check_elements(site, master, dms)
    return partial(build_flisr, flisr_config(site, dms), master, dms.head)


def build_flisr(config: FlisrConfig, master: Path, head: tuple[str, ...]) -> Step:
    """Build the application; runs in the worker process, where the model then lives."""
    from gateway.apps.flisr.step import Flisr  # noqa: PLC0415 - a box that only polls has none
    from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415

    return Flisr(config, DssEngine(master, head)).step


def least_powers_w(
    forecasts: SiteForecasts, seconds: float, image: ProcessImage
) -> dict[str, float]:
    """What each DER and group will give at least over a repair, W, by element; for the step."""
    del image  # forecasts know it already
    found = {element: forecasts.least_w(element, seconds) for element in forecasts.elements}
    return {element: least for element, least in found.items() if least is not None}


def flisr_status(state: Any, alarms: list[str], notes: dict[str, float | str]) -> dict[str, Any]:
    """An outage as shown: phase, place, the record, oldest first."""
    return {
        "phase": str(state.phase),
        "zone": state.zone,
        "event": state.event,
        "steps": [
            {"at_ms": e.at_ms, "action": e.action, "target": e.target, "state": e.state,
             "text": e.text}
            for e in state.record
        ],
        "alarms": alarms,
        "notes": notes,
    }  # fmt: skip


def _switch(site: Site, device: Device, branch: str) -> SwitchPoints:
    from gateway.apps.flisr.config import SwitchPoints  # noqa: PLC0415

    def point(name: str) -> str:
        found = f"{device.name}.{name}"
        return found if found in site.by_id else ""

    command = point("cmd")
    return SwitchPoints(
        name=device.name,
        branch=branch,
        closed=point("closed"),
        command=command,
        act=bool(command) and site.by_id[command].spec.act,
        local=point("local"),
        tripped=point("tripped"),
        lockout=point("lockout"),
        flags=tuple((phase, found) for phase, name in _FLAGS if (found := point(name))),
        reverse=point("fault_reverse"),
        reset=point("fault_reset"),
        fault_a=point("fault_i"),
        fault_ohm=point("fault_x"),
        sag_v=point("sag_v"),
        power=point("p"),
        reactive_power=point("q"),
    )


def _group(site: Site, group: str, element: str) -> GroupBinding:
    from gateway.apps.flisr.config import GroupBinding  # noqa: PLC0415

    members = site.members(group)
    can_island = all(device.point_of("island_mode") is not None for device in members)
    poi = _poi(site, group, members[0]) if len(members) == 1 else None
    return GroupBinding(group, element, can_island, poi=poi)


def _poi(site: Site, group: str, device: Device) -> SwitchPoints | None:
    """Breaker and relay of a microgrid's POI, where its controller has points for both."""
    from gateway.apps.flisr.config import SwitchPoints  # noqa: PLC0415

    def point(name: str) -> str:
        found = f"{device.name}.{name}"
        return found if found in site.by_id else ""

    closed, reset = device.point_of("connected"), point("poi_fault_reset")
    flags = tuple((phase, found) for phase, name in _FLAGS if (found := point(f"poi_{name}")))
    if closed is None or not flags:
        return None
    return SwitchPoints(
        name=group,
        branch="",
        closed=closed,
        command="",
        act=bool(reset) and site.by_id[reset].spec.act,
        tripped=point("poi_tripped"),
        lockout=point("poi_lockout"),
        flags=flags,
        reverse=point("poi_fault_reverse"),
        reset=reset,
        internal=point("internal_fault"),
    )


def _faults(site: Site, dms: DmsTable) -> list[ConfigIssue]:
    file, table = str(site.folder / "site.toml"), dms.flisr
    rows = [row for row in site.network if row.role == "switch"]
    found = []
    if dms.model is None:
        message = "[dms.flisr] works on a feeder model"
        found.append(ConfigIssue(file, 0, 0, message, "give model in [dms]"))
    if not rows:
        message = "[dms.flisr] has no switches"
        found.append(
            ConfigIssue(file, 0, 0, message, "add rows of role switch to maps/network.csv")
        )
    for row in rows:
        if f"{row.source}.closed" not in site.by_id:
            message = f"switch {row.source} shows no position"
            remedy = "give its device profile a point named closed"
            found.append(ConfigIssue(file, 0, 0, message, remedy))
    if table.repaired is not None and table.repaired not in site.by_id:
        message = f"[dms.flisr] repaired: there is no point {table.repaired!r}"
        found.append(ConfigIssue(file, 0, 0, message, "tieline points lists them"))
    known = {row.source for row in site.network}
    for name in table.machines:
        if name not in known:
            message = f"[dms.flisr] machines: {name!r} is bound to no element"
            found.append(ConfigIssue(file, 0, 0, message, "name a device or group of network.csv"))
    return found
