"""What a microgrid controller works on: POI relay, sources, loads, and what it agreed to keep."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PoiPoints:
    """Points of the relay at the point of interconnection.

    Attributes:
        closed, power, reactive_power: present state; export and injection positive.
        voltage_grid, hz_grid, voltage_bus, hz_bus: either side of the breaker, pu and Hz.
        angle: of the microgrid side ahead of the grid side, degrees.
        in_sync: the relay's own sync check.
        tripped: opened by protection and not reset.
        command: closes (1) and opens (0) the breaker.
        settings, settings_command: active protection settings group and how to ask for one.
    """

    closed: str
    power: str
    reactive_power: str
    voltage_grid: str
    hz_grid: str
    voltage_bus: str
    hz_bus: str
    angle: str
    in_sync: str
    tripped: str
    command: str
    settings: str
    settings_command: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A battery inverter that can form the grid, by its points, with what it holds.

    Attributes:
        energy_wh: usable energy between 0 and 100 % state of charge.
    """

    name: str
    power: str
    reactive_power: str
    soc: str
    running: str
    forming: str
    power_min: str
    power_max: str
    reactive_power_max: str
    rating: str
    power_set: str
    power_enable: str
    reactive_power_set: str
    reactive_power_enable: str
    form_command: str
    hz_set: str
    voltage_set: str
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Generator:
    """A dispatchable set, by its points.

    Attributes:
        cost_per_kwh: of its energy, in the currency of the prices.
        black_start: it may energise a dead bus.
    """

    name: str
    power: str
    ready: str
    running: str
    power_min: str
    power_max: str
    start_command: str
    power_set: str
    power_enable: str
    hz_set: str
    cost_per_kwh: float
    black_start: bool


@dataclass(frozen=True, slots=True)
class Renewable:
    """A source that gives what the sun or wind gives, unless limited in % of its rating."""

    name: str
    power: str
    rating: str
    limit_set: str
    limit_enable: str


@dataclass(frozen=True, slots=True)
class Member:
    """A group of DERs behind the POI that takes group functions: the DERMS backend.

    Attributes:
        group_id: of the group.
    """

    group_id: str


@dataclass(frozen=True, slots=True)
class Load:
    """A feeder of loads with a breaker.

    Attributes:
        priority: 1 is shed last.
        expected_w: what it draws where that was never measured.
    """

    name: str
    closed: str
    command: str
    power: str
    priority: int
    expected_w: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """The interconnection agreement at the POI, magnitudes.

    Attributes:
        export_w, import_w: most real power either way.
        reactive_power_var: most reactive power either way.
        apparent_power_va: rating of the POI.
        ramp_w_per_s: fastest change of real power at the POI by dispatch; 0 is free.
    """

    export_w: float
    import_w: float
    reactive_power_var: float
    apparent_power_va: float
    ramp_w_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncWindow:
    """What may differ between both sides when the POI closes (IEEE 1547; edition not verified)."""

    hz: float
    voltage_pu: float
    angle_deg: float


def sync_window(apparent_power_va: float) -> SyncWindow:
    """The window for a rating: up to 500 kVA, up to 1500 kVA, above."""
    if apparent_power_va <= 500e3:
        return SyncWindow(0.3, 0.10, 20.0)
    if apparent_power_va <= 1500e3:
        return SyncWindow(0.2, 0.05, 15.0)
    return SyncWindow(0.1, 0.03, 10.0)


@dataclass(frozen=True, slots=True)
class Reserve:
    """State of charge kept, %.

    Attributes:
        connected_pct: while the grid supplies, for the island to come.
        islanded_pct: below it loads are shed rather than the battery emptied.
        start_pct, stop_pct: generators run in an island from the one up to the other.
        full_pct: no more charging.
    """

    connected_pct: float = 40.0
    islanded_pct: float = 10.0
    start_pct: float = 30.0
    stop_pct: float = 60.0
    full_pct: float = 95.0


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a kWh where nobody tells others.

    Attributes:
        import_per_kwh, export_per_kwh: paid and earned at the POI.
        wear_per_kwh: of the battery, for each kWh through it.
        schedule: (from hour of the day UTC, price) of the tariff, rising; empty for one price.
    """

    import_per_kwh: float = 0.0
    export_per_kwh: float = 0.0
    wear_per_kwh: float = 0.02
    schedule: tuple[tuple[float, float], ...] = ()

    def at(self, utc_ms: int, otherwise: float) -> float:
        """Import price at a time by the tariff; ``otherwise`` where there is none."""
        hour = utc_ms / 3_600_000.0 % 24.0
        prices = [price for start, price in self.schedule if start <= hour]
        if not self.schedule:
            return otherwise
        return prices[-1] if prices else self.schedule[-1][1]


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of the transitions, seconds.

    Attributes:
        planned_s: within which a planned islanding opens or gives up.
        zero_s: POI power has to stay small so long before it opens.
        good_grid_s: the grid has to be good so long before a reconnection begins.
        wait_s: how long a request to reconnect stays good while the grid is not.
        sync_s: longest wait for the sync check.
        breaker_s: from close order to closed contact, at most.
        settle_s: between two steps that change load or sources.
        hold_s: how long a command claims its point.
    """

    planned_s: float = 25.0
    zero_s: float = 1.0
    good_grid_s: float = 30.0
    wait_s: float = 600.0
    sync_s: float = 120.0
    breaker_s: float = 0.5
    settle_s: float = 2.0
    hold_s: float = 15.0


@dataclass(frozen=True, slots=True)
class MicrogridConfig:
    """One microgrid.

    Attributes:
        own: role of a group function to the controller's own point that has it.
        loads: by priority, 1 first.
        act: it may command; else it only says what it would do.
        auto_black_start: a dead bus is energised without being asked.
        zero_share: POI power that counts as none, of the rating.
        hz: nominal frequency. voltage_v: nominal, line to line.
    """

    name: str
    own: dict[str, str]
    poi: PoiPoints
    storages: tuple[Storage, ...]
    generators: tuple[Generator, ...]
    renewables: tuple[Renewable, ...]
    loads: tuple[Load, ...]
    agreement: Agreement
    groups: tuple[Member, ...] = ()
    reserve: Reserve = field(default_factory=Reserve)
    prices: Prices = field(default_factory=Prices)
    pace: Pace = field(default_factory=Pace)
    act: bool = False
    auto_black_start: bool = False
    zero_share: float = 0.015
    hz: float = 60.0
    voltage_v: float = 480.0

    @property
    def window(self) -> SyncWindow:
        """What the sync check allows."""
        return sync_window(self.agreement.apparent_power_va)
