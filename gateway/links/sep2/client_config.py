"""Settings of the IEEE 2030.5 client, frozen; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.links.sep2.identity import pin_is_valid

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Cap = Annotated[int, Field(ge=1, le=1_000_000)]
Lfdi = Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EndDeviceConfig(_Frozen):
    """A group or DER of the site, as the utility sees it.

    Attributes:
        lfdi: its identity, 40 upper-case hexadecimal digits.
        category: deviceCategory, a bit map; None tells none, and follows every control.
        pin: what its Registration must say; None does not look.
    """

    lfdi: Lfdi
    category: int | None = Field(default=None, ge=0, le=0xFFFF_FFFF)
    pin: int | None = Field(default=None, ge=0, le=999_999)

    @field_validator("pin")
    @classmethod
    def _digits(cls, pin: int | None) -> int | None:
        if pin is not None and not pin_is_valid(pin):
            raise ValueError("the check digit of the PIN is wrong")
        return pin


class ClientLimits(_Frozen):
    """What a server may take of us; beyond it is refused and counted.

    Attributes:
        connect_timeout_s: longest wait for a connection, TLS included.
        request_timeout_s: longest a whole exchange may take, however slowly its body comes.
        max_body_bytes: largest body.
        max_redirects: of one request.
        retry_after_max_s: longest pause a server can ask for.
        page: entries asked for at once.
        end_devices: entries of EndDeviceList looked through.
        list_entries: of any other list.
        controls: followed of one program, those remembered included.
        responses: waiting to be posted; the oldest is dropped.
        responses_per_event: of one device; more are not made.
    """

    connect_timeout_s: Seconds = 10.0
    request_timeout_s: Seconds = 30.0
    max_body_bytes: int = Field(default=1_048_576, ge=4096, le=1_048_576)
    max_redirects: int = Field(default=3, ge=0, le=10)
    retry_after_max_s: Seconds = 3600.0
    page: int = Field(default=100, ge=1, le=1000)
    end_devices: Cap = 20_000
    list_entries: Cap = 1000
    controls: Cap = 1000
    responses: Cap = 10_000
    responses_per_event: Cap = 32


class NotificationListenerConfig(_Frozen):
    """Where the server's notifications are taken.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 lets the system choose.
        advertised: ``https://host[:port]`` as the server reaches us; made of the two by default.
        max_connections: at once.
        poll_factor: how much more slowly what is subscribed to is polled.
        renew_s: how often a subscription is made anew.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    advertised: str = ""
    max_connections: Cap = 16
    poll_factor: float = Field(default=4.0, ge=1, le=100, allow_inf_nan=False)
    renew_s: Seconds = 86_400.0


class Sep2ClientConfig(_Frozen):
    """The client.

    Attributes:
        url: the server's DeviceCapability: ``https://host[:port]/dcap``.
        certificate, key, ca: PEM files: ours, its key, and the server's roots.
        check_hostname: whether the server's certificate must carry its host's name; a device's
            often has its hardware module's name alone.
        check_certificate: whether it must keep 2030.5's rules for certificates.
        server_lfdi: LFDI it must have; empty takes any of ``ca``.
        registration: ``in-band``: EndDevices are made by POST; ``out-of-band``: they are waited
            for.
        devices: what is presented.
        state: SQLite file of what must outlive a restart.
        poll_min_s: shortest poll, whatever the server wishes.
        poll_default_s: where the server names no rate (the standard's default).
        post_default_s: status and readings, where the server names no rate.
        retry_min_s, retry_max_s: back-off of what failed, doubled from the one to the other.
        comm_loss_s: silence after which devices are no longer commanded by what may be outdated.
        run_known_events: whether events known at that time still run, each to its end, before the
            default control takes over. True is what CSIP asks for: on loss of communications a
            DER completes its scheduled events and then reverts to its default (CSIP 2.1).
            False drops them at once.
        listener: notifications; None only polls.
        limits: caps.
        pen: IANA enterprise number in mRIDs made here (their last eight digits).
    """

    url: str
    certificate: Path
    key: Path
    ca: Path
    check_hostname: bool = False
    check_certificate: bool = True
    server_lfdi: Lfdi | Literal[""] = ""
    registration: Literal["in-band", "out-of-band"] = "out-of-band"
    devices: tuple[EndDeviceConfig, ...] = Field(min_length=1)
    state: Path
    poll_min_s: Seconds = 5.0
    poll_default_s: Seconds = 900.0
    post_default_s: Seconds = 300.0
    retry_min_s: Seconds = 1.0
    retry_max_s: Seconds = 300.0
    comm_loss_s: Seconds = 3600.0
    run_known_events: bool = True
    listener: NotificationListenerConfig | None = None
    limits: ClientLimits = ClientLimits()
    pen: int = Field(default=0, ge=0, le=0xFFFF_FFFF)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("the url must be https://host[:port]/path")
        if parts.port == 0:
            raise ValueError("port 0 cannot be connected to")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [device.lfdi for device in self.devices]
        if len(names) != len(set(names)):
            raise ValueError("an LFDI is listed twice under devices")
        if self.retry_min_s > self.retry_max_s:
            raise ValueError("retry_min_s is more than retry_max_s")
        return self
