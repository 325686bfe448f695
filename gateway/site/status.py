"""What a running gateway says of itself: one JSON object, for the live table and reports."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from gateway.model.quality import Quality

if TYPE_CHECKING:
    from gateway.site.gateway import Gateway


def status(gateway: Gateway) -> dict[str, Any]:
    """Points, the DMS's last cycle, group messages, commands and links, as of now.

    ``points`` maps an id to ``[value or null, IEEE 1815 flag octet, source time in UTC ms]``;
    a value that is not a number is null.
    """
    store = gateway.store
    outstations = {} if gateway.dnp3 is None else gateway.dnp3.states
    measurements = {point: store[point] for point in store.index}
    lost = sum(bool(m.quality & Quality.COMM_LOST) for m in measurements.values())
    return {
        "site": gateway.site.file.name,
        "time_ms": gateway.clock.utc_ms(),
        "points": {
            point: [m.value if math.isfinite(m.value) else None, int(m.quality), m.time_ms]
            for point, m in measurements.items()
        },
        "comm_lost_points": lost,
        "commands_sent": gateway.trail.commands_sent(),
        "audit_fault": gateway.trail.fault,
        "messages": [dataclasses.asdict(entry) for entry in gateway.messages],
        "vvo": _cycle(gateway),
        "flisr": _outage(gateway),
        "awareness": _awareness(gateway),
        "microgrid": _microgrid(gateway),
        "derms": None if gateway.derms is None else gateway.derms.report(),
        "remote_groups": {
            group.group_id: {
                "fault": group.fault,
                "fresh": group.is_fresh,
                "event": group.last_event,
            }
            for group, _ in gateway.remote
        },
        "subscribers": {} if gateway.events is None else gateway.events.states,
        "events": {"taken": gateway.sink.taken, "repeated": gateway.sink.repeated},
        "supervised": {name: dataclasses.asdict(link) for name, link in gateway.links.items()},
        "dnp3": {name: dataclasses.asdict(state) for name, state in outstations.items()},
        "dnp3_masters": _masters(gateway),
        "sep2": _ders(gateway),
        "sep2_utility": _utility(gateway),
        "links": {
            name: dataclasses.asdict(line) for name, line in gateway.poller.statistics.lines.items()
        },
    }


async def forecasts(gateway: Gateway) -> dict[str, Any]:
    """Forecasts of DERs, groups and load, with scores; empty without a ``[dms]`` role."""
    return {} if gateway.forecasts is None else await gateway.forecasts.report()


def _masters(gateway: Gateway) -> list[dict[str, Any]]:
    """Each master of each outstation: connected from where, events held and lost, controls."""
    if gateway.outstation is None:
        return []
    shown = {gateway.site.file.name: gateway.outstation.outstation}
    shown |= {name: own for name, (_, own) in gateway.outstation.ders.items()}
    return [
        {"outstation": name, **dataclasses.asdict(state)}
        for name, outstation in shown.items()
        for state in outstation.masters()
    ]


def _ders(gateway: Gateway) -> dict[str, Any]:
    """Each 2030.5 DER: heard when, what it was ordered, how it answered."""
    if gateway.sep2 is None:
        return {}
    return {
        name: dataclasses.asdict(state) | {"orders": [dataclasses.asdict(o) for o in state.orders]}
        for name, state in gateway.sep2.states.items()
    }


def _utility(gateway: Gateway) -> dict[str, Any]:
    """Each group as the utility's 2030.5 EndDevice: registered where, told what, answered how."""
    if gateway.utility is None:
        return {}
    return {name: dataclasses.asdict(s) for name, s in gateway.utility.states.items()}


def _outage(gateway: Gateway) -> dict[str, Any] | None:
    if gateway.flisr is None:
        return None
    from gateway.site.flisr import flisr_status  # noqa: PLC0415 - only a DMS box has it

    record = gateway.flisr.record
    alarms = [alarm.text for alarm in record.alarms.values()]
    return flisr_status(gateway.flisr.state, alarms, record.notes) | {"fault": record.fault}


def _awareness(gateway: Gateway) -> dict[str, Any] | None:
    """The last look at the feeder; its report is null before the first."""
    if gateway.awareness is None:
        return None
    record, report = gateway.awareness.record, gateway.awareness.state.report
    return {
        "fault": record.fault,
        "alarms": [alarm.text for alarm in record.alarms.values()],
        "report": None if report is None else dataclasses.asdict(report),
    }


def _microgrid(gateway: Gateway) -> dict[str, Any] | None:
    """Where the microgrid controller stands, what it did last and why."""
    if gateway.microgrid is None:
        return None
    cycle = gateway.microgrid.cycle
    record = cycle.record
    return {
        "fault": record.fault,
        "cycles": record.cycles,
        "late": record.late,
        "notes": record.notes,
        "alarms": [alarm.text for alarm in record.alarms.values()],
        "transitions": [
            [entry.at_ms, entry.before.name, entry.after.name, entry.rule]
            for entry in cycle.state.record
        ],
        "results": [
            [r.command.point, r.command.value, r.status.name, r.detail] for r in record.results
        ],
    }


def _cycle(gateway: Gateway) -> dict[str, Any] | None:
    if gateway.cycle is None:
        return None
    record = gateway.cycle.record
    return {
        "cycles": record.cycles,
        "late": record.late,
        "fault": record.fault,
        "notes": record.notes,
        "alarms": [alarm.text for alarm in record.alarms.values()],
        "advice": [[command.point, command.value] for command in record.advice],
        "results": [
            [r.command.point, r.command.value, r.status.name, r.detail] for r in record.results
        ],
    }
