"""What a site's 2030.5 tables must keep to, beside what each table says itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.model.errors import ConfigIssue
from gateway.profiles.text import TomlText
from gateway.site.config import SiteFile
from gateway.site.sep2_names import name_faults
from gateway.site.sep2_tables import Sep2ServerTable
from gateway.site.site import Device


def check_sep2(
    folder: Path,
    text: TomlText,
    file: SiteFile,
    devices: Mapping[str, Device],
    issues: list[ConfigIssue],
) -> None:
    """Append every fault of the site's 2030.5 side."""
    _check_client(folder, text, file, issues)
    own = {name: device for name, device in devices.items() if device.profile.protocol == "sep2"}
    for profile in {d.profile.name: d.profile for d in own.values()}.values():
        for fault in name_faults(profile):
            remedy = "use the standard's names, as devices/sep2_inverter.csv does"
            issues.append(ConfigIssue(f"{profile.name}.csv", 0, 0, fault, remedy))
    table = file.sep2_server
    if table is None:
        if own:
            message = f"{next(iter(own))} speaks 2030.5 and there is no [sep2_server]"
            issues.append(text.issue((), message, "add [sep2_server] with a port"))
        return
    if table.xsd is not None and not (folder / table.xsd).is_file():
        message = f"schema {table.xsd!r} is not a file"
        issues.append(
            text.issue(("sep2_server", "xsd"), message, "give a path from the site folder")
        )
    _check_aggregators(text, table, own, issues)


def _check_client(folder: Path, text: TomlText, file: SiteFile, issues: list[ConfigIssue]) -> None:
    table = file.sep2_client
    if table is None:
        return
    where = ("sep2_client", "device")
    names = [entry.group for entry in table.device]
    for name in dict.fromkeys(names):
        if name not in file.groups:
            issues.append(text.issue(where, f"there is no group {name!r}", "name a group"))
        elif names.count(name) > 1:
            issues.append(text.issue(where, f"group {name!r} is named twice", "keep one"))
    for name in ("ca.crt", "client.crt", "client.key"):
        path = folder / table.pki / name
        if not path.is_file():
            message = f"{table.pki}/{name} is not there"
            remedy = "put the utility's root and our certificate and key there"
            issues.append(text.issue(("sep2_client",), message, remedy))


def _check_aggregators(
    text: TomlText,
    table: Sep2ServerTable,
    own: Mapping[str, Device],
    issues: list[ConfigIssue],
) -> None:
    taken: dict[str, str] = {}
    lfdis = {device.lfdi: name for name, device in own.items()}
    for aggregator in table.aggregator:
        if aggregator.lfdi in lfdis:
            message = f"{aggregator.name} has the LFDI of {lfdis[aggregator.lfdi]}"
            remedy = "an aggregator has a certificate of its own"
            issues.append(text.issue(("sep2_server", "aggregator"), message, remedy))
        for name in aggregator.devices:
            message = ""
            if name not in own:
                message = f"there is no 2030.5 device {name!r}"
            elif name in taken:
                message = f"{name!r} is {taken[name]}'s already"
            taken.setdefault(name, aggregator.name)
            if message:
                where = ("sep2_server", "aggregator")
                issues.append(text.issue(where, message, "name a sep2 device of devices.csv"))
