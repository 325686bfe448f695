"""From the site's DNP3 tables to the links' settings, every fault located."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from gateway.links.dnp3.outstation_config import OutstationConfig
from gateway.model.errors import ConfigIssue
from gateway.profiles.text import TomlText
from gateway.site.config import LinkTable
from gateway.site.dnp3_tables import Dnp3MapRow, Dnp3OutstationTable

_TLS_FILES = ("ca", "certificate", "key")


def outstation_config(
    folder: Path, table: Dnp3OutstationTable, rows: Sequence[Dnp3MapRow] = ()
) -> OutstationConfig:
    """The outstation's settings; file names are relative to the site folder.

    Args:
        folder: the site's.
        table: ``[dnp3_outstation]``.
        rows: its map, for what single masters want to be told.

    Raises:
        ValidationError: what the table says does not go together.
    """
    masters = [
        {
            "name": master.name,
            "address": master.address,
            "hosts": master.hosts,
            "certificate_name": master.certificate_name or "",
            "unsolicited": table.unsolicited,
            "time_sync_interval_s": table.need_time_s,
            "deadbands": {
                row.point: row.deadband[master.name] for row in rows if master.name in row.deadband
            },
        }
        for master in table.master
    ]
    return OutstationConfig.model_validate(
        {
            "host": table.host,
            "port": table.port,
            "address": table.address,
            "masters": masters,
            "tls": tls_files(folder, table),
            "events_per_class": table.events_per_class,
            "max_fragment": table.max_fragment,
            "select_timeout_s": table.select_timeout_s,
            "control_timeout_s": table.control_timeout_s,
        }
    )


def tls_files(folder: Path, table: Dnp3OutstationTable | LinkTable) -> dict[str, Path] | None:
    """A table's TLS files by name; None where it has no TLS."""
    if table.ca is None:
        return None
    return {name: folder / str(getattr(table, name)) for name in _TLS_FILES}


def check_outstation(
    folder: Path, text: TomlText, table: Dnp3OutstationTable, issues: list[ConfigIssue]
) -> None:
    """Append what does not go together in ``[dnp3_outstation]``."""
    where = ("dnp3_outstation",)
    try:
        outstation_config(folder, table)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            place = ".".join(str(part) for part in fault["loc"])
            said = fault["msg"].removeprefix("Value error, ")
            message = f"{place}: {said}" if place else said
            issues.append(text.issue(where, message, "mend the value"))
    check_files(folder, text, where, table, issues)
    for group, der in table.der.items():
        if any(der.address == master.address for master in table.master):
            message = f"address {der.address} is a master's"
            place_ = ("dnp3_outstation", "der", group)
            issues.append(text.issue(place_, message, "give the DER an address of its own"))


def check_files(
    folder: Path,
    text: TomlText,
    where: tuple[str, ...],
    table: Dnp3OutstationTable | LinkTable,
    issues: list[ConfigIssue],
) -> None:
    """Append TLS files that are not there."""
    for name, path in (tls_files(folder, table) or {}).items():
        if not path.is_file():
            message = f"{name} {str(getattr(table, name))!r} is not a file"
            issues.append(text.issue((*where, name), message, "give a path from the site folder"))
