"""Sending one group function from the command line, and watching what it does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from gateway.commands.common import fail, site_or_exit
from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    ConnectRequest,
    Direction,
    DispatchRequest,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    Quantity,
    Result,
    StatusRequest,
)
from gateway.groups.summary import function_of, reply_line, request_line
from gateway.links.cim.client import GroupClient
from gateway.links.cim.server import PATH
from gateway.links.cim.tls import client_context
from gateway.model.der import Range
from gateway.model.errors import ConfigError, TielineError
from gateway.site.clock import SystemClock
from gateway.site.pki import pki_paths

_WATCHED = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.CONNECTED)
_WATCH_S, _LOOK_EVERY_S = 6.0, 0.5
#: Share of the nameplate within which a set point counts as reached.
_NEAR = 0.05


@dataclass(frozen=True, slots=True)
class Caller:
    """Which site is asked, with which certificate, and whether to show the documents."""

    site: Path
    name: str
    xml: bool

    def client(self) -> GroupClient:
        """A client of the site; ends the command where there cannot be one."""
        site = site_or_exit(self.site)
        https = site.file.https
        if https is None:
            fail(f"{self.site}/site.toml:1:1: no [https]. What to do: add it, with a port")
        folder = site.data_folder / https.pki
        try:
            paths = pki_paths(folder, [self.name])
            own = paths.clients[self.name]
            context = client_context(own.certificate, own.key, paths.ca.certificate)
        except ConfigError as error:
            fail(str(error))
        host = "127.0.0.1" if https.host in ("0.0.0.0", "::") else https.host  # noqa: S104
        place = f"[{host}]" if ":" in host else host
        return GroupClient(f"https://{place}:{https.port}{PATH}", context)

    def address(self, group: str) -> Address:
        """The address of a new message."""
        return Address(
            message_id=f"cli-{uuid.uuid4().hex[:16]}",
            dms_id=self.name,
            group_id=group,
            time_ms=SystemClock().utc_ms(),
        )


def ask(caller: Caller, group: str, make: Callable[[Address], GroupRequest]) -> None:
    """Send one request, show what came of it; exit 1 where nothing did."""
    try:
        result = asyncio.run(_exchange(caller, group, make))
    except TielineError as error:
        fail(f"{error}. What to do: is the gateway running? tieline run {caller.site}")
    if result is Result.FAILED:
        raise typer.Exit(1)


async def _exchange(caller: Caller, group: str, make: Callable[[Address], GroupRequest]) -> Result:
    request = make(caller.address(group))
    sets = not isinstance(request, StatusRequest | CapabilityRequest | ForecastRequest)
    async with caller.client() as client:
        before = await client.send(_look(caller, group)) if sets else None
        exchange = await client.exchange(request)
        if caller.xml:
            typer.echo(exchange.request_xml.decode())
            typer.echo(exchange.reply_xml.decode())
        console = Console(highlight=False, markup=False, soft_wrap=True)
        console.print(f"{function_of(request)} {group}: {request_line(request)}")
        console.print(reply_line(exchange.reply))
        for line in _details(exchange.reply):
            console.print(line)
        if before is not None and exchange.reply.result is not Result.FAILED:
            after = await _watch(client, caller, exchange.request, exchange.reply)
            for line in _effect(before, after):
                console.print(line)
    return exchange.reply.result


def _look(caller: Caller, group: str) -> StatusRequest:
    return StatusRequest(address=caller.address(group), quantities=_WATCHED)


async def _watch(
    client: GroupClient, caller: Caller, request: GroupRequest, reply: GroupReply
) -> GroupReply:
    """The status once the request shows in it, or after ``_WATCH_S``."""
    for _ in range(round(_WATCH_S / _LOOK_EVERY_S)):
        await asyncio.sleep(_LOOK_EVERY_S)
        after = await client.send(_look(caller, reply.group_id))
        if _reached(request, reply, after):
            break
    return after


def _reached(request: GroupRequest, reply: GroupReply, after: GroupReply) -> bool:
    values = {entry.quantity: entry.value for entry in after.present if entry.good}
    plates = [entry.nameplate.maximum for entry in after.ranges if entry.nameplate is not None]
    near = _NEAR * max(plates, default=0.0)
    held = reply.held[0].held if reply.held else None
    match request:
        case DispatchRequest(quantity=quantity) if held is not None:
            value = values.get(quantity)
            return value is not None and abs(value - held) <= near
        case LimitRequest(direction=direction) if held is not None:
            power = values.get(Quantity.ACTIVE_POWER)
            sign = 1 if direction is Direction.EXPORT else -1
            return power is not None and sign * power <= held + near
        case ConnectRequest(connect=wanted):
            return values.get(Quantity.CONNECTED) == float(wanted)
        case IslandRequest(action=action):
            wanted = action is IslandAction.RECONNECT
            return values.get(Quantity.CONNECTED) == float(wanted)
        case _:
            return False


def _details(reply: GroupReply) -> list[str]:
    """Capabilities and forecast, a line each."""
    lines = [
        f"  {entry.quantity} now {_band(entry.now)}, nameplate {_band(entry.nameplate)} "
        f"(k{_UNIT[entry.quantity]})"
        for entry in reply.ranges
        if entry.quantity in _UNIT
    ]
    for number, interval in enumerate(reply.forecast.intervals if reply.forecast else (), 1):
        band = _band(Range(interval.minimum, interval.maximum))
        unit = _UNIT.get(interval.quantity, "")
        lines.append(
            f"  {number}: {interval.quantity} {interval.nominal / 1e3:,.1f} ({band}) k{unit}"
        )
    return lines


def _band(interval: Range | None) -> str:
    if interval is None:
        return "unknown"
    return f"{interval.minimum / 1e3:,.1f} .. {interval.maximum / 1e3:,.1f}"


def _effect(before: GroupReply, after: GroupReply) -> list[str]:
    """What the status said before and says now."""
    old = {entry.quantity: entry.value for entry in before.present if entry.good}
    new = {entry.quantity: entry.value for entry in after.present if entry.good}
    return [
        f"effect: {quantity} {_shown(quantity, old.get(quantity))} -> "
        f"{_shown(quantity, new.get(quantity))}"
        for quantity in _WATCHED
        if quantity in old or quantity in new
    ]


def _shown(quantity: Quantity, value: float | None) -> str:
    if value is None:
        return "unknown"
    unit = _UNIT.get(quantity)
    return f"{value:g}" if unit is None else f"{value / 1e3:,.1f} k{unit}"


_UNIT = {
    Quantity.ACTIVE_POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
}
