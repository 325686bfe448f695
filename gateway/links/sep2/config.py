"""Settings of the IEEE 2030.5 server, frozen; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
PollRate = Annotated[int, Field(ge=1, le=86_400)]
Cap = Annotated[int, Field(ge=1, le=1_000_000)]
Lfdi = Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
#: Five digits and the check digit that makes their sum a multiple of 10.
Pin = Annotated[int, Field(ge=0, le=999_999)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClientConfig(_Frozen):
    """A client that may connect.

    Attributes:
        lfdi: of its certificate, 40 upper-case hexadecimal digits.
        role: ``device`` has one EndDevice, its own; ``aggregator`` acts for others too.
        devices: LFDIs an aggregator acts for; empty lets it register any that is nobody else's.
        pin: its registration PIN; the server's by default.
        csip_aus: whether it is sent CSIP-AUS elements, which some clients cannot read.
    """

    lfdi: Lfdi
    role: Literal["device", "aggregator"] = "device"
    devices: tuple[Lfdi, ...] = ()
    pin: Pin | None = None
    csip_aus: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.role == "device" and self.devices:
            raise ValueError("devices are an aggregator's; this client is a device")
        return self


class PollRates(_Frozen):
    """How often clients should ask, s (pollRate of each resource that has one)."""

    device_capability: PollRate = 900
    time: PollRate = 900
    self_device: PollRate = 900
    end_device_list: PollRate = 900
    registration: PollRate = 900
    function_set_assignments_list: PollRate = 900
    der_program_list: PollRate = 900
    der_list: PollRate = 900
    mirror_usage_point_list: PollRate = 900
    usage_point_list: PollRate = 900
    subscription_list: PollRate = 900
    log_event_list: PollRate = 900
    post_rate: PollRate = 300


class TransportLimits(_Frozen):
    """What a connection may take of us.

    Attributes:
        max_connections: at once, of all clients; more are closed after their handshake.
        max_connections_per_client: of them, those of one LFDI.
        max_handshakes: TLS handshakes at once; the oldest gives way to a new one.
        handshake_timeout_s: longest TLS handshake.
        idle_timeout_s: longest silence between two requests.
        head_timeout_s: longest a request head may take from its first byte, and longest a client
            may leave an answer unread.
        body_timeout_s: longest a whole body may take.
        max_body_bytes: largest body of POST and PUT.
        requests_per_s: sustained requests of one LFDI; more get 429.
        burst: requests one LFDI may make at once.
    """

    max_connections: Cap = 2048
    max_connections_per_client: Cap = 16
    max_handshakes: Cap = 64
    handshake_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 1000.0
    head_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 10.0
    max_body_bytes: int = Field(default=65_536, ge=1024, le=16 * 1024 * 1024)
    requests_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100.0
    burst: Cap = 1000


class StorageLimits(_Frozen):
    """What is kept of a client; beyond it the new is refused or the oldest dropped, and counted.

    Attributes:
        end_devices: of all clients together; more are refused.
        mirror_usage_points: of one EndDevice; more are refused.
        meter_readings: of one MirrorUsagePoint; more are refused.
        reading_sets: kept of one meter reading; the oldest is dropped.
        readings: kept of one meter reading outside sets, and in one set; the oldest is dropped.
        responses: kept of one EndDevice; the oldest is dropped.
        log_events: kept of one EndDevice; the oldest is dropped.
        subscriptions: of one EndDevice; more are refused.
        controls: of one program, ended ones that are still kept included; more are refused.
        curves: of one program; more are refused.
    """

    end_devices: Cap = 20_000
    mirror_usage_points: Cap = 8
    meter_readings: Cap = 24
    reading_sets: Cap = 4
    readings: Cap = 32
    responses: Cap = 1000
    log_events: Cap = 256
    subscriptions: Cap = 32
    controls: Cap = 1000
    curves: Cap = 200


class NotificationConfig(_Frozen):
    """How changes reach subscribers.

    Attributes:
        hosts: hosts that a notificationURI may name beside the subscriber's own address.
        queue: notifications waiting for one subscriber; the oldest is dropped.
        timeout_s: longest wait for a subscriber's answer.
        retry_min_s: first pause after a failure, doubled up to ``retry_max_s``.
        retry_max_s: longest such pause.
        dead_after_s: failing that long ends a subscription.
        max_open: requests to subscribers at once.
    """

    hosts: frozenset[str] = frozenset()
    queue: Cap = 16
    timeout_s: Seconds = 10.0
    retry_min_s: Seconds = 1.0
    retry_max_s: Seconds = 300.0
    dead_after_s: Seconds = 86_400.0
    max_open: Cap = 64


class Sep2ServerConfig(_Frozen):
    """The server.

    Attributes:
        host: address to listen on; loopback unless said otherwise.
        port: TCP port; 0 lets the system choose.
        certificate, key, ca: PEM files: ours, its key, and the clients' roots.
        database: SQLite file that holds the state.
        pin: registration PIN where a client has none of its own.
        registration: ``closed``: EndDevices are those of ``clients``, made at the start;
            ``in-band``: a client makes them by POST to /edev.
        accept_unknown: with ``in-band``: clients that are not listed, but whose certificate is of
            ``ca`` and keeps the rules, may register themselves too.
        clients: who may connect.
        poll_rates: pollRate of each resource.
        transport, storage, notification: limits.
        linger_s: how long clients are shown controls that ended: one whose clock is behind would
            take a control that is gone at its very end for cancelled.
        retain_s: how long ended controls are kept, so that late responses still find them.
        time_quality: quality of /tm as in the standard's TimeResource.
        pen: IANA enterprise number in mRIDs made here (their last eight digits).
        sep_xsd: the genuine schema, where the operator has one.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=11111, ge=0, le=65_535)
    certificate: Path
    key: Path
    ca: Path
    database: Path
    pin: Pin = 111_115
    registration: Literal["closed", "in-band"] = "closed"
    accept_unknown: bool = False
    clients: tuple[ClientConfig, ...] = ()
    poll_rates: PollRates = PollRates()
    transport: TransportLimits = TransportLimits()
    storage: StorageLimits = StorageLimits()
    notification: NotificationConfig = NotificationConfig()
    linger_s: int = Field(default=300, ge=0, le=86_400)
    retain_s: float = Field(default=86_400.0, ge=0, le=31 * 86_400, allow_inf_nan=False)
    time_quality: int = Field(default=7, ge=3, le=7)
    pen: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    sep_xsd: Path | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.accept_unknown and self.registration == "closed":
            raise ValueError("accept_unknown needs registration in-band")
        names = [client.lfdi for client in self.clients]
        if len(names) != len(set(names)):
            raise ValueError("an LFDI is listed twice under clients")
        assigned = [lfdi for client in self.clients for lfdi in client.devices]
        if len(assigned) != len(set(assigned)):
            raise ValueError("a device is assigned to two aggregators")
        return self
