"""Loading a site folder: all faults of all files at once, or a site that is valid as a whole."""

from __future__ import annotations

from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.text import TomlText, read_toml
from gateway.profiles.validate import validate_toml
from gateway.site.config import LinkTable, SiteFile
from gateway.site.devices import load_devices
from gateway.site.maps import load_modbus_map, load_network
from gateway.site.points import expand_points
from gateway.site.site import Device, Site

#: Roles a device needs to be a member of a group.
_MEMBER_ROLES = ("p", "q", "s_rated")


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
    rows = load_devices(folder, file, issues)
    devices = {name: device for name, (_, device) in rows.items()}
    points = expand_points(folder, devices.values(), issues)
    by_id = {point.spec.id: point for point in points}
    _check_groups(text, file, devices, issues)
    modbus_map = (
        load_modbus_map(folder / file.modbus_server.map, by_id, issues)
        if file.modbus_server
        else ()
    )
    network = (
        load_network(folder / "maps" / "network.csv", by_id, devices, file.groups, issues)
        if file.dms
        else ()
    )
    if file.dms and not (folder / file.dms.model).is_file():
        message = f"model {file.dms.model!r} is not a file"
        issues.append(text.issue(("dms", "model"), message, "give a path from the site folder"))
    if issues:
        raise ConfigError(issues)
    return Site(folder, file, devices, points, modbus_map, network, by_id)


def _salvage(text: TomlText) -> SiteFile:
    """As much of a faulty site file as the device table needs to be judged."""
    tables = text.data.get("links")
    names = tables if isinstance(tables, dict) else {}
    links = {name: LinkTable(type="modbus-tcp") for name in names}
    return SiteFile.model_construct(name="faulty", links=links, profiles=(), poll={}, groups={})


def _check_groups(
    text: TomlText, file: SiteFile, devices: dict[str, Device], issues: list[ConfigIssue]
) -> None:
    for name, group in file.groups.items():
        key = "device" if group.device is not None else "members"
        for member in (group.device,) if group.device is not None else group.members:
            device = devices.get(member)
            where = ("groups", name, key)
            if device is None:
                issues.append(text.issue(where, f"there is no device {member!r}", "add it"))
                continue
            missing = [role for role in _MEMBER_ROLES if device.point_of(role) is None]
            if missing:
                message = f"profile {device.profile.name!r} of {member!r} has no "
                message += f"{', '.join(missing)} in [der]"
                issues.append(text.issue(where, message, "add the roles to the profile"))
