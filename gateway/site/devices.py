"""``devices.csv``: each row with its profile, link and address resolved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.links.sep2.identity import parse_lfdi
from gateway.model.data import data_folder
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.load import load_profile
from gateway.profiles.profile import DeviceProfile
from gateway.profiles.text import CsvRow, read_csv
from gateway.profiles.validate import validate_row
from gateway.site.config import DeviceRow, LinkTable, SiteFile
from gateway.site.site import Device

_REQUIRED = ("device", "profile", "link")
_OPTIONAL = ("address", "unit", "timeout_s", "time_sync", "description")


def load_devices(
    folder: Path, file: SiteFile, issues: list[ConfigIssue]
) -> dict[str, tuple[CsvRow, Device]]:
    """Devices by name, each with its row; appends every fault to ``issues``."""
    try:
        rows = read_csv(folder / "devices.csv", _REQUIRED, _OPTIONAL)
    except ConfigError as error:
        issues.extend(error.issues)
        return {}
    shelf = _Shelf([folder / extra for extra in file.profiles])
    devices: dict[str, tuple[CsvRow, Device]] = {}
    for row in rows:
        parsed = validate_row(DeviceRow, row, issues)
        if parsed is None:
            continue
        if parsed.device in devices:
            message = f"device {parsed.device!r} stands already at line "
            message += str(devices[parsed.device][0].line)
            issues.append(row.issue("device", message, "rename one of them"))
            continue
        device = _resolve(row, parsed, file, shelf, issues)
        if device is not None:
            devices[parsed.device] = (row, device)
    _check_shared_addresses(list(devices.values()), issues)
    return devices


class _Shelf:
    """Profiles by name, each read once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [*folders, data_folder("devices")]
        self._known: dict[str, DeviceProfile | None] = {}

    def get(self, row: CsvRow, name: str, issues: list[ConfigIssue]) -> DeviceProfile | None:
        if name not in self._known:
            self._known[name] = self._load(row, name, issues)
        return self._known[name]

    def _load(self, row: CsvRow, name: str, issues: list[ConfigIssue]) -> DeviceProfile | None:
        folder = next((f for f in self._folders if (f / f"{name}.toml").is_file()), None)
        if folder is None:
            at_hand = sorted({p.stem for f in self._folders for p in f.glob("*.toml")})
            remedy = f"use one of: {', '.join(at_hand)}, or add {name}.toml to the site's profiles"
            issues.append(row.issue("profile", f"there is no profile {name!r}", remedy))
            return None
        try:
            return load_profile(folder, name)
        except ConfigError as error:
            issues.extend(error.issues)
            return None


def _resolve(
    row: CsvRow, parsed: DeviceRow, file: SiteFile, shelf: _Shelf, issues: list[ConfigIssue]
) -> Device | None:
    profile = shelf.get(row, parsed.profile, issues)
    link = file.links.get(parsed.link)
    if link is None:
        remedy = f"use one of: {', '.join(file.links) or 'none yet'}, or add [links.{parsed.link}]"
        issues.append(row.issue("link", f"there is no link {parsed.link!r}", remedy))
    if profile is None or link is None:
        return None
    _check_link(row, parsed, profile, link, issues)
    host, port = _address(row, parsed, link, issues)
    lfdi = _lfdi(row, parsed, issues) if link.protocol == "sep2" else None
    periods = {name: file.poll.get(name, group).period_s for name, group in profile.poll.items()}
    return Device(
        row=parsed,
        profile=profile,
        link=link,
        host=host,
        port=port,
        unit=profile.unit if parsed.unit is None else parsed.unit,
        timeout_s=parsed.timeout_s or profile.timeout_s,
        periods_s=periods,
        lfdi=lfdi,
    )


def _check_link(
    row: CsvRow,
    parsed: DeviceRow,
    profile: DeviceProfile,
    link: LinkTable,
    issues: list[ConfigIssue],
) -> None:
    """The device's protocol must be its link's, and its unit one that protocol has."""
    own = profile.protocol if profile.protocol in ("dnp3", "sep2", "own") else "modbus"
    if own != link.protocol:
        message = f"profile {profile.name!r} speaks {profile.protocol}, link {parsed.link!r} is "
        message += link.type
        issues.append(row.issue("link", message, "put the device on a link of its protocol"))
    unit = profile.unit if parsed.unit is None else parsed.unit
    if link.protocol == "dnp3" and unit == link.master_address:
        message = f"address {unit} is the master's own on link {parsed.link!r}"
        issues.append(row.issue("unit", message, "give the outstation another address"))
    if parsed.time_sync is not None and link.protocol != "dnp3":
        issues.append(row.issue("time_sync", "only DNP3 sets clocks", "leave the cell empty"))
    if link.protocol == "modbus" and (parsed.unit or 0) > 255:
        issues.append(row.issue("unit", f"{parsed.unit} is no Modbus unit", "use 0..255"))


def _lfdi(row: CsvRow, parsed: DeviceRow, issues: list[ConfigIssue]) -> str | None:
    try:
        return parse_lfdi(parsed.address or "")
    except ValueError as error:
        issues.append(row.issue("address", str(error), "tieline cert show says a device's"))
        return None


def _address(
    row: CsvRow, parsed: DeviceRow, link: LinkTable, issues: list[ConfigIssue]
) -> tuple[str | None, int | None]:
    if link.protocol in ("sep2", "own"):
        return None, None  # it comes to us, or is ours
    if not link.has_device_addresses:
        if parsed.address is not None:
            message = f"link {parsed.link!r} is {link.type}: its devices have a unit, no address"
            issues.append(row.issue("address", message, "leave the cell empty"))
        return None, None
    try:
        return split_address(parsed.address or "")
    except ValueError as error:
        issues.append(row.issue("address", str(error), "write host:port, e.g. 192.0.2.7:502"))
        return None, None


def split_address(text: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` in its parts.

    Raises:
        ValueError: with the reason.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"address {text!r} is not host:port")
    return host.strip("[]"), int(port)


def _check_shared_addresses(
    devices: Sequence[tuple[CsvRow, Device]], issues: list[ConfigIssue]
) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for row, device in devices:
        if device.link.protocol == "own":
            continue
        place = (device.row.link, device.lfdi, device.host, device.port, device.unit)
        if place in seen:
            what = f"unit {device.unit} at this address" if device.lfdi is None else "this LFDI"
            message = f"{what} stands already at line {seen[place]}"
            issues.append(row.issue("address", message, "give each device its own unit or address"))
        seen.setdefault(place, row.line)
