"""``tieline cert``: test certificates by IEEE 2030.5's rules, and who a certificate belongs to."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization

from gateway.commands.common import fail
from gateway.links.sep2.identity import check_device_certificate, lfdi, sfdi
from gateway.model.errors import ConfigError
from gateway.site.pem_files import KeyPair, load_certificate
from gateway.site.sep2_pki import ensure_authority, ensure_device

app = typer.Typer(help="IEEE 2030.5 certificates: a test authority, devices, servers.")

Folder = Annotated[Path, typer.Argument(help="Where the authority's ca.crt and ca.key are.")]


@app.command()
def ca(folder: Folder) -> None:
    """Make a test authority (SERCA). Move ca.key off the box once every device has its own."""
    try:
        pair = ensure_authority(folder, dt.datetime.now(dt.UTC))
    except (ConfigError, OSError) as error:
        fail(str(error))
    typer.echo(f"{pair.certificate} and {pair.key}")


@app.command()
def device(
    folder: Folder,
    names: Annotated[list[str], typer.Argument(help="A name, and serial, for each device.")],
    as_json: Annotated[bool, typer.Option("--json", help="Only name to LFDI, as JSON.")] = False,
) -> None:
    """Make a certificate for each device and say its LFDI, for devices.csv."""
    made = [_make(folder, name, ()) for name in names]
    if as_json:
        lfdis = {pair.certificate.stem: _identity(pair.certificate)[0] for pair in made}
        typer.echo(json.dumps(lfdis))
        return
    for pair in made:
        _tell(pair)


@app.command()
def server(
    folder: Folder,
    host: Annotated[list[str], typer.Option(help="A name or address clients reach it under.")],
    name: Annotated[str, typer.Option(help="Name of the files.")] = "server",
) -> None:
    """Make a server's certificate."""
    _tell(_make(folder, name, tuple(host)))


@app.command()
def show(certificate: Annotated[Path, typer.Argument(help="A certificate, PEM.")]) -> None:
    """Say LFDI and SFDI of a certificate, and whether it keeps 2030.5's rules."""
    try:
        _print(certificate)
    except ConfigError as error:
        fail(str(error))


def _make(folder: Path, name: str, hosts: tuple[str, ...]) -> KeyPair:
    now = dt.datetime.now(dt.UTC)
    try:
        ensure_authority(folder, now)
        return ensure_device(folder, name, now, hosts)
    except (ConfigError, OSError) as error:
        fail(str(error))


def _tell(pair: KeyPair) -> None:
    typer.echo(f"{pair.certificate} and {pair.key}")
    _print(pair.certificate)


def _identity(path: Path) -> tuple[str, str | None]:
    """LFDI of a certificate, and what breaks 2030.5's rules."""
    der = load_certificate(path, dt.datetime.now(dt.UTC)).public_bytes(serialization.Encoding.DER)
    return lfdi(der), check_device_certificate(der)


def _print(path: Path) -> None:
    identifier, fault = _identity(path)
    typer.echo(f"LFDI {identifier}\nSFDI {sfdi(identifier)}")
    typer.echo("keeps the rules of 2030.5" if fault is None else f"breaks a rule: {fault}")
