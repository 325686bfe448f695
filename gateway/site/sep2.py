"""From a site's 2030.5 devices to the server's terms."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping

from gateway.links.sep2.config import (
    ClientConfig,
    NotificationConfig,
    PollRates,
    Sep2ServerConfig,
)
from gateway.links.sep2.ders import DerInput, DerOutput, DerServer, Pace, Sep2Der
from gateway.links.sep2.resources import DefaultDERControl, DERControlBase
from gateway.links.sep2.server import ProgramSetup
from gateway.links.sep2.southbound.orders import INITIAL
from gateway.links.sep2.southbound.telemetry import Sink
from gateway.model.clock import Clock
from gateway.profiles.profile import ProfilePoint
from gateway.site.sep2_names import CLASSES, field_of
from gateway.site.sep2_pki import ensure_authority, ensure_device
from gateway.site.sep2_tables import Sep2DefaultTable, Sep2ServerTable
from gateway.site.site import Device, Site

_LINGER_S = 300
_LOOPBACK = ("localhost", "127.0.0.1")
#: Addresses to listen on that nobody connects to.
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here
#: Units whose sign says which way power flows.
_DIRECTED = ("W", "var")


def sep2_devices(site: Site) -> tuple[Device, ...]:
    """The site's 2030.5 devices, in the file's order."""
    return tuple(d for d in site.devices.values() if d.profile.protocol == "sep2")


def der_server(site: Site, positions: Mapping[str, int], sink: Sink, clock: Clock) -> DerServer:
    """The site's 2030.5 server with its DERs.

    Args:
        site: its devices and its ``[sep2_server]``.
        positions: point id to position in the store.
        sink: the store.
        clock: time.

    Raises:
        ConfigError: a certificate, the schema or the state cannot be used.
    """
    table = site.file.sep2_server or Sep2ServerTable()
    _ensure_certificates(site, table)
    devices = sep2_devices(site)
    clients = _clients_of(site, table)
    ders = [
        _der(device, number, clients.get(device.name, device.lfdi or ""), positions)
        for number, device in enumerate(devices, 1)
    ]
    programs = [
        ProgramSetup(
            number=number,
            mrid=_mrid(f"{site.file.name}/{device.name}", table.pen),
            primacy=table.primacy,
            description=device.name[:32],
            devices=frozenset({device.lfdi or ""}),
            default=_default(f"{site.file.name}/{device.name}/default", table),
        )
        for number, device in enumerate(devices, 1)
    ]
    return DerServer(server_config(site, table), programs, ders, sink, clock)


def server_config(site: Site, table: Sep2ServerTable) -> Sep2ServerConfig:
    """Settings of the site's server."""
    pki = site.folder / table.pki
    rates = {name: table.poll_s for name in PollRates.model_fields if name != "post_rate"}
    return Sep2ServerConfig(
        host=table.host,
        port=table.port,
        certificate=pki / "server.crt",
        key=pki / "server.key",
        ca=pki / "ca.crt",
        database=site.data_folder / "sep2.sqlite",
        pin=table.pin,
        registration=table.registration,
        clients=_clients(site, table),
        poll_rates=PollRates(**rates, post_rate=table.post_s),
        notification=NotificationConfig(hosts=frozenset(table.notify_hosts)),
        # who polls must find what ended at least once
        linger_s=max(_LINGER_S, 2 * table.poll_s),
        retain_s=table.retain_s,
        pen=table.pen,
        sep_xsd=None if table.xsd is None else site.folder / table.xsd,
    )


def _ensure_certificates(site: Site, table: Sep2ServerTable) -> None:
    """At the first start a site without an authority gets one, and the server its certificate."""
    pki, now = site.folder / table.pki, dt.datetime.now(dt.UTC)
    if not (pki / "ca.crt").exists():
        ensure_authority(pki, now)
    hosts = dict.fromkeys((*_LOOPBACK, *([] if table.host in _ANY else [table.host])))
    ensure_device(pki, "server", now, tuple(hosts))


def _clients(site: Site, table: Sep2ServerTable) -> tuple[ClientConfig, ...]:
    proxied = {name for aggregator in table.aggregator for name in aggregator.devices}
    own = [
        ClientConfig(lfdi=device.lfdi or "", csip_aus=device.profile.sep2.csip_aus)
        for device in sep2_devices(site)
        if device.name not in proxied
    ]
    aggregators = [
        ClientConfig(
            lfdi=aggregator.lfdi,
            role="aggregator",
            devices=tuple(site.devices[name].lfdi or "" for name in aggregator.devices),
            csip_aus=any(site.devices[n].profile.sep2.csip_aus for n in aggregator.devices),
        )
        for aggregator in table.aggregator
    ]
    return (*own, *aggregators)


def _clients_of(site: Site, table: Sep2ServerTable) -> dict[str, str]:
    """Device to the LFDI of the aggregator it is reached through."""
    return {name: a.lfdi for a in table.aggregator for name in a.devices if name in site.devices}


def _default(text: str, table: Sep2ServerTable) -> DefaultDERControl:
    wanted: Sep2DefaultTable = table.default
    ramp, limit = wanted.ramp_pct_per_s, wanted.limit_pct
    return DefaultDERControl(
        mrid=_mrid(text, table.pen),
        der_control_base=DERControlBase(
            op_mod_max_lim_w=None if limit is None else round(100 * limit)
        ),
        set_grad_w=None if ramp is None else round(100 * ramp),
    )


def _der(device: Device, program: int, client: str, positions: Mapping[str, int]) -> Sep2Der:
    points = device.profile.points
    quirks = device.profile.sep2
    return Sep2Der(
        name=device.name,
        lfdi=device.lfdi or "",
        client=client,
        program=program,
        inputs=tuple(_input(device, p, positions) for p in points if not p.kind.is_output),
        outputs=tuple(_output(device, p, positions) for p in points if p.kind.is_output),
        pace=Pace(control_s=quirks.control_s, answer_s=device.timeout_s),
    )


def _input(device: Device, point: ProfilePoint, positions: Mapping[str, int]) -> DerInput:
    name = point.name or ""
    is_reading = point.resource == "Reading"
    inverted = is_reading and device.profile.sep2.readings == "load" and name in _DIRECTED
    return DerInput(
        position=positions[f"{device.name}.{point.point}"],
        resource=point.resource or "",
        name=name if is_reading else field_of(CLASSES[point.resource or ""], name),
        phase=point.phase,
        bit=point.bit,
        scale=-point.scale if inverted else point.scale,
        max_age_s=3 * device.periods_s[point.poll],
    )


def _output(device: Device, point: ProfilePoint, positions: Mapping[str, int]) -> DerOutput:
    mode, _, part = (point.name or "").partition(".")
    return DerOutput(
        point=f"{device.name}.{point.point}",
        position=positions[f"{device.name}.{point.point}"],
        mode=mode,
        part=part,
        initial=INITIAL.get((mode, part), INITIAL.get(("", part), 0.0)),
    )


def _mrid(text: str, pen: int) -> int:
    """An mRID that stays the same over restarts; its last eight digits are the enterprise's."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:12]) << 32 | pen
