"""A feeder of switches in virtual time: commands move them, faults trip what feeds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.apps.decision import Decision
from gateway.apps.flisr.build import SwitchSpec, build_graph
from gateway.apps.flisr.config import FlisrConfig, GroupBinding, SwitchPoints
from gateway.apps.flisr.graph import Graph, feed, path
from gateway.apps.flisr.state import FlisrState
from gateway.apps.flisr.step import Flisr
from gateway.grid.dss_engine import DssEngine
from gateway.groups.messages import (
    ConnectRequest,
    GroupReply,
    GroupRequest,
    IslandAction,
    IslandRequest,
    Present,
    Quantity,
    Result,
)
from gateway.model.command import Command
from gateway.model.quality import Quality
from gateway.points.image import ProcessImage

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("sw1", "sw2", "sw3", "sw4", "sw5", "sw6", "sw7", "sw8", "sw250", "sw450")
OPEN = ("sw7", "sw8", "sw250", "sw450")
#: Inside the microgrid, where no bus of the feeder is.
INSIDE = "mg"
POI = SwitchPoints(
    name="mg",
    branch="",
    closed="mg.closed",
    command="",
    act=True,
    tripped="mg.tripped",
    lockout="mg.lockout",
    flags=tuple((p, f"mg.fault_{p}") for p in (1, 2, 3)),
    reverse="mg.reverse",
    reset="mg.reset",
    internal="mg.internal",
)
MICROGRID = "new generator.mg bus1=76.1.2.3 phases=3 kv=4.16 kw=0 kvar=0 model=1"


def switch(name: str, *, act: bool = True) -> SwitchPoints:
    breaker = name in ("sw1", "sw250", "sw450")
    return SwitchPoints(
        name=name,
        branch=f"line.{name}",
        closed=f"{name}.closed",
        command=f"{name}.cmd",
        act=act,
        local=f"{name}.local",
        tripped=f"{name}.tripped" if breaker else "",
        lockout=f"{name}.lockout" if breaker else "",
        flags=tuple((p, f"{name}.fault_{p}") for p in (1, 2, 3)),
        reverse=f"{name}.reverse",
        reset=f"{name}.reset",
    )


@dataclass
class Rig:
    """FLISR on the 123-node model, and a field that answers it.

    Attributes:
        fault: bus of a permanent fault, or INSIDE; "" for none.
        relay: of the POI: it opens faster than the feeder's protection, or never by itself.
        deaf: switches that do not move.
        lost: points that cannot be read.
        sent: every command, in order; asked: every message but status.
        onto_fault: closings that put voltage on the fault.
    """

    mode: str = "act"
    no_act: tuple[str, ...] = ()
    fault: str = ""
    relay: bool = False
    deaf: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    values: dict[str, float] = field(default_factory=dict)
    sent: list[Command] = field(default_factory=list)
    asked: list[GroupRequest] = field(default_factory=list)
    onto_fault: int = 0
    now_ms: int = 1_000_000
    connected: bool = True
    state: FlisrState = field(default_factory=FlisrState)
    decision: Decision[FlisrState] | None = None
    replies: list[GroupReply] = field(default_factory=list)

    def __post_init__(self) -> None:
        model = DssEngine(ROOT / "hil" / "feeders" / "ieee123_ties.dss", changes=(MICROGRID,))
        for regulator in model.regulators:
            model.set_tap(regulator, 0)
        self.config = FlisrConfig(
            switches=tuple(switch(n, act=n not in self.no_act) for n in NAMES),
            groups=(GroupBinding("mg", "mg", can_island=True, poi=POI),),
            capacities_w=(("alt250", 1500e3), ("alt450", 1500e3)),
            mode="advise" if self.mode == "advise" else "act",
            settle_s=2.0,
            cold_load_factor=1.0,
            repaired="repaired",
        )
        self.app = Flisr(self.config, model)
        specs = [SwitchSpec(n, f"line.{n}", n not in OPEN) for n in NAMES]
        self.graph: Graph = build_graph(model.network, specs, {})
        for name in NAMES:
            self.values |= {f"{name}.closed": float(name not in OPEN), f"{name}.local": 0.0}
            for point in ("tripped", "lockout", "reverse", *(f"fault_{p}" for p in (1, 2, 3))):
                self.values[f"{name}.{point}"] = 0.0
        for point in ("tripped", "lockout", "internal", "reverse", "fault_1", "fault_2", "fault_3"):
            self.values[f"mg.{point}"] = 0.0
        self.values |= {"mg.closed": 1.0, "repaired": 0.0}

    @property
    def closed(self) -> set[str]:
        return {n for n in NAMES if self.values[f"{n}.closed"]}

    def edges(self) -> frozenset[int]:
        return frozenset(n for n, name in enumerate(NAMES) if name in self.closed)

    def zone(self, bus: str) -> int:
        return next(n for n, zone in enumerate(self.graph.zones) if bus in zone.buses)

    def run(self, seconds: float, step_ms: int = 500) -> None:
        """Let time pass: one cycle each half second, commands followed at once."""
        for _ in range(round(1000 * seconds / step_ms)):
            self.now_ms += step_ms
            self.burn()
            replies, self.replies = tuple(self.replies), []
            self.decision = self.app.step(self.image(), replies, self.state, self.now_ms)
            self.state = self.decision.state
            for command in self.decision.commands:
                self.operate(command)
            for message in self.decision.messages:
                self.answer(message)

    def burn(self) -> None:
        """A fault under voltage sets indicators, and trips the breaker of whatever feeds it."""
        fed = feed(self.graph, self.edges())
        inside = self.fault == INSIDE
        self.values["mg.closed"] = float(self.connected)
        if not self.fault or fed is None or (inside and not self.connected):
            return
        zone = self.zone("76" if inside else self.fault)
        if zone not in fed.order:
            return
        if inside:
            self.values |= {f"mg.fault_{phase}": 1.0 for phase in (1, 2, 3)} | {"mg.internal": 1.0}
            if self.relay:
                self.connected = False
                self.values |= {"mg.closed": 0.0, "mg.tripped": 1.0, "mg.lockout": 1.0}
                return
        source = self.graph.sources[fed.source[fed.order.index(zone)]]
        for edge in path(self.graph, self.edges(), source.zone, zone) or ():
            for phase in (1, 2, 3):
                self.values[f"{NAMES[edge]}.fault_{phase}"] = 1.0
        breaker = {"source": "sw1", "alt250": "sw250", "alt450": "sw450"}[source.name]
        self.values |= {
            f"{breaker}.closed": 0.0,
            f"{breaker}.tripped": 1.0,
            f"{breaker}.lockout": 1.0,
        }
        if self.sent:
            self.onto_fault += 1

    def operate(self, command: Command) -> None:
        self.sent.append(command)
        name, _, point = command.point.partition(".")
        if name in self.deaf:
            return
        if point == "reset":
            assert name in (*NAMES, "mg")
            self.values |= {f"{name}.fault_{p}": 0.0 for p in (1, 2, 3)}
        else:
            self.values |= {
                f"{name}.closed": command.value,
                f"{name}.tripped": 0.0,
                f"{name}.lockout": 0.0,
            }

    def answer(self, message: GroupRequest) -> None:
        if isinstance(message, IslandRequest) and "mg" not in self.deaf:
            self.connected = message.action is IslandAction.RECONNECT
        if isinstance(message, IslandRequest | ConnectRequest):
            self.asked.append(message)
        present = [(Quantity.CONNECTED, float(self.connected)), (Quantity.ACTIVE_POWER, 0.0)]
        self.replies.append(
            GroupReply(
                message_id=f"r{len(self.replies)}-{self.now_ms}",
                correlation_id=message.address.message_id,
                dms_id="dms",
                group_id="mg",
                time_ms=self.now_ms,
                result=Result.OK,
                present=tuple(
                    Present(quantity=q, value=v, good=True, time_ms=self.now_ms) for q, v in present
                ),
            )
        )

    def mend(self) -> None:
        """The crew is done, and the microgrid's relay has been reset."""
        self.fault = ""
        self.values |= {"repaired": 1.0, "mg.internal": 0.0, "mg.tripped": 0.0, "mg.lockout": 0.0}

    def image(self) -> ProcessImage:
        index = {point: n for n, point in enumerate(self.values)}
        online, lost = int(Quality.ONLINE), int(Quality.ONLINE | Quality.COMM_LOST)
        flags = np.array([lost if p in self.lost else online for p in index], dtype=np.uint8)
        times = np.full(len(index), self.now_ms, dtype=np.int64)
        return ProcessImage(index, np.array(list(self.values.values())), flags, times, self.now_ms)

    def orders(self) -> list[str]:
        """Switching sent so far: ``open sw2``."""
        moves = [c for c in self.sent if c.point.endswith(".cmd")]
        return [f"{'close' if c.value else 'open'} {c.point.partition('.')[0]}" for c in moves]
