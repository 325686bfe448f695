"""From a site's feeder bindings to the DMS's applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from gateway.apps.vvo.config import (
    Budget,
    Capacitor,
    Curtailment,
    Der,
    Group,
    Hunting,
    Regulator,
    VvoConfig,
)
from gateway.grid.observe import Binding, Bindings, Injection
from gateway.groups.der_points import DerPoints
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.site.config import DmsTable, NetworkRow
from gateway.site.groups import der_points
from gateway.site.site import Device, Site
from gateway.site.worker import Step


def vvo_config(site: Site, dms: DmsTable) -> VvoConfig:
    """Bindings, bands and costs of volt-VAR optimisation at a site."""
    rows = site.network
    vvo = dms.vvo
    return VvoConfig(
        regulators=tuple(
            Regulator(row.element, row.source, row.command, _acts(site, row.command))
            for row in rows
            if row.role == "regulator" and row.command
        ),
        capacitors=tuple(
            Capacitor(row.element, row.source, row.command, _acts(site, row.command))
            for row in rows
            if row.role == "capacitor" and row.command
        ),
        ders=tuple(_der(site, row) for row in rows if row.role == "der"),
        groups=tuple(
            Group(
                row.element,
                row.source,
                vvo.group_by,
                act=_group_acts(site, row.source, "q_set"),
                curtail=row.curtail and _group_acts(site, row.source, "limit", "limit_enable"),
            )
            for row in rows
            if row.role == "group"
        ),
        bindings=bindings(site),
        excluded_buses=dms.exclude_buses,
        dms_id=dms.id,
        mode="act" if vvo.mode == "act" else "advise",
        objective=vvo.objective,
        voltage_min_pu=vvo.voltage_min_pu,
        voltage_max_pu=vvo.voltage_max_pu,
        margin_pu=vvo.margin_pu,
        tap_cost_kw=vvo.tap_cost_kw,
        capacitor_cost_kw=vvo.capacitor_cost_kw,
        set_point_cost_kw=vvo.set_point_cost_kw,
        max_taps_per_cycle=vvo.max_taps_per_cycle,
        max_solves=vvo.max_solves,
        hold_s=vvo.hold_s,
        status_every_s=vvo.status_every_s,
        ask_again_s=vvo.ask_again_s,
        budget=Budget(vvo.taps_per_day, vvo.switchings_per_day, vvo.utc_offset_h),
        hunting=Hunting(vvo.hunting_turns, vvo.hunting_window_s, vvo.hunting_rest_s),
    )


def bindings(site: Site) -> Bindings:
    """What measures a site's feeder: the one account that every application's model is set by."""

    def bound(role: str) -> tuple[Binding, ...]:
        return tuple((row.element, row.source) for row in site.network if row.role == role)

    positions = ((element, f"{device}.closed") for element, device in bound("switch"))
    return Bindings(
        taps=bound("regulator"),
        capacitors=bound("capacitor"),
        switches=tuple(one for one in positions if one[1] in site.by_id),
        injections=tuple(_injections(site)),
        voltages=bound("voltage"),
        head_p=_by_phase(site.network, "head_p"),
        head_q=_by_phase(site.network, "head_q"),
    )


def vvo_factory(site: Site, dms: DmsTable) -> partial[Step]:
    """What the worker process calls to build volt-VAR optimisation.

    Raises:
        ConfigError: the solver is not installed, or a binding names no element of the model.
    """
    config = vvo_config(site, dms)
    if dms.model is None:
        return partial(build_measured, config)
    master = site.folder / dms.model
    factory = partial(build_vvo, config, master, dms.head)
    check_elements(site, master, dms)
    return factory


def build_vvo(config: VvoConfig, master: Path, head: tuple[str, ...]) -> Step:
    """Build the application; runs in the worker process, where the model then lives."""
    from gateway.apps.vvo.step import Vvo  # noqa: PLC0415 - a box that only polls has no solver
    from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415

    return Vvo(config, DssEngine(master, head)).step


def build_measured(config: VvoConfig) -> Step:
    """Build the application for a feeder without a model."""
    from gateway.apps.vvo.measured import MeasuredVvo  # noqa: PLC0415 - as above

    return MeasuredVvo(config).step


def vvo_state(dms: DmsTable) -> object:
    """The first state of volt-VAR optimisation, with a model or without."""
    from gateway.apps.vvo.measured import MeasuredState  # noqa: PLC0415 - only a DMS box has it
    from gateway.apps.vvo.step import VvoState  # noqa: PLC0415

    return MeasuredState() if dms.model is None else VvoState()


def check_elements(site: Site, master: Path, dms: DmsTable) -> None:
    """Find out whether every binding names an element of the model.

    Raises:
        ConfigError: the solver is not installed, or a binding names no element of the model.
    """
    try:
        from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"the DMS's solver is not installed ({error.name})"
        issue = ConfigIssue(str(site.folder / "site.toml"), 0, 0, message, "install tieline[dms]")
        raise ConfigError([issue]) from error
    engine = DssEngine(master, dms.head)
    known = {
        "regulator": set(engine.taps),
        "capacitor": set(engine.capacitors),
        "der": set(engine.injection_buses),
        "group": set(engine.injection_buses),
        "switch": set(engine.network.branches),
        "voltage": set(engine.nodes),
    }
    table = str(site.folder / "maps" / "network.csv")
    issues = [
        ConfigIssue(table, 0, 0, f"the model has no {row.role} {row.element!r}", "mend the name")
        for row in site.network
        if row.element not in known.get(row.role, {row.element})
    ]
    if issues:
        raise ConfigError(issues)


def _der(site: Site, row: NetworkRow) -> Der:
    der = der_points(site.devices[row.source])
    return Der(
        element=row.element,
        power=der.points["p"],
        reactive_power=der.points["q"],
        set_point=der.points["q_set"],
        enable=der.points["q_enable"],
        presets=der.presets.get("q_enable", ()),
        rating_va=der.points["s_rated"],
        reactive_rating_var=der.points["q_rated_max"],
        act=_acts(site, der.points["q_set"]),
        in_percent=der.units["q_set"] == "pct",
        curtailment=_curtailment(site, row, der),
    )


def _curtailment(site: Site, row: NetworkRow, der: DerPoints) -> Curtailment | None:
    """How a DER's real power is limited; None where its row or its points do not let VVO."""
    rating = der.points.get("p_setting") or der.points.get("p_rated_max")
    if not row.curtail or rating is None or not der.has("limit", "limit_enable"):
        return None
    if der.units["limit"] != "pct" or not _acts(site, der.points["limit"]):
        return None
    presets = der.presets.get("limit_enable", ())
    return Curtailment(der.points["limit"], der.points["limit_enable"], presets, rating)


def _acts(site: Site, point: str) -> bool:
    return site.by_id[point].spec.act


def _group_acts(site: Site, group: str, *roles: str) -> bool:
    table = site.file.groups[group]
    if table.backend == "remote":
        return table.act
    points = [device.point_of(role) for device in site.members(group) for role in roles]
    return all(point is not None and _acts(site, point) for point in points)


def _by_phase(rows: Iterable[NetworkRow], role: str) -> tuple[str, ...]:
    """Points that measure a role, by phase."""
    found = {row.element: row.source for row in rows if row.role == role}
    return tuple(found[phase] for phase in sorted(found))


def _injections(site: Site) -> Iterator[Injection]:
    for row in site.network:
        if row.role == "der":
            yield _injection(row.element, (site.devices[row.source],))
        elif row.role == "group":
            yield _injection(row.element, site.members(row.source))


def _injection(element: str, devices: tuple[Device, ...]) -> Injection:
    views = [der_points(device).points for device in devices]
    powers, reactive = (tuple(points[role] for points in views) for role in ("p", "q"))
    return Injection(element, powers, reactive)
