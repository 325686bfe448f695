"""The tables of ``tieline sep2``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rich.table import Table

from gateway.commands.common import console, fail, site_or_exit
from gateway.links.sep2.ders import RESPONSES
from gateway.links.sep2.events import EventStatusCode
from gateway.links.sep2.identity import check_device_certificate, lfdi, sfdi
from gateway.links.sep2.southbound.orders import described
from gateway.links.sep2.southbound.snapshot import ControlView, Snapshot, snapshot
from gateway.model.errors import ConfigError
from gateway.site.sep2 import sep2_devices
from gateway.site.sep2_client import derived_lfdi
from gateway.site.sep2_tables import Sep2ServerTable
from gateway.site.site import Site


def clients(folder: Path) -> None:
    """Who is registered, what each told of itself, and how it answered controls."""
    site, state = _state(folder)
    names = {device.lfdi: device.name for device in sep2_devices(site)}
    names |= {a.lfdi: a.name for a in _table(site).aggregator}
    table = Table("path", "device", "LFDI", "SFDI", "through", "since", "posted", "responses")
    for client in state.clients:
        table.add_row(
            f"/edev/{client.number}",
            names.get(client.lfdi, "?"),
            client.lfdi,
            str(sfdi(client.lfdi)),
            names.get(client.owner, client.owner) or "itself",
            _time(client.registered_at),
            ", ".join(client.documents),
            _counted(client.responses),
        )
    console().print(table)


def programs(folder: Path) -> None:
    """Each program, whom it is for, and how many controls and curves it holds."""
    site, state = _state(folder)
    table = Table("path", "for", "primacy", "active", "scheduled", "kept", "curves")
    for number, device in enumerate(sep2_devices(site), 1):
        own = [view for view in state.controls if view.program == number]
        codes = [view.state.current_status for view in own if view.state is not None]
        table.add_row(
            f"/derp/{number}",
            device.name,
            str(_table(site).primacy),
            str(codes.count(EventStatusCode.ACTIVE)),
            str(codes.count(EventStatusCode.SCHEDULED)),
            str(len(own)),
            str(state.curves.get(number, 0)),
        )
    console().print(table)


def controls(
    folder: Path,
    limit: int,
) -> None:
    """Show the latest controls, newest first: what they set, their status, what was answered."""
    site, state = _state(folder)
    names = {number: device.name for number, device in enumerate(sep2_devices(site), 1)}
    table = Table("made", "for", "mRID", "start", "s", "sets", "status", "responses")
    newest = sorted(state.controls, key=lambda v: (-v.control.creation_time, v.control.mrid))
    for view in newest[:limit]:
        table.add_row(*_control(view, names))
    console().print(table)


def certs(folder: Path) -> None:
    """Show the certificates in the site's 2030.5 folder and whether they keep the rules."""
    site = site_or_exit(folder)
    table = Table("file", "for", "LFDI", "valid until", "rules of 2030.5")
    names = {device.lfdi: device.name for device in sep2_devices(site)}
    for path in sorted((site.folder / _table(site).pki).glob("*.crt")):
        table.add_row(path.name, *_certificate(path, names))
    console().print(table)


def utility(folder: Path) -> None:
    """Show who we are to the utility's server: our certificate, and each group's EndDevice."""
    site = site_or_exit(folder)
    client = site.file.sep2_client
    if client is None:
        fail("the site has no [sep2_client]. What to do: add it")
    table = Table("group", "LFDI", "SFDI", "rules of 2030.5")
    path = site.folder / client.pki / "client.crt"
    _, lfdi_text, _, rules = _certificate(path, {})
    table.add_row("our certificate", lfdi_text, str(sfdi(lfdi_text)) if lfdi_text else "", rules)
    for entry in client.device:
        own = entry.lfdi or derived_lfdi(site.file.name, entry.group)
        table.add_row(entry.group, own, str(sfdi(own)), "")
    console().print(table)


def _state(folder: Path) -> tuple[Site, Snapshot]:
    site = site_or_exit(folder)
    table = _table(site)
    primacies = {number: table.primacy for number, _ in enumerate(sep2_devices(site), 1)}
    try:
        now_s = int(dt.datetime.now(dt.UTC).timestamp())
        return site, snapshot(site.data_folder / "sep2.sqlite", primacies, now_s)
    except ConfigError as error:
        fail(str(error))


def _table(site: Site) -> Sep2ServerTable:
    if site.file.sep2_server is None:
        fail("the site has no [sep2_server]. What to do: add it")
    return site.file.sep2_server


def _control(view: ControlView, names: Mapping[int, str]) -> tuple[str, ...]:
    control, state = view.control, view.state
    codes = [code for own in view.responses.values() for code in own]
    return (
        _time(control.creation_time),
        names.get(view.program, f"/derp/{view.program}"),
        f"{control.mrid:032X}",
        _time(control.interval.start),
        str(control.interval.duration),
        ", ".join(described(control.der_control_base)),
        "ended" if state is None else state.current_status.name.lower().replace("_", " "),
        ", ".join(RESPONSES.get(code, str(code)) for code in codes),
    )


def _certificate(path: Path, names: Mapping[str | None, str]) -> tuple[str, ...]:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        return ("", "", "", f"cannot be read: {error}")
    der = certificate.public_bytes(serialization.Encoding.DER)
    until = certificate.not_valid_after_utc
    fault = check_device_certificate(der)
    if path.name == "ca.crt":
        return ("authority", lfdi(der), f"{until:%Y-%m-%d}", "signs the others")
    return (
        names.get(lfdi(der), "server" if path.name == "server.crt" else "nobody of the site"),
        lfdi(der),
        f"{until:%Y-%m-%d}",
        fault or "kept",
    )


def _counted(responses: Mapping[int, int]) -> str:
    return ", ".join(f"{n} {RESPONSES.get(code, str(code))}" for code, n in responses.items())


def _time(utc_s: int) -> str:
    return f"{dt.datetime.fromtimestamp(utc_s, dt.UTC):%Y-%m-%d %H:%M:%S}"
