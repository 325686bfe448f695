"""The site file and its tables, as written by the engineer; frozen, unknown keys refused."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.profiles.profile import PointName, PollGroup
from gateway.profiles.validate import Strict
from gateway.site.derms_tables import DermsTable
from gateway.site.dnp3_tables import Dnp3OutstationTable
from gateway.site.https_tables import HttpsTable
from gateway.site.microgrid_tables import MicrogridTable
from gateway.site.names import Name, Port
from gateway.site.sep2_tables import Sep2ClientTable, Sep2ServerTable

Share = Annotated[float, Field(ge=0, le=1)]


class LinkTable(Strict):
    """``[links.NAME]``: how a set of devices is reached.

    ``modbus-tcp`` devices have an address each and share one slot scheduler; ``modbus-rtu`` is
    a serial line, ``modbus-rtu-tcp`` a terminal server's line. ``dnp3-tcp`` devices have an
    address each, and those that share one share a connection; ``dnp3-serial`` is a serial line.
    ``sep2`` devices come to the site's own 2030.5 server; each has its LFDI as address.
    ``own`` devices are this gateway's own: their points are held here, behind no wire.
    With ``ca``, ``certificate`` and ``key`` (paths from the site folder) DNP3 runs over TLS.
    """

    type: Literal[
        "modbus-tcp", "modbus-rtu", "modbus-rtu-tcp", "dnp3-tcp", "dnp3-serial", "sep2", "own"
    ]
    driver: Literal["native", "pymodbus"] = "native"
    slot_ms: Annotated[int, Field(ge=20, le=50)] = 25
    address: str | None = None
    serial_port: str | None = None
    baud: Annotated[int, Field(ge=300, le=1_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    master_address: Annotated[int, Field(ge=0, le=65519)] = 1
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    @property
    def protocol(self) -> str:
        """What its devices speak: ``modbus`` (with SunSpec), ``dnp3``, ``sep2`` or ``own``."""
        return self.type.partition("-")[0]

    @property
    def is_serial(self) -> bool:
        """Whether it is a serial line of this box."""
        return self.type in ("modbus-rtu", "dnp3-serial")

    @property
    def has_device_addresses(self) -> bool:
        """Whether each of its devices has a host and port of its own."""
        return self.type in ("modbus-tcp", "dnp3-tcp")

    @model_validator(mode="after")
    def _check(self) -> LinkTable:
        if self.is_serial and self.serial_port is None:
            raise ValueError(f"a {self.type} link needs serial_port")
        given = [self.ca, self.certificate, self.key]
        if any(given) and not (all(given) and self.type == "dnp3-tcp"):
            raise ValueError("TLS needs ca, certificate and key, on a dnp3-tcp link")
        if self.type == "modbus-rtu-tcp" and self.address is None:
            raise ValueError("a modbus-rtu-tcp link needs address = 'host:port'")
        return self


class GroupTable(Strict):
    """``[groups.NAME]``: a microgrid behind a controller's points, or members behind theirs.

    A ``remote`` group is another box's: ``url`` is its endpoint (``https://host:port/groups``),
    ``group`` its id there; ``ca``, ``certificate`` and ``key`` are what that box gave us, paths
    from the site folder. A member may be a group; a remote one needs ``[derms]``. Applications
    command it where ``act`` says so; ``islanding``: it can become an island.
    """

    backend: Literal["plc", "members", "remote"]
    device: Name | None = None
    members: tuple[Name, ...] = ()
    title: str = ""
    url: Annotated[str, Field(pattern=r"^https://[^/\s]+:\d{1,5}/groups$")] | None = None
    group: Name | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    poll_s: Annotated[float, Field(ge=0.2, le=3600)] = 2.0
    act: bool = False
    islanding: bool = False

    @model_validator(mode="after")
    def _check(self) -> GroupTable:
        if (self.backend == "plc") != (self.device is not None):
            raise ValueError("a plc group names its device, a members group does not")
        if (self.backend == "members") != bool(self.members):
            raise ValueError("a members group names its members, a plc group does not")
        needed = (self.url, self.group, self.ca, self.certificate, self.key)
        if self.backend == "remote" and not all(needed):
            raise ValueError("a remote group needs url, group, ca, certificate and key")
        if self.backend != "remote" and any(needed):
            raise ValueError("url, group, ca, certificate and key are for a remote group")
        return self


class VvoTable(Strict):
    """``[dms.vvo]``: bands, costs and pace of volt-VAR optimisation.

    The budgets are of each regulator and each capacitor, from local midnight. Operations are
    weighed over ``ahead_steps`` once a day of history is there to forecast from.
    """

    mode: Literal["off", "advise", "act"] = "advise"
    objective: Literal["losses", "power", "flatness"] = "losses"
    voltage_min_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 0.95
    voltage_max_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 1.05
    margin_pu: Annotated[float, Field(ge=0, le=0.04)] = 0.008
    tap_cost_kw: Annotated[float, Field(ge=0)] = 2.0
    capacitor_cost_kw: Annotated[float, Field(ge=0)] = 5.0
    set_point_cost_kw: Annotated[float, Field(ge=0)] = 0.2
    max_taps_per_cycle: Annotated[int, Field(ge=1, le=32)] = 4
    max_solves: Annotated[int, Field(ge=10, le=1_000_000)] = 4000
    status_every_s: Annotated[float, Field(ge=0.2, le=3600)] = 4.0
    ask_again_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    hold_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    group_by: Literal["q", "pf", "curve"] = "q"
    taps_per_day: Annotated[int, Field(ge=0)] | None = None
    switchings_per_day: Annotated[int, Field(ge=0)] | None = None
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] = 0.0
    hunting_turns: Annotated[int, Field(ge=1, le=100)] = 4
    hunting_window_s: Annotated[float, Field(ge=1, le=86_400)] = 1800.0
    hunting_rest_s: Annotated[float, Field(ge=1, le=86_400)] = 3600.0
    ahead_steps: Literal[0, 4, 5, 6, 7, 8] = 4
    ahead_step_s: Annotated[float, Field(ge=60, le=3600)] = 900.0


class FeederHead(Strict):
    """``[[dms.flisr.source]]``: what a source of the feeder model may carry."""

    name: str
    capacity_kw: Annotated[float, Field(gt=0)]


class FlisrTable(Strict):
    """``[dms.flisr]``: fault location, isolation and service restoration.

    Attributes:
        mode: a site that binds no switches has none of it.
        cycle_s: how often it looks.
        settle_s: after a lockout, how long indicators may take to arrive before it decides.
        follow_s: how long a switch may take to show what it was told.
        dwell_s: what was closed must hold so long before the next step.
        reconnect_s: how long a microgrid may take to synchronise.
        machines: devices and groups that drive fault current as rotating machines do.
        cold_load_factor: load of what was out, against before, when it comes back.
        repair_s: how long a repair is taken to last, for the forecasts restoration rests on.
        repaired: a binary input that says permits have been handed back: the way back to normal.
        source: capacities of feeder heads; one not named is taken for strong enough.
    """

    mode: Literal["off", "advise", "act"] = "advise"
    cycle_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    settle_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    follow_s: Annotated[float, Field(ge=0.5, le=600)] = 10.0
    dwell_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    reconnect_s: Annotated[float, Field(ge=1, le=3600)] = 120.0
    hold_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    machines: tuple[str, ...] = ()
    voltage_min_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 0.90
    cold_load_factor: Annotated[float, Field(ge=1, le=5)] = 1.5
    repair_s: Annotated[float, Field(ge=0, le=172_800)] = 7200.0
    repaired: str | None = None
    source: tuple[FeederHead, ...] = ()


class ForecastTable(Strict):
    """``[dms.forecast]``: forecasts of DERs, groups and the feeder's load.

    Attributes:
        latitude_deg, longitude_deg: north and east positive; without them no clear sky is reckoned.
        tilt_deg, azimuth_deg: of the PV planes: 0 is flat, clockwise from north.
        irradiance: what points of role ``irradiance`` measure: in the PV's plane, or global
            horizontal.
        spacing_s: between samples.
        horizon_s: the longest horizon that is scored.
        ask_groups_every_s: how often groups are asked for their own forecast; 0 for never.
    """

    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    tilt_deg: Annotated[float, Field(ge=0, le=90)] = 0.0
    azimuth_deg: Annotated[float, Field(ge=0, lt=360)] = 180.0
    irradiance: Literal["plane", "horizontal"] = "plane"
    spacing_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    horizon_s: Annotated[float, Field(ge=300, le=86_400)] = 14_400.0
    ask_groups_every_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0

    @model_validator(mode="after")
    def _check(self) -> ForecastTable:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("a place needs latitude_deg and longitude_deg")
        return self


class AwarenessTable(Strict):
    """``[dms.awareness]``: what the feeder is like now; needs a model.

    The band is that of ``[dms.vvo]``.

    Attributes:
        period_s: how often it looks; 0 for never.
        headroom_buses: most buses whose headroom is kept up, and how many a cycle.
        headroom_per_cycle: of those.
    """

    period_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    headroom_buses: Annotated[int, Field(ge=0, le=1000)] = 40
    headroom_per_cycle: Annotated[int, Field(ge=1, le=100)] = 4


class DmsTable(Strict):
    """``[dms]``: the DMS role. ``model`` is a ``.dss`` master, relative to the site folder.

    Without a model VVO learns what its controls do, and only mends voltages.

    ``head`` names the model's elements whose flow the head meters measure.
    """

    id: str = "dms"
    model: str | None = None
    head: tuple[str, ...] = ("Vsource.source",)
    exclude_buses: tuple[str, ...] = ("sourcebus",)
    cycle_s: Annotated[float, Field(ge=0.2, le=3600)] = 2.0
    vvo: VvoTable = VvoTable()
    flisr: FlisrTable = FlisrTable()
    forecast: ForecastTable = ForecastTable()
    awareness: AwarenessTable = AwarenessTable()


class MqttTable(Strict):
    """``[mqtt]``: ``broker`` is ``embedded`` or ``mqtt://host:port`` or ``mqtts://host:port``.

    ``host`` and ``port`` are where the embedded broker listens. Paths are relative to the site
    folder; the password stands in a file of its own.
    """

    broker: Annotated[str, Field(pattern=r"^(embedded|mqtts?://[^:/@]+:\d{1,5})$")] = "embedded"
    host: str = "127.0.0.1"
    port: Port = 1883
    topic: str = "tieline"
    period_s: Annotated[float, Field(ge=0.1, le=3600)] = 1.0
    username: str | None = None
    password_file: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    commands: bool = False
    rank: Literal["utility", "operator"] = "utility"
    hold_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0


class ModbusServerTable(Strict):
    """``[modbus_server]``: points as a register map for a northbound master.

    ``rank`` says whose word a write is at the arbiter; it claims its point for ``hold_s``.
    """

    rank: Literal["utility", "operator"] = "utility"
    hold_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0

    host: str = "127.0.0.1"
    port: Port
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    map: str = "maps/modbus.csv"
    allow: tuple[str, ...] = ("127.0.0.1",)
    bad_quality: Literal["exception", "sentinel"] = "exception"


class SiteFile(Strict):
    """``site.toml``.

    Attributes:
        profiles: folders searched for device profiles before the shipped ones.
        data: where the running gateway keeps its audit trail and keys, relative to the site.
        poll: overrides of profiles' poll periods, by poll group.
    """

    name: Name
    title: str = ""
    data: str = "data"
    profiles: tuple[str, ...] = ()
    links: dict[Name, LinkTable]
    poll: dict[str, PollGroup] = Field(default_factory=dict)
    groups: dict[Name, GroupTable] = Field(default_factory=dict)
    dms: DmsTable | None = None
    derms: DermsTable | None = None
    microgrid: MicrogridTable | None = None
    https: HttpsTable | None = None
    mqtt: MqttTable | None = None
    modbus_server: ModbusServerTable | None = None
    dnp3_outstation: Dnp3OutstationTable | None = None
    sep2_server: Sep2ServerTable | None = None
    sep2_client: Sep2ClientTable | None = None

    def leaves(self, group: str, devices: Container[str]) -> tuple[str, ...]:
        """Names behind a group: devices (who go first), and groups of other boxes."""
        table = self.groups[group]
        if table.backend != "members":
            return () if table.device is None else (table.device,)
        names: dict[str, None] = {}
        for member in table.members:
            inner = self.groups.get(member)
            if inner is None or member in devices or inner.backend == "remote":
                names[member] = None
            else:
                names |= dict.fromkeys(self.leaves(member, devices))
        return tuple(names)


class DeviceRow(Strict):
    """A row of ``devices.csv``.

    ``address`` is ``host:port`` on a modbus-tcp or dnp3-tcp link, the LFDI on a sep2 link;
    ``unit`` is the Modbus unit or the DNP3 address; ``time_sync`` overrides how a DNP3
    outstation's clock is set.
    """

    device: PointName
    profile: str
    link: Name
    address: str | None = None
    unit: Annotated[int, Field(ge=0, le=65519)] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] | None = None
    time_sync: Literal["lan", "non-lan", "none"] | None = None
    description: str = ""


class OverrideRow(Strict):
    """A row of ``points.csv``: what this site sets otherwise than the profile.

    ``omit`` leaves out a point that this device does not have.
    """

    point: str
    omit: bool = False
    act: bool | None = None
    minimum: float | None = Field(None, alias="min")
    maximum: float | None = Field(None, alias="max")
    deadband: Annotated[float, Field(ge=0)] | None = None
    max_age_s: Annotated[float, Field(gt=0)] | None = None
    rate_per_min: Annotated[int, Field(ge=0)] | None = None
    event_class: Annotated[int, Field(ge=0, le=3)] | None = None
    requires: str | None = None


class ModbusMapRow(Strict):
    """A row of ``maps/modbus.csv``: one point in the northbound register map."""

    point: str
    table: Literal["holding", "input", "coil", "discrete"]
    register_: Annotated[int, Field(ge=0, le=65535)] = Field(alias="register")
    type: str | None = None
    scale: float = 1.0
    offset: float = 0.0


class NetworkRow(Strict):
    """A row of ``maps/network.csv``: which point measures or commands which element.

    ``role`` and ``element`` name something of the feeder model; ``source`` is the point that
    measures it (a device for ``der`` and ``switch``, a group for ``group``), ``command`` the point
    that sets it. ``curtail`` lets VVO limit the real power of a DER or group where nothing else
    mends a voltage. ``irradiance`` is a point in W/m2, for the DER or group whose element or id is
    ``element``, or for all others with ``site``.
    """

    role: Literal[
        "regulator", "capacitor", "switch", "voltage", "head_p", "head_q", "der", "group",
        "irradiance",
    ]  # fmt: skip
    element: str
    source: str
    command: str | None = None
    curtail: bool = False
