"""Settings of DNP3 masters, frozen; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.links.dnp3.codec import MAX_ADDRESS

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=0, le=86_400 * 7, allow_inf_nan=False)]
Address = Annotated[int, Field(ge=0, le=MAX_ADDRESS)]
EventClass = Annotated[int, Field(ge=1, le=3)]
DataClass = Annotated[int, Field(ge=0, le=3)]
#: Period in s, and the classes read then; class 0 is every static value.
Scan = tuple[Seconds, tuple[DataClass, ...]]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsConfig(_Frozen):
    """How we show ourselves, and whom we take.

    Attributes:
        ca: certificates that the outstation's must come from.
        certificate: ours, PEM.
        key: its key, PEM without a password.
        server_name: name that the outstation's certificate must carry; the host by default.
    """

    ca: Path
    certificate: Path
    key: Path
    server_name: str = ""


class ChannelConfig(_Frozen):
    """One connection: a TCP or TLS peer or a serial line, with all outstations behind it.

    Attributes:
        name: how devices refer to it.
        transport: ``tcp``, ``tls`` (needs ``tls``) or ``serial``.
        host: peer, name or address.
        port: TCP port.
        tls: certificates.
        serial_port: device file of a serial line.
        baudrate: of a serial line, bit/s.
        parity: of a serial line.
        stopbits: of a serial line.
        master_address: our link address.
        connect_timeout_s: longest wait for a connection, TLS handshake included.
        reconnect_min_s: first reconnect delay, doubled and jittered up to ``reconnect_max_s``.
        reconnect_max_s: longest reconnect delay.
    """

    name: str = Field(min_length=1)
    transport: Literal["tcp", "tls", "serial"] = "tcp"
    host: str = ""
    port: int = Field(default=20000, ge=1, le=65535)
    tls: TlsConfig | None = None
    serial_port: str = ""
    baudrate: int = Field(default=9600, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    master_address: Address = 1
    connect_timeout_s: Seconds = 5.0
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 30.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.transport == "serial":
            if not self.serial_port:
                raise ValueError("transport serial needs serial_port")
        elif not self.host:
            raise ValueError(f"transport {self.transport} needs host")
        if (self.transport == "tls") != (self.tls is not None):
            raise ValueError("transport tls and the table tls go together")
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError("reconnect_max_s is below reconnect_min_s")
        return self

    @property
    def is_shared_line(self) -> bool:
        """True where one request at a time may be under way for all outstations together."""
        return self.transport == "serial"


class AssociationConfig(_Frozen):
    """One outstation behind a channel.

    Attributes:
        name: device name.
        channel: which connection.
        address: its link address.
        timeout_s: longest wait for an answer, or for the next fragment of one.
        time_sync: how its clock is set when it asks: ``lan`` (record current time), ``non-lan``
            (delay measurement) or ``none``.
        unsolicited: classes it shall report by itself.
        disable_unsolicited: whether start-up begins by switching reports off; only for
            outstations that cannot take that request is it false.
        integrity_s: period of integrity polls; 0 for at start, restart and loss only.
        scans: class polls.
        keepalive_s: silence after which the link is asked for its status.
        max_fragment: largest fragment taken, octets.
        timeouts_to_lost: time-outs in a row after which its points turn COMM_LOST.
        retry_min_s: first pause once lost, doubled and jittered up to ``retry_max_s``.
        retry_max_s: longest such pause.
        integrity_on_overflow: whether lost events are made up for by an integrity poll.
        max_pending_controls: controls that may wait; more are refused.
        control_wait_s: longest a control may wait for its turn; older ones are never sent.
    """

    name: str = Field(min_length=1)
    channel: str
    address: Address
    timeout_s: Seconds = 5.0
    time_sync: Literal["lan", "non-lan", "none"] = "lan"
    unsolicited: tuple[EventClass, ...] = (1, 2, 3)
    disable_unsolicited: bool = True
    integrity_s: Period = 3600.0
    scans: tuple[Scan, ...] = ((5.0, (1, 2, 3)),)
    keepalive_s: Seconds = 60.0
    max_fragment: int = Field(default=2048, ge=249, le=65_536)
    timeouts_to_lost: int = Field(default=2, ge=1, le=100)
    retry_min_s: Seconds = 2.0
    retry_max_s: Seconds = 60.0
    integrity_on_overflow: bool = True
    max_pending_controls: int = Field(default=16, ge=1, le=1024)
    control_wait_s: Seconds = 5.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError("retry_max_s is below retry_min_s")
        return self
