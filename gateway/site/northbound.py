"""The site as others see it: group functions over HTTPS, a register map, MQTT topics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gateway.groups.backend import Asker
from gateway.groups.messages import GroupReply, GroupRequest
from gateway.links.cim.config import ServerConfig as GroupServerConfig
from gateway.links.cim.server import EventHandler, GroupServer, Route
from gateway.links.cim.tls import server_context
from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import ServerConfig
from gateway.links.modbus.register_map import MapEntry, RegisterMap
from gateway.links.modbus.server import ModbusServer
from gateway.links.mqtt.client import MqttLink
from gateway.links.mqtt.codec import CommandMessage
from gateway.links.mqtt.config import MqttConfig
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, Priority
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.profiles.registers import RegisterType, parse_type
from gateway.profiles.text import read_text
from gateway.site.config import ModbusServerTable, MqttTable
from gateway.site.devices import split_address
from gateway.site.https_tables import HttpsTable
from gateway.site.pki import ensure_pki
from gateway.site.site import Site

#: Answers a group function: request, on whose behalf, which certificate showed itself.
AskGroup = Callable[[GroupRequest, Asker, str], Awaitable[GroupReply]]

RANKS = {"utility": Priority.UTILITY_2030_5, "operator": Priority.OPERATOR}


def group_server(
    site: Site,
    table: HttpsTable,
    ask: AskGroup,
    take: EventHandler,
    routes: Mapping[str, Route],
    clock: Clock,
) -> GroupServer:
    """The group-function endpoint of a site; makes the site's own PKI at first start.

    Raises:
        ConfigError: certificates that are missing in part, expired or of another CA.
    """

    async def handle(request: GroupRequest, peer: str) -> GroupReply:
        is_operator = peer in table.operators
        rank = Priority.OPERATOR if is_operator else Priority.GROUP_FUNCTION
        may = peer in table.administrators
        return await ask(request, Asker(f"cim:{peer}", rank, may, remote=True), peer)

    paths = ensure_pki(site.data_folder / table.pki, table.host, table.clients)
    context = server_context(paths.server.certificate, paths.server.key, paths.ca.certificate)
    config = GroupServerConfig(host=table.host, port=table.port, allow=frozenset(table.allow))
    return GroupServer(config, context, handle, clock, routes, take)


def modbus_server(
    site: Site, table: ModbusServerTable, store: PointStore, router: Router, clock: Clock
) -> ModbusServer:
    """The server of a site; its writes go through the router like everybody's."""

    async def operate(point: str, value: float) -> CommandResult:
        command = Command(
            point=point,
            value=value,
            origin="modbus:northbound",
            priority=RANKS[table.rank],
            expires_ms=clock.utc_ms() + round(1000 * table.hold_s),
            reason="written by a northbound Modbus master",
        )
        return await router.submit(command)

    entries = [
        MapEntry(
            point=row.point,
            table=Table(row.table),
            address=row.register_,
            type=RegisterType.BIT if row.type is None else parse_type(row.type)[0],
            scale=row.scale,
            offset=row.offset,
            writable=site.by_id[row.point].spec.kind.is_output,
        )
        for row in site.modbus_map
    ]
    config = ServerConfig.model_validate(
        {
            "host": table.host,
            "port": table.port,
            "allow": table.allow,
            "units": {table.unit},
            "bad_quality": table.bad_quality,
        }
    )
    return ModbusServer(config, RegisterMap(entries, store, table.bad_quality), operate)


def mqtt_link(
    site: Site, table: MqttTable, store: PointStore, router: Router, clock: Clock
) -> MqttLink:
    """The MQTT link of a site; its commands go through the router like everybody's.

    Raises:
        ConfigError: the password file cannot be read.
    """

    async def operate(message: CommandMessage) -> CommandResult:
        command = Command(
            point=message.point,
            value=message.value,
            origin="mqtt",
            priority=RANKS[table.rank],
            expires_ms=message.expires_ms or clock.utc_ms() + round(1000 * table.hold_s),
            correlation=message.id,
            reason="commanded over MQTT",
        )
        return await router.submit(command)

    link = MqttLink(mqtt_config(site, table), store.index, store, operate, clock)
    store.subscribe(link.note_changed)
    return link


def mqtt_config(site: Site, table: MqttTable) -> MqttConfig:
    """Where the broker is and how it is spoken to.

    Raises:
        ConfigError: the password file cannot be read.
    """
    host, port = table.host, table.port
    if table.broker != "embedded":
        host, port = split_address(table.broker.partition("://")[2])
    password = None
    if table.password_file is not None:
        password = read_text(site.folder / table.password_file).strip()
    paths = {"ca": table.ca, "certificate": table.certificate, "key": table.key}
    return MqttConfig.model_validate(
        {
            "host": host,
            "port": port,
            "tls": table.broker.startswith("mqtts:"),
            "username": table.username,
            "password": password,
            "base_topic": table.topic,
            "site": site.file.name,
            "period_s": table.period_s,
            "commands": table.commands,
            **{name: site.folder / path for name, path in paths.items() if path is not None},
        }
    )
