"""How the field stands: positions, trips, flags and flows out of the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.apps.flisr.config import FlisrConfig, SwitchPoints
from gateway.apps.flisr.graph import Edges
from gateway.points.image import ProcessImage


@dataclass(frozen=True, slots=True)
class Field:
    """One look at the feeder; switches by number, in the config's order, POIs behind them.

    What stands for the whole feeder (``closed`` to ``locked_out``) is of switches alone.

    Attributes:
        closed: those that are closed.
        unknown: those whose position cannot be read.
        ready: those that can be told to move.
        tripped, locked_out: opened by their own protection; and for good.
        flags: phases that saw fault current.
        readable: those whose flags can be read.
        reverse: those that say the fault lies towards the substation.
        flows_va: P + jQ away from the substation, where measured.
        sags_v: voltage to neutral that the last sag left, where one was recorded.
        repaired: permits have been handed back.
        pois_closed, pois_unknown: POIs that are closed, or cannot be read.
        pois_tripped: those opened or locked out by their own relay.
        internal: POIs behind which the controller says there is a fault.
    """

    closed: Edges
    unknown: Edges
    ready: Edges
    tripped: Edges
    locked_out: Edges
    flags: Mapping[int, frozenset[int]] = field(default_factory=dict)
    readable: Edges = frozenset()
    reverse: Edges = frozenset()
    flows_va: Mapping[int, complex] = field(default_factory=dict)
    sags_v: Mapping[int, float] = field(default_factory=dict)
    repaired: bool = False
    pois_closed: Edges = frozenset()
    pois_unknown: Edges = frozenset()
    pois_tripped: Edges = frozenset()
    internal: Edges = frozenset()

    @property
    def calm(self) -> bool:
        """Whether every position is known and nothing has tripped."""
        return not (self.unknown or self.tripped or self.locked_out)

    @property
    def behind_pois(self) -> Edges:
        """POIs that say by themselves that a fault lies behind them: current into the microgrid."""
        told = self.pois_tripped | self.internal
        return frozenset(n for n in told if self.flags.get(n) and n not in self.reverse)


def look(config: FlisrConfig, image: ProcessImage) -> Field:
    """Read the image; what is not good is not there."""
    devices = tuple(enumerate(config.devices))
    count = len(config.switches)

    def those(point_of: str, first: int = 0, last: int = count) -> Edges:
        return frozenset(
            n
            for n, device in devices[first:last]
            if getattr(device, point_of) and image.good_value(getattr(device, point_of)) == 1.0
        )

    switches, pois = devices[:count], devices[count:]
    unknown = frozenset(n for n, s in devices if image.good_value(s.closed) is None)
    flows = {n: flow for n, s in switches if (flow := _flow(s, image)) is not None}
    return Field(
        closed=those("closed"),
        unknown=unknown & frozenset(n for n, _ in switches),
        ready=frozenset(n for n, s in switches if n not in unknown and _is_ready(config, s, image)),
        tripped=those("tripped"),
        locked_out=those("lockout")
        | {n for n in those("tripped") if not config.switches[n].lockout},
        flags={
            n: frozenset(phase for phase, point in s.flags if image.good_value(point) == 1.0)
            for n, s in devices
        },
        readable=frozenset(
            n
            for n, s in devices
            if s.flags and all(image.good_value(point) is not None for _, point in s.flags)
        ),
        reverse=those("reverse", 0, len(devices)),
        flows_va=flows,
        sags_v={n: v for n, s in switches if s.sag_v and (v := image.good_value(s.sag_v))},
        repaired=bool(config.repaired) and image.good_value(config.repaired) == 1.0,
        pois_closed=those("closed", count, len(devices)),
        pois_unknown=unknown & frozenset(n for n, _ in pois),
        pois_tripped=those("tripped", count, len(devices)) | those("lockout", count, len(devices)),
        internal=those("internal", count, len(devices)),
    )


def _is_ready(config: FlisrConfig, switch: SwitchPoints, image: ProcessImage) -> bool:
    """In remote, and it has an output; advice may be of any switch."""
    if not switch.command or (switch.local and image.good_value(switch.local) != 0.0):
        return False
    return switch.act or config.mode == "advise"


def _flow(switch: SwitchPoints, image: ProcessImage) -> complex | None:
    if not switch.power or not switch.reactive_power:
        return None
    power, reactive = (image.good_value(p) for p in (switch.power, switch.reactive_power))
    return None if power is None or reactive is None else complex(power, reactive)
