"""The composition root: a site's parts, built once, joined and run together."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from gateway.groups.backend import Asker
from gateway.groups.memory import MessageMemory
from gateway.groups.messages import GroupReply, GroupRequest
from gateway.groups.service import GroupService
from gateway.groups.settle import Settler
from gateway.groups.summary import function_of, reply_line, request_line
from gateway.history.audit import AuditTrail, MessageEntry
from gateway.links.cim.server import GroupServer, Route
from gateway.links.modbus.poller import ModbusPoller
from gateway.links.mqtt.broker import run_broker
from gateway.links.sunspec.client import SunSpecLink
from gateway.model.clock import Clock
from gateway.model.command import Priority
from gateway.model.errors import AuditError
from gateway.points.arbiter import Arbiter
from gateway.points.interlock import Interlock
from gateway.points.router import Actuator, Router
from gateway.points.store import PointStore
from gateway.site.awareness import awareness_factory, awareness_state, run_awareness
from gateway.site.cycle import ControlCycle
from gateway.site.dms import vvo_factory, vvo_state
from gateway.site.events import EventSink, event_source
from gateway.site.forecasting import SAMPLE_EVERY_S, GroupForecaster
from gateway.site.forecasts import SiteForecasts
from gateway.site.groups import (
    administer,
    follow_remote,
    point_groups,
    remote_groups,
)
from gateway.site.modbus import modbus_devices, poller_config, sunspec_devices
from gateway.site.northbound import group_server, modbus_server, mqtt_link
from gateway.site.optional_links import der_server, dnp3_master
from gateway.site.outlook import Outlook
from gateway.site.own_points import OwnPoints
from gateway.site.site import Site
from gateway.site.status import forecasts, status
from gateway.site.supervise import LinkState, keep_running
from gateway.site.worker import StepWorker

if TYPE_CHECKING:
    from gateway.apps.awareness.step import AwarenessState
    from gateway.apps.flisr.state import FlisrState
    from gateway.groups.backend import PointGroup
    from gateway.groups.remote import RemoteGroup
    from gateway.site.derms import DermsRole
    from gateway.site.dnp3_outstation import SiteOutstation
    from gateway.site.microgrid import MicrogridRole
    from gateway.site.sep2_client import SiteUtility

_HOUSEKEEPING_S = 0.25
_KEPT_MESSAGES = 200


class Gateway:
    """A running site.

    Args:
        site: what to run.
        clock: the time everything gets.

    Attributes:
        store, router, groups, poller, trail: the parts, for those that show or test them.
        links: supervised links by name.
        remote: groups that another box has, each with the client that reaches it.
        events, sink: events told to subscribers (None without any), and taken from other boxes.
        forecasts: of DERs, groups and load; None without a ``[dms]`` role.
        microgrid: the controller of a microgrid; None without that role.
        derms: holds what groups are asked; None without that role.
        cycle: the DMS's volt-VAR cycle; None without a ``[dms]`` role.
        flisr: its cycle of restoration; None where that is off.
        awareness: looks at the feeder; None without a model, or where it is off.
        messages: latest group messages, oldest first.

    Raises:
        ConfigError: the DMS's model or solver cannot be used.
        OSError: the data folder cannot be written.
    """

    def __init__(self, site: Site, clock: Clock) -> None:
        self.site = site
        self.clock = clock
        site.data_folder.mkdir(parents=True, exist_ok=True)
        self.trail = AuditTrail(site.data_folder / "audit.sqlite")
        self.store = PointStore([point.spec for point in site.points], clock)
        devices = modbus_devices(site, self.store.index)
        self.poller = ModbusPoller(poller_config(site), list(devices), self.store, clock)
        self.sunspec = SunSpecLink(self.poller, list(sunspec_devices(site)), self.store.index)
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self.dnp3 = dnp3_master(site, self.store, clock, self._rng)
        self.sep2 = der_server(site, self.store, clock)
        self.own = OwnPoints(site, self.store, clock)
        self.router = self._router()
        self.remote = list(remote_groups(site, clock))
        others = {group.group_id: group for group, _ in self.remote}
        self._local = point_groups(site, self.store, self.router, others)
        groups = self._local | others
        self._forecaster = GroupForecaster(self._local, by_member=site.file.derms is not None)
        settler = Settler(self.store, clock)
        https = site.file.https
        memory = MessageMemory() if https is None else MessageMemory(https.window_s)
        self.derms = self._derms_role(groups)
        runner = None if self.derms is None else self.derms.runner
        self.groups = GroupService(groups, settler, self._forecaster, clock, memory, runner)
        administrator = administer(site, self.groups, self._forecaster, self.store, self.router)
        self.sink = EventSink([group for group, _ in self.remote], self._record, clock)
        self.events = event_source(site, self.groups.groups, self._forecaster, self._rng, clock)
        if self.events is not None:
            administrator.listeners.append(self.events.changed)
        table = site.file.modbus_server
        self.modbus_server = (
            None if table is None else modbus_server(site, table, self.store, self.router, clock)
        )
        self.outstation = self._outstation()
        self.utility = self._utility()
        self.group_server = self._group_server()
        self.mqtt = (
            None
            if site.file.mqtt is None
            else mqtt_link(site, site.file.mqtt, self.store, self.router, clock)
        )
        self.messages: deque[MessageEntry] = deque(maxlen=_KEPT_MESSAGES)
        self.links: dict[str, LinkState] = {}
        self.forecasts = self._site_forecasts()
        self.microgrid = self._microgrid_role()
        self.cycle = self._control_cycle()
        self.flisr = self._flisr_cycle()
        self.awareness = self._awareness_cycle()

    async def run(self) -> None:
        """Run every part until cancelled; a bug in any part ends them all."""
        try:
            async with asyncio.TaskGroup() as parts:
                for name, run in self._supervised():
                    state = self.links.setdefault(name, LinkState(name))
                    parts.create_task(keep_running(state, run, self._rng), name=name)
                for name, run in self._parts():
                    parts.create_task(run(), name=name)
        finally:
            self.trail.close()
            if self.forecasts is not None:
                self.forecasts.scores.close()

    def _parts(self) -> Iterator[tuple[str, Callable[[], Coroutine[None, None, None]]]]:
        """What runs as long as the gateway does."""
        yield "modbus", self.poller.run
        yield "sunspec", self.sunspec.run
        if self.dnp3 is not None:
            yield "dnp3", self.dnp3.run
        if self.modbus_server is not None:
            yield "modbus server", self.modbus_server.run
        yield "aging", self._age
        yield "expiry", self._expire
        yield "schedules", self._start_due
        yield "group forecasts", self._sample
        if self.events is not None:
            yield "events", self.events.run
        if self.forecasts is not None:
            yield "forecasts", self.forecasts.run
        if self.utility is not None:
            yield "2030.5 schedule", self.utility.follow
        for group, client in self.remote:
            yield f"group {group.group_id}", partial(follow_remote, group, client)
        yield from self._applications()

    def _applications(self) -> Iterator[tuple[str, Callable[[], Coroutine[None, None, None]]]]:
        """The roles that decide."""
        if self.microgrid is not None:
            yield "microgrid", self.microgrid.run
        if self.derms is not None:
            yield "derms", self.derms.cycle.run
        if self.cycle is not None:
            yield "dms", self.cycle.run
        if self.flisr is not None:
            yield "flisr", self.flisr.run
        if self.awareness is not None and self.site.file.dms is not None:
            yield (
                "awareness",
                partial(run_awareness, self.awareness, self.site.file.dms.awareness.period_s),
            )

    def _supervised(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Links that end when their peer is lost, and are started again."""
        mqtt = self.site.file.mqtt
        if mqtt is not None and self.mqtt is not None:
            if mqtt.broker == "embedded":
                yield "mqtt broker", partial(run_broker, mqtt.host, mqtt.port)
            yield "mqtt", self.mqtt.run
        if self.group_server is not None:
            yield "https", self.group_server.run
        if self.outstation is not None:
            yield "dnp3 outstation", self.outstation.run
        if self.sep2 is not None:
            yield "2030.5 server", self.sep2.run
        if self.utility is not None:
            yield "2030.5 client", self.utility.run

    async def ask(
        self, request: GroupRequest, asker: Asker, *, peer: str, direction: str = "in"
    ) -> GroupReply:
        """Answer a group function and put both on record."""
        reply = await self.groups.handle(request, asker)
        entry = MessageEntry(
            time_ms=self.clock.utc_ms(),
            direction=direction,
            peer=peer,
            group_id=request.address.group_id,
            function=function_of(request),
            correlation=request.address.message_id,
            result=reply.result,
            summary=f"{request_line(request)} -> {reply_line(reply)}",
        )
        self._record(entry)
        return reply

    def _record(self, entry: MessageEntry) -> None:
        with contextlib.suppress(AuditError):  # the status says so; the asker gets its reply
            self.trail.message(entry)
        self.messages.append(entry)

    def _router(self) -> Router:
        rules = {p.spec.id: p.rule for p in self.site.points if p.rule is not None}
        links: dict[str, Actuator] = {
            "modbus": self.poller, "sunspec": self.sunspec, "own": self.own,
        }  # fmt: skip
        if self.dnp3 is not None:
            links["dnp3"] = self.dnp3
        if self.sep2 is not None:
            links["sep2"] = self.sep2
        actuators = {
            point.spec.id: links[point.device.profile.protocol]
            for point in self.site.points
            if point.rule is not None
        }
        return Router(self.store, Arbiter(), Interlock(rules), actuators, self.trail, self.clock)

    def _outstation(self) -> SiteOutstation | None:
        table = self.site.file.dnp3_outstation
        if table is None:
            return None

        async def ask(request: GroupRequest, asker: Asker, peer: str) -> GroupReply:
            return await self.ask(request, asker, peer=peer)

        from gateway.site.dnp3_outstation import site_outstation  # noqa: PLC0415 - the same

        groups = self._local
        return site_outstation(self.site, table, self.store, self.router, groups, ask, self.clock)

    def _utility(self) -> SiteUtility | None:
        table = self.site.file.sep2_client
        if table is None:
            return None

        async def ask(request: GroupRequest, asker: Asker, peer: str) -> GroupReply:
            return await self.ask(request, asker, peer=peer)

        from gateway.site.sep2_client import SiteUtility  # noqa: PLC0415 - the same

        return SiteUtility(self.site, table, self._local, ask, self.clock, self._rng)

    def _group_server(self) -> GroupServer | None:
        table = self.site.file.https
        if table is None:
            return None

        async def ask(request: GroupRequest, asker: Asker, peer: str) -> GroupReply:
            return await self.ask(request, asker, peer=peer)

        routes: dict[str, Route] = {
            "/status": lambda: status(self),
            "/forecasts": lambda: forecasts(self),
        }
        return group_server(self.site, table, ask, self.sink.take, routes, self.clock)

    def _control_cycle(self) -> ControlCycle[object] | None:
        dms = self.site.file.dms
        if dms is None or dms.vvo.mode == "off" or self.forecasts is None:
            return None
        worker, ask = StepWorker(vvo_factory(self.site, dms)), self._asking(f"{dms.id}:vvo")
        cycle: ControlCycle[object] = ControlCycle(
            dms.cycle_s, worker, vvo_state(dms), self.store, self.router, ask, self.clock
        )
        cycle.forecast = Outlook(self.forecasts, dms.vvo.ahead_steps, dms.vvo.ahead_step_s)
        cycle.held = self._switching
        return cycle

    def _microgrid_role(self) -> MicrogridRole | None:
        table = self.site.file.microgrid
        if table is None:
            return None
        from gateway.site.microgrid import MicrogridRole  # noqa: PLC0415 - a box without has none

        ask = self._asking(table.device)
        return MicrogridRole(self.site, table, self.own, self.store, self.router, ask, self.clock)

    def _derms_role(self, groups: Mapping[str, PointGroup | RemoteGroup]) -> DermsRole | None:
        table = self.site.file.derms
        if table is None:
            return None
        from gateway.site.derms import DermsRole  # noqa: PLC0415 - a box without has none

        async def ask(request: GroupRequest, asker: Asker) -> GroupReply:
            return await self.ask(request, asker, peer=asker.name, direction="out")

        return DermsRole(self.site, table, groups, self.store, self.router, ask, self.clock)

    def _awareness_cycle(self) -> ControlCycle[AwarenessState] | None:
        dms = self.site.file.dms
        if dms is None or dms.model is None or not dms.awareness.period_s:
            return None
        worker = StepWorker(awareness_factory(self.site, dms, dms.model))
        ask, state, period_s = self._asking(dms.id), awareness_state(), dms.awareness.period_s
        cycle = ControlCycle(period_s, worker, state, self.store, self.router, ask, self.clock)
        if (known := self.forecasts) is not None:
            cycle.forecast = lambda image: known.unread_w(image.taken_ms)
        return cycle

    def _site_forecasts(self) -> SiteForecasts | None:
        dms = self.site.file.dms
        if dms is None:
            return None
        ask = self._asking(f"{dms.id}:forecast")
        return SiteForecasts(self.site, dms, self.store, self.groups.groups, ask, self.clock)

    def _asking(
        self, name: str, rank: Priority = Priority.DMS_VVO
    ) -> Callable[[GroupRequest], Awaitable[GroupReply]]:
        """How an application of the DMS asks groups."""
        asker = Asker(name, rank)

        async def ask(request: GroupRequest) -> GroupReply:
            return await self.ask(request, asker, peer=asker.name, direction="out")

        return ask

    def _flisr_cycle(self) -> ControlCycle[FlisrState] | None:
        dms = self.site.file.dms
        if dms is None or dms.flisr.mode == "off":
            return None
        if "flisr" not in dms.model_fields_set and not self.site.has_switches:
            return None
        from gateway.apps.flisr.state import FlisrState  # noqa: PLC0415 - only a DMS box has it
        from gateway.site.flisr import (  # noqa: PLC0415 - the same
            STEP_LIMIT_S,
            flisr_factory,
            least_powers_w,
        )

        ask = self._asking(f"{dms.id}:flisr", Priority.PROTECTION_FLISR)
        worker = StepWorker(flisr_factory(self.site, dms))
        cycle: ControlCycle[FlisrState] = ControlCycle(
            dms.flisr.cycle_s, worker, FlisrState(), self.store, self.router, ask, self.clock
        )
        cycle.limit_s = STEP_LIMIT_S
        if (known := self.forecasts) is not None:
            cycle.forecast = partial(least_powers_w, known, dms.flisr.repair_s)
        return cycle

    def _switching(self) -> str:
        """Why volt-VAR optimisation is to keep still: the feeder is about to be another one."""
        if self.flisr is None or self.flisr.state.phase in ("normal", "restored", "advised"):
            return ""
        return f"restoration: {self.flisr.state.phase}"

    async def _age(self) -> None:
        """Turn what is stale COMM_LOST; never waits for anything else."""
        while True:
            self.store.age()
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _expire(self) -> None:
        """End claims that have expired; a scheduled step that waits for its device delays none."""
        while True:
            await self.router.expire()
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _start_due(self) -> None:
        """Start what is due."""
        while True:
            await self.groups.tick()
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _sample(self) -> None:
        while True:
            self._forecaster.sample()
            await asyncio.sleep(SAMPLE_EVERY_S)
