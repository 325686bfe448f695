"""Settings of Modbus links, frozen; unknown keys are refused."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.links.modbus.codec import (
    MAX_READ_BITS,
    MAX_READ_REGISTERS,
    MAX_WRITE_REGISTERS,
    Table,
)
from gateway.links.modbus.plan import ReadLimits

Port = Annotated[int, Field(ge=1, le=65535)]
Unit = Annotated[int, Field(ge=0, le=255)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Address = Annotated[int, Field(ge=0, le=65535)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EndpointConfig(_Frozen):
    """One connection: a TCP peer or a serial line, with all units behind it.

    Attributes:
        name: how devices refer to it.
        transport: ``tcp``, ``rtu`` (serial) or ``rtu-over-tcp``.
        driver: ``native`` (TCP only) or ``pymodbus``; RTU always runs on pymodbus.
        host: TCP peer, name or address.
        port: TCP port.
        serial_port: device file of a serial line.
        baudrate: of a serial line, bit/s.
        parity: of a serial line; the RTU specification's default is even.
        stopbits: of a serial line.
        timeout_s: longest wait for an answer.
        connect_timeout_s: longest wait for a connection.
        pipeline: requests in flight at once; above 1 only for devices known to pipeline.
        max_pending_writes: writes that may wait; more are refused.
        max_pending_reads: reads asked for outside the poll that may wait; more are refused.
        write_wait_s: longest a write may wait in the queue; older ones are never sent.
        reconnect_min_s: first reconnect delay, doubled and jittered up to ``reconnect_max_s``.
        reconnect_max_s: longest reconnect delay.
        unit_backoff_min_s: first pause after a unit was silent, doubled and jittered.
        unit_backoff_max_s: longest such pause.
        timeouts_to_reconnect: time-outs in a row, with no answer from any unit between, after
            which the connection itself is taken for dead.
        quiet_s: RTU only: silence kept after a time-out, so that a late answer, which RTU
            cannot tell from another, is over before the next request. Default ``timeout_s``.
    """

    name: str = Field(min_length=1)
    transport: Literal["tcp", "rtu", "rtu-over-tcp"] = "tcp"
    driver: Literal["native", "pymodbus"] = "native"
    host: str = ""
    port: Port = 502
    serial_port: str = ""
    baudrate: int = Field(default=19200, ge=300, le=4_000_000)
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1
    timeout_s: Seconds = 1.0
    connect_timeout_s: Seconds = 3.0
    pipeline: int = Field(default=1, ge=1, le=16)
    max_pending_writes: int = Field(default=64, ge=1, le=1024)
    max_pending_reads: int = Field(default=64, ge=1, le=1024)
    write_wait_s: Seconds = 5.0
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 30.0
    unit_backoff_min_s: Seconds = 2.0
    unit_backoff_max_s: Seconds = 60.0
    timeouts_to_reconnect: int = Field(default=3, ge=1, le=100)
    quiet_s: Seconds | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.transport == "rtu":
            if not self.serial_port:
                raise ValueError("transport rtu needs serial_port")
        elif not self.host:
            raise ValueError(f"transport {self.transport} needs host")
        if self.pipeline > 1 and (self.transport != "tcp" or self.driver != "native"):
            raise ValueError("pipeline above 1 needs transport tcp and driver native")
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError("reconnect_max_s is below reconnect_min_s")
        if self.unit_backoff_max_s < self.unit_backoff_min_s:
            raise ValueError("unit_backoff_max_s is below unit_backoff_min_s")
        return self

    @property
    def is_rtu(self) -> bool:
        """True where frames carry no transaction id."""
        return self.transport != "tcp"

    @property
    def quiet_after_timeout_s(self) -> float:
        """Silence kept after a time-out, s; 0 where transaction ids tell answers apart."""
        if not self.is_rtu:
            return 0.0
        return self.timeout_s if self.quiet_s is None else self.quiet_s


class ForbiddenSpan(_Frozen):
    """Addresses a read must not touch, both ends included."""

    table: Table
    first: Address
    last: Address


class DeviceConfig(_Frozen):
    """One unit behind an endpoint, and its quirks.

    Attributes:
        name: device name.
        endpoint: which connection.
        unit: unit id.
        max_registers: most registers a read.
        max_write_registers: most registers a write.
        max_bits: most bits a read.
        max_gap: most unneeded addresses read along between two needs.
        forbidden: addresses a read must not touch.
        single_register_function: function for a write of one register. 6 by default, which
            every PLC has; SunSpec devices need 16, the one function SunSpec requires.
        single_coil_function: function for a write of one coil, 5 or 15.
    """

    name: str = Field(min_length=1)
    endpoint: str
    unit: Unit = 1
    max_registers: int = Field(default=MAX_READ_REGISTERS, ge=1, le=MAX_READ_REGISTERS)
    max_write_registers: int = Field(default=MAX_WRITE_REGISTERS, ge=1, le=MAX_WRITE_REGISTERS)
    max_bits: int = Field(default=MAX_READ_BITS, ge=1, le=MAX_READ_BITS)
    max_gap: int = Field(default=16, ge=0, le=MAX_READ_BITS)
    forbidden: tuple[ForbiddenSpan, ...] = ()
    single_register_function: Literal[6, 16] = 6
    single_coil_function: Literal[5, 15] = 5

    @property
    def limits(self) -> ReadLimits:
        """What :func:`~gateway.links.modbus.plan.coalesce` needs to know."""
        forbidden = tuple((span.table, span.first, span.last) for span in self.forbidden)
        return ReadLimits(self.max_registers, self.max_bits, self.max_gap, forbidden)


class PollerConfig(_Frozen):
    """The slot scheduler and its connections.

    Attributes:
        slot_ms: length of a slot. Answers are decoded once a slot.
        blocks_per_slot: how full a slot gets before the next one of the same period is opened.
            A wake-up costs as much as dozens of requests, so few full slots beat many thin ones.
        connects_per_slot: most connections begun a slot, so a start or a lost switch does not
            open them all at once.
        endpoints: every connection.
    """

    slot_ms: int = Field(default=50, ge=10, le=100)
    blocks_per_slot: int = Field(default=100, ge=1, le=10_000)
    connects_per_slot: int = Field(default=50, ge=1, le=1000)
    endpoints: tuple[EndpointConfig, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) != len(names):
            raise ValueError("two endpoints share a name")
        return self


class ServerConfig(_Frozen):
    """The northbound server.

    Attributes:
        host: address to listen on; loopback unless said otherwise.
        port: TCP port; 0 lets the system choose.
        allow: networks that may connect; nobody else may.
        units: unit ids answered; empty answers every unit.
        max_connections: connections at once; more are closed at once.
        idle_timeout_s: a connection silent for so long is closed.
        write_timeout_s: a client that does not take its answer in so long is closed.
        bad_quality: what a read of a point without good quality gets: ``exception`` (code 4
            for the whole read) or ``sentinel`` (SunSpec's "not implemented" value, where its
            type has one; exception 4 otherwise).
        gaps: what unmapped addresses between mapped ones get: ``refuse`` (exception 2) or
            ``zero``.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=502, ge=0, le=65535)
    allow: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("127.0.0.0/8"),)
    units: frozenset[Unit] = frozenset()
    max_connections: int = Field(default=16, ge=1, le=1024)
    idle_timeout_s: Seconds = 120.0
    write_timeout_s: Seconds = 5.0
    bad_quality: Literal["exception", "sentinel"] = "exception"
    gaps: Literal["refuse", "zero"] = "refuse"
