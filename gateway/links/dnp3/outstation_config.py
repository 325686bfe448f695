"""Settings of a DNP3 outstation and its masters, frozen; unknown keys are refused."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.links.dnp3.codec import DEFAULT_FRAGMENT, MAX_ADDRESS

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
LinkAddress = Annotated[int, Field(ge=0, le=MAX_ADDRESS)]
Deadband = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MasterConfig(_Frozen):
    """One master that may speak to the outstation; whoever is not listed may not.

    Attributes:
        name: how the audit trail calls it.
        address: its link address.
        hosts: where it may come from: addresses or networks.
        certificate_name: the one common name (CN) its certificate must have; needed with TLS.
        unsolicited: whether it may ask for unsolicited responses.
        deadbands: its own deadbands by point id, engineering units; others are the map's.
        time_sync_interval_s: how often it is asked for the time (IIN1.4); 0 never.
    """

    name: str = Field(min_length=1)
    address: LinkAddress = 1
    hosts: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1)
    certificate_name: str = ""
    unsolicited: bool = True
    deadbands: Mapping[str, Deadband] = Field(default_factory=dict)
    time_sync_interval_s: float = Field(default=0.0, ge=0, le=86400)


class UnsolicitedConfig(_Frozen):
    """How events are reported without being asked for.

    Attributes:
        hold_s: how long an event may wait for company.
        hold_count: events that end that wait.
        timeout_s: longest wait for a confirmation.
        retries: repetitions, octet for octet, before a pause.
        pause_min_s: first pause, doubled up to ``pause_max_s`` while nothing is confirmed.
        pause_max_s: longest pause.
    """

    hold_s: float = Field(default=0.1, ge=0, le=3600)
    hold_count: int = Field(default=100, ge=1, le=10_000)
    timeout_s: Seconds = 5.0
    retries: int = Field(default=3, ge=0, le=100)
    pause_min_s: Seconds = 10.0
    pause_max_s: Seconds = 120.0


class TlsConfig(_Frozen):
    """TLS with client certificates, nothing below 1.2.

    Attributes:
        certificate, key: our own, PEM.
        ca: whose certificates masters must show, PEM.
        handshake_timeout_s: longest handshake.
    """

    certificate: Path
    key: Path
    ca: Path
    handshake_timeout_s: Seconds = 5.0


class OutstationConfig(_Frozen):
    """One outstation.

    Attributes:
        host, port: where it listens; port 0 lets the system choose.
        address: its link address.
        masters: the allow-list.
        tls: where masters must show certificates.
        events_per_class: events held for each master and class; then the oldest give way.
        max_fragment: octets of one fragment, both ways.
        confirm_timeout_s: longest wait for the confirmation of a response.
        select_timeout_s: how long a selection stands.
        control_timeout_s: longest a control may take before its master gets an answer.
        max_controls: control objects of one request; with more, none is carried out.
        unsolicited: see there.
        allow_restart: whether cold and warm restart are answered; the gateway goes on, its
            sessions start again.
        restart_delay_ms: how long a master is told that takes.
        max_connections: connections at once, known or not yet.
        max_waiting: requests of a master that may wait behind a control.
        max_unsent: octets that a master may leave unread before it is cut off.
        first_word_s: how long a connection may stay without a valid frame.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=20000, ge=0, le=65535)
    address: LinkAddress = 1024
    masters: tuple[MasterConfig, ...] = Field(min_length=1)
    tls: TlsConfig | None = None
    events_per_class: int = Field(default=10_000, ge=10, le=1_000_000)
    max_fragment: int = Field(default=DEFAULT_FRAGMENT, ge=300, le=65535)
    confirm_timeout_s: Seconds = 5.0
    select_timeout_s: Seconds = 10.0
    control_timeout_s: Seconds = 10.0
    max_controls: int = Field(default=16, ge=1, le=255)
    unsolicited: UnsolicitedConfig = UnsolicitedConfig()
    allow_restart: bool = False
    restart_delay_ms: int = Field(default=1000, ge=0, le=65535)
    max_connections: int = Field(default=16, ge=1, le=1024)
    max_waiting: int = Field(default=8, ge=1, le=64)
    max_unsent: int = Field(default=262_144, ge=4096)
    first_word_s: Seconds = 30.0

    @model_validator(mode="after")
    def _masters_differ(self) -> Self:
        for of in ("address", "name"):
            seen = [getattr(master, of) for master in self.masters]
            if len(set(seen)) != len(seen):
                raise ValueError(f"two masters share a {of}")
        if any(master.address == self.address for master in self.masters):
            raise ValueError(f"a master has the outstation's own address {self.address}")
        if self.tls is not None:
            nameless = [master.name for master in self.masters if not master.certificate_name]
            if nameless:
                raise ValueError(f"with TLS, {nameless[0]} needs a certificate_name")
        return self
