"""Device profiles: what a kind of device has, and where it keeps it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.model.command import CommandMode
from gateway.model.point import PointKind
from gateway.profiles.validate import Strict

PointName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

#: What a point of a DER or a group is for; group functions and VVO ask by these names.
#: ``*_enable`` switches the set point of the same stem on. Values in pct are of the rating.
DerRole = Literal[
    "p", "q", "s", "v", "hz", "pf", "soc", "state", "connected",
    "p_now_min", "p_now_max", "q_now_min", "q_now_max",
    "p_rated_min", "p_rated_max", "q_rated_min", "q_rated_max", "s_rated",
    "p_charge_rated", "q_absorb_rated", "p_setting",
    "limit", "limit_import", "limit_enable", "p_set", "p_enable", "q_set", "q_enable",
    "pf_set", "pf_enable", "pf_excitation",
    "curve_enable", "curve_v_ref", "curve_points", "curve_reference", "curve_y_unit",
    "curve_response",
    "curve_request", "curve_result",
    "curve_v1", "curve_q1", "curve_v2", "curve_q2", "curve_v3", "curve_q3", "curve_v4", "curve_q4",
    "connect", "disconnect", "islanded", "island_mode", "reconnect", "result",
    "held_p", "held_q", "held_limit", "black_start", "price", "price_enable",
    "ramp", "ramp_up", "ramp_down", "v_set", "v_deadband", "v_droop", "v_enable",
    "vw_enable", "vw_points", "vw_response",
    "vw_v1", "vw_p1", "vw_v2", "vw_p2", "vw_v3", "vw_p3", "vw_v4", "vw_p4",
    "fw_enable", "fw_points", "fw_response",
    "fw_f1", "fw_p1", "fw_f2", "fw_p2", "fw_f3", "fw_p3", "fw_f4", "fw_p4",
]  # fmt: skip


#: Where a 2030.5 point comes from: readings of a mirrored meter, the DER's resources, controls.
Sep2Resource = Literal[
    "Reading", "DERStatus", "DERCapability", "DERSettings", "DERAvailability", "DERControl"
]


class ProfilePoint(Strict):
    """One point of a device: what it is and its address in the device's protocol.

    ``minimum``/``maximum`` are engineering limits; ``scale`` and ``offset`` turn a raw Modbus
    value into engineering units (``raw * scale + offset``). A Modbus point has ``table``,
    ``register`` and ``type``; a SunSpec point ``model`` and ``name``; a DNP3 point ``index``
    within its kind, and as an output ``type`` (``int16``, ``int32``, ``float32``, ``float64``
    for AO; ``latch``, ``pulse`` or ``trip-close`` for BO), ``mode`` and ``feedback``: the point
    that must follow within the profile's ``feedback_s``. A 2030.5 point has ``resource`` and
    ``name`` as the standard has them: of a reading its unit (and ``phase``), of a control its mode
    and the part of it (``opModFixedVar.value``); ``bit`` picks one of a bit map.
    """

    point: PointName
    kind: PointKind
    unit: str = "1"
    table: Literal["holding", "input", "coil", "discrete"] | None = None
    register_: Annotated[int, Field(ge=0, le=65535)] | None = Field(None, alias="register")
    type: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    model: Annotated[int, Field(ge=1, le=65535)] | None = None
    name: str | None = None
    index: Annotated[int, Field(ge=0, le=65535)] | None = None
    resource: Sep2Resource | None = None
    bit: Annotated[int, Field(ge=0, le=31)] | None = None
    phase: str = ""
    mode: CommandMode | None = None
    feedback: PointName | None = None
    minimum: float | None = Field(None, alias="min")
    maximum: float | None = Field(None, alias="max")
    deadband: Annotated[float, Field(ge=0)] = 0.0
    poll: str = "fast"
    description: str = ""

    @model_validator(mode="after")
    def _check(self) -> ProfilePoint:
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("min is above max")
        return self


class PollGroup(Strict):
    """How often a group of points is read; with DNP3, how often which classes are asked for."""

    period_s: Annotated[float, Field(ge=0.05, le=86_400)]
    classes: tuple[Literal[0, 1, 2, 3], ...] = ()


class ModbusQuirks(Strict):
    """What a kind of device wants of Modbus; a site may override unit and time-out."""

    unit: Annotated[int, Field(ge=0, le=255)] = 1
    max_registers: Annotated[int, Field(ge=1, le=125)] = 125
    max_gap: Annotated[int, Field(ge=0, le=124)] = 8
    word_order: Literal["big", "little"] = "big"
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    base_address: Annotated[int, Field(ge=0, le=65535)] | None = None


class Dnp3Quirks(Strict):
    """What a kind of DNP3 outstation wants; a site may override address and time-out.

    Attributes:
        address: link address of the outstation.
        mode: how outputs are commanded unless a point says otherwise.
        time_sync: how its clock is set when it asks: ``lan``, ``non-lan`` or never.
        unsolicited: classes it may report unasked; empty leaves it to polls.
        integrity_s: period of a full read; 0 reads at start, restart and loss only.
        feedback_s: how long a point's ``feedback`` may take to follow.
        pulse_ms: on-time of a pulse or trip/close control.
        edition: edition of the DER profile whose indices these are; empty for none.
    """

    address: Annotated[int, Field(ge=0, le=65519)] = 1024
    mode: CommandMode = CommandMode.SELECT_BEFORE_OPERATE
    time_sync: Literal["lan", "non-lan", "none"] = "lan"
    unsolicited: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    integrity_s: Annotated[float, Field(ge=0, le=604_800)] = 3600.0
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    feedback_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    pulse_ms: Annotated[int, Field(ge=0, le=60_000)] = 100
    edition: Literal["", "AN2018-001", "IEEE 1815.2-2025"] = ""


class Sep2Quirks(Strict):
    """What a kind of 2030.5 client wants.

    Attributes:
        control_s: how long a control holds unless it is renewed; how long a DER goes on by itself.
        answer_s: how long it may take to say that it follows a control: with polling at least
            its poll rate.
        readings: how its mirrored W and var are signed: ``generation`` positive where the DER
            delivers, or ``load`` positive where it takes (CSIP-AUS).
        csip_aus: whether it understands the CSIP-AUS elements.
    """

    control_s: Annotated[int, Field(ge=10, le=604_800)] = 900
    answer_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    readings: Literal["generation", "load"] = "generation"
    csip_aus: bool = False


class DeviceProfile(Strict):
    """A kind of device.

    Attributes:
        protocol: how its points are reached; ``own`` points are the gateway's, behind no link.
        der: DER role to point name, where the device is a DER or a microgrid controller.
        presets: role to the points (and values) written before that role's point is written.
        local: point that is 1 while the device is in local mode; the interlock asks it.
        locals_: the same for single outputs: output point to its local-mode point.
    """

    name: str
    title: str
    protocol: Literal["modbus", "sunspec", "dnp3", "sep2", "own"]
    source: str
    modbus: ModbusQuirks = ModbusQuirks()
    dnp3: Dnp3Quirks = Dnp3Quirks()
    sep2: Sep2Quirks = Sep2Quirks()
    poll: dict[str, PollGroup]
    der: dict[DerRole, PointName] = Field(default_factory=dict)
    presets: dict[DerRole, dict[PointName, float]] = Field(default_factory=dict)
    local: PointName | None = None
    locals_: dict[PointName, PointName] = Field(default_factory=dict, alias="locals")
    points: tuple[ProfilePoint, ...] = ()

    def point(self, name: str) -> ProfilePoint | None:
        """The point of that name, or None."""
        return next((point for point in self.points if point.point == name), None)

    @property
    def unit(self) -> int:
        """Address on the line unless the site says otherwise: Modbus unit or DNP3 address."""
        return self.dnp3.address if self.protocol == "dnp3" else self.modbus.unit

    @property
    def timeout_s(self) -> float:
        """Longest wait for an answer unless the site says otherwise."""
        if self.protocol == "sep2":
            return self.sep2.answer_s
        return self.dnp3.timeout_s if self.protocol == "dnp3" else self.modbus.timeout_s

    def local_of(self, output: str) -> str | None:
        """The point that is 1 while this output is in local mode, or None."""
        return self.locals_.get(output, self.local)
