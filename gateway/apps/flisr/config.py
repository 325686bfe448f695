"""What restoration works on: the feeder's switches, sources and groups, bound to points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SwitchPoints:
    """A switch and its points; an id is empty where the device has no such point.

    Attributes:
        name: how people call it.
        branch: its line in the feeder model.
        closed, command: its position, and what moves it.
        act: whether it may be moved.
        local: it is in local while this is 1.
        tripped, lockout: opened by its own protection; and for good, which a trip is without it.
        flags: (phase, point) of fault current seen.
        reverse: the fault seen lies towards the substation.
        reset: clears the flags.
        fault_a, fault_ohm: what the relay recorded of the last fault.
        sag_v: voltage to neutral that the last sag left on the lowest phase; 0 before any.
        power, reactive_power: flow before the fault, positive away from the substation.
        internal: a microgrid's controller says that a fault lies inside; of a POI only.
    """

    name: str
    branch: str
    closed: str
    command: str
    act: bool
    local: str = ""
    tripped: str = ""
    lockout: str = ""
    flags: tuple[tuple[int, str], ...] = ()
    reverse: str = ""
    reset: str = ""
    fault_a: str = ""
    fault_ohm: str = ""
    sag_v: str = ""
    power: str = ""
    reactive_power: str = ""
    internal: str = ""


@dataclass(frozen=True, slots=True)
class GroupBinding:
    """A microgrid or DER group by the model's element at its point of interconnection.

    Attributes:
        poi: what the controller shows of the POI's breaker and relay, flags as seen from the
            feeder; None where it shows nothing, and faults behind it are not told apart.
    """

    group_id: str
    element: str
    can_island: bool
    act: bool = True
    poi: SwitchPoints | None = None


@dataclass(frozen=True, slots=True)
class FlisrConfig:
    """Bindings, limits and pace.

    Attributes:
        ders: (element of the model, point with its power) of DERs that are in no bound group.
        machines: elements that drive fault current as rotating machines do.
        regulators, capacitors: (element, point with its position).
        capacities_w: (source of the model, real power it may give).
        settle_s: how long indicators may take to arrive after a lockout.
        follow_s: how long a switch or a group may take to follow.
        dwell_s: what is closed must hold so long before the next step.
        reconnect_s: how long a microgrid may take to synchronise.
        hold_s: how long a command claims its point.
        status_every_s: how often groups are asked how they stand.
        cold_load_factor: load of what was out when voltage comes back, against before.
        repaired: a binary input that says permits have been handed back; empty for none.
    """

    switches: tuple[SwitchPoints, ...]
    groups: tuple[GroupBinding, ...] = ()
    ders: tuple[tuple[str, str], ...] = ()
    machines: tuple[str, ...] = ()
    regulators: tuple[tuple[str, str], ...] = ()
    capacitors: tuple[tuple[str, str], ...] = ()
    capacities_w: tuple[tuple[str, float], ...] = ()
    dms_id: str = "dms"
    mode: Literal["advise", "act"] = "advise"
    settle_s: float = 5.0
    follow_s: float = 10.0
    dwell_s: float = 1.0
    reconnect_s: float = 120.0
    hold_s: float = 60.0
    status_every_s: float = 5.0
    voltage_min_pu: float = 0.90
    voltage_max_pu: float = 1.10
    cold_load_factor: float = 1.5
    repaired: str = ""

    @property
    def pois(self) -> tuple[GroupBinding, ...]:
        """Groups whose POI is known; the edges of these follow those of the switches."""
        return tuple(group for group in self.groups if group.poi is not None and group.can_island)

    @property
    def devices(self) -> tuple[SwitchPoints, ...]:
        """Switches, then POIs: by the number of their edge."""
        return (*self.switches, *(group.poi for group in self.pois if group.poi is not None))
