"""Loading a site folder: all faults of all files at once, or a site that is valid as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.text import TomlText, read_toml
from gateway.profiles.validate import validate_toml
from gateway.site.config import LinkTable, SiteFile
from gateway.site.devices import load_devices
from gateway.site.dnp3_config import check_files, check_outstation
from gateway.site.dnp3_map import load_dnp3_map
from gateway.site.dnp3_tables import Dnp3MapRow, Dnp3OutstationTable
from gateway.site.maps import load_modbus_map, load_network
from gateway.site.nesting import check_nesting
from gateway.site.points import expand_points
from gateway.site.site import Device, Site, SitePoint

#: Roles a device needs to be a member of a group.
MEMBER_ROLES = ("p", "q", "s_rated")


def load_site(folder: Path) -> Site:
    """Load and check a site folder.

    Raises:
        ConfigError: with every fault found, each with file, line, column and what to do.
    """
    text = read_toml(folder / "site.toml")
    issues: list[ConfigIssue] = []
    file = validate_toml(SiteFile, text, issues)
    if file is None:
        load_devices(folder, _salvage(text), issues)  # its faults are wanted at once as well
        raise ConfigError(issues)
    for name, link in file.links.items():
        check_files(folder, text, ("links", name), link, issues)
    rows = load_devices(folder, file, issues)
    devices = {name: device for name, (_, device) in rows.items()}
    devices, points = expand_points(folder, devices, issues)
    by_id = {point.spec.id: point for point in points}
    _check_groups(text, file, devices, issues)
    nested = check_nesting(text, file, devices)
    if nested:  # what comes next walks through them
        raise ConfigError([*issues, *nested])
    if file.microgrid is not None:
        from gateway.site.microgrid import check_microgrid  # noqa: PLC0415 - a box without has none

        issues += check_microgrid(text, file.microgrid, devices, set(file.groups))
    if file.sep2_server or file.sep2_client or any(d.lfdi for d in devices.values()):
        from gateway.site.sep2_config import check_sep2  # noqa: PLC0415 - a box without has none

        check_sep2(folder, text, file, devices, issues)
    modbus_map = (
        load_modbus_map(folder / file.modbus_server.map, by_id, issues)
        if file.modbus_server
        else ()
    )
    dnp3_map = _dnp3_map(folder, text, file, by_id, issues)
    network = (
        load_network(folder / "maps" / "network.csv", by_id, devices, file.groups, issues)
        if file.dms
        else ()
    )
    if any(row.role == "irradiance" for row in network) and not _has_place(file):
        message = "irradiance says nothing of a plant whose place is not known"
        remedy = "add latitude_deg and longitude_deg to [dms.forecast]"
        issues.append(text.issue(("dms", "forecast"), message, remedy))
    if file.dms and file.dms.model and not (folder / file.dms.model).is_file():
        message = f"model {file.dms.model!r} is not a file"
        issues.append(text.issue(("dms", "model"), message, "give a path from the site folder"))
    if issues:
        raise ConfigError(issues)
    return Site(folder, file, devices, points, modbus_map, network, by_id, dnp3_map)


def _has_place(file: SiteFile) -> bool:
    return file.dms is not None and file.dms.forecast.latitude_deg is not None


def _salvage(text: TomlText) -> SiteFile:
    """As much of a faulty site file as the device table needs to be judged."""
    tables = text.data.get("links")
    names = tables if isinstance(tables, dict) else {}
    links = {name: LinkTable(type="modbus-tcp") for name in names}
    return SiteFile.model_construct(name="faulty", links=links, profiles=(), poll={}, groups={})


def _dnp3_map(
    folder: Path,
    text: TomlText,
    file: SiteFile,
    points: Mapping[str, SitePoint],
    issues: list[ConfigIssue],
) -> tuple[Dnp3MapRow, ...]:
    table = file.dnp3_outstation
    if table is None:
        return ()
    _check_outstation(text, file, table, points, issues)
    check_outstation(folder, text, table, issues)
    masters = [master.name for master in table.master]
    return load_dnp3_map(folder / table.map, folder / table.lock, points, masters, issues)


def _check_outstation(
    text: TomlText,
    file: SiteFile,
    table: Dnp3OutstationTable,
    points: Mapping[str, SitePoint],
    issues: list[ConfigIssue],
) -> None:
    for key in ("local", "inhibit"):
        name = getattr(table, key)
        if name is not None and name not in points:
            where = ("dnp3_outstation", key)
            issues.append(text.issue(where, f"there is no point {name!r}", "name a BI point"))
    taken = {table.address: "the outstation itself"}
    for group, der in table.der.items():
        place = ("dnp3_outstation", "der", group)
        if group not in file.groups or file.groups[group].backend == "remote":
            message = f"there is no group {group!r} on this box"
            issues.append(text.issue(place, message, "name a plc or members group"))
        if der.address in taken:
            message = f"address {der.address} is taken by {taken[der.address]}"
            issues.append(text.issue(place, message, "give each DER an address of its own"))
        taken.setdefault(der.address, group)


def _check_groups(
    text: TomlText, file: SiteFile, devices: dict[str, Device], issues: list[ConfigIssue]
) -> None:
    for name, group in file.groups.items():
        if group.backend == "remote":
            continue
        key = "device" if group.device is not None else "members"
        for member in (group.device,) if group.device is not None else group.members:
            device = devices.get(member)
            where = ("groups", name, key)
            if device is None and member in file.groups and group.backend == "members":
                continue
            if device is None:
                issues.append(text.issue(where, f"there is no device {member!r}", "add it"))
                continue
            missing = [role for role in MEMBER_ROLES if device.point_of(role) is None]
            if missing:
                message = f"profile {device.profile.name!r} of {member!r} has no "
                message += f"{', '.join(missing)} in [der]"
                issues.append(text.issue(where, message, "add the roles to the profile"))
