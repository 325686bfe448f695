"""A copy of a site to run, so that the site itself is never written to."""

from __future__ import annotations

import csv
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Of a site's tables, those that listen.
_LISTENERS = ("https", "mqtt", "modbus_server", "dnp3_outstation", "sep2_server")
_PORT = re.compile(r"^(\s*port\s*=\s*)(\d+)")
_URL = re.compile(r'^(\s*url\s*=\s*"https://[^:"]+:)(\d+)')
_MODEL = re.compile(r'^(\s*model\s*=\s*)"([^"]*)"')
_ADDRESS = re.compile(r":(\d+)(?=,|$)")


@dataclass(frozen=True, slots=True)
class OutstationFacts:
    """What a master has to know of the site's DNP3 outstation.

    Attributes:
        address: its link address.
        points: kind and index (``("AI", 0)``) to the point there.
        ders: link addresses of groups shown as a DER, with the edition of the profile.
    """

    address: int
    points: Mapping[tuple[str, int], str]
    ders: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What the demo needs to know of a site without being the gateway.

    Attributes:
        listeners: port by table that listens.
        cycle_s: the DMS's control cycle, wall seconds.
        voltages: node of the feeder to the point that measures it.
        outstation: where the site is a DNP3 outstation.
        csip: devices that come to the site's 2030.5 server.
        csip_pki: folder of that server's certificates, relative to the site.
    """

    listeners: Mapping[str, int]
    cycle_s: float
    voltages: Mapping[str, str]
    outstation: OutstationFacts | None = None
    csip: tuple[str, ...] = ()
    csip_pki: str = "sep2"


def read_site(folder: Path) -> SiteFacts:
    """Read a site's facts.

    Raises:
        OSError: it is no site folder.
        ValueError: ``site.toml`` is no TOML.
    """
    data = tomllib.loads((folder / "site.toml").read_text(encoding="utf-8"))
    rows = _rows(folder / "maps" / "network.csv")
    return SiteFacts(
        listeners={name: int(data[name]["port"]) for name in _LISTENERS if name in data},
        cycle_s=float(data.get("dms", {}).get("cycle_s", 2.0)),
        voltages={row["element"]: row["source"] for row in rows if row["role"] == "voltage"},
        outstation=_outstation(folder, data.get("dnp3_outstation")),
        csip=tuple(
            row["device"]
            for row in _rows(folder / "devices.csv")
            if data["links"][row["link"]]["type"] == "sep2"
        ),
        csip_pki=str(data.get("sep2_server", {}).get("pki", "sep2")),
    )


def _outstation(folder: Path, table: Mapping[str, Any] | None) -> OutstationFacts | None:
    if table is None:
        return None
    rows = _rows(folder / str(table.get("map", "maps/dnp3.csv")))
    return OutstationFacts(
        address=int(table.get("address", 1024)),
        points={(row["object"], int(row["index"])): row["point"] for row in rows},
        ders={int(der["address"]): str(der["edition"]) for der in table.get("der", {}).values()},
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def copy_site(site: Path, folder: Path, ports: Mapping[int, int]) -> Path:
    """Copy a site, its ports moved and its model named by absolute path.

    Args:
        site: the site folder; its ``data`` is left behind.
        folder: where the copy goes, as ``folder / site.name``.
        ports: the site's port to the one to use; others stay.

    Returns:
        The copy.
    """
    copy = folder / site.name
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("data"))
    text = (copy / "site.toml").read_text(encoding="utf-8").splitlines()
    lines = [_site_line(line, site, ports) for line in text]
    (copy / "site.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = copy / "devices.csv"
    devices = _ADDRESS.sub(
        lambda found: f":{ports.get(int(found.group(1)), int(found.group(1)))}",
        table.read_text(encoding="utf-8"),
    )
    table.write_text(devices, encoding="utf-8")
    return copy


def name_lfdis(site: Path, lfdis: Mapping[str, str]) -> None:
    """Put the LFDIs of fresh certificates into a copied site's table of devices.

    Args:
        site: the copy.
        lfdis: LFDI by device.
    """
    table = site / "devices.csv"
    rows = _rows(table)
    for row in rows:
        row["address"] = lfdis.get(row["device"], row["address"])
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _site_line(line: str, site: Path, ports: Mapping[int, int]) -> str:
    if found := _PORT.match(line):
        port = int(found.group(2))
        return f"{found.group(1)}{ports.get(port, port)}{line[found.end() :]}"
    if found := _URL.match(line):
        port = int(found.group(2))
        return f"{found.group(1)}{ports.get(port, port)}{line[found.end() :]}"
    if found := _MODEL.match(line):
        return f'{found.group(1)}"{(site / found.group(2)).resolve()}"{line[found.end() :]}'
    return line
