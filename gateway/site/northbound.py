"""The site's points as others see them: a register map, MQTT topics."""

from __future__ import annotations

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
from gateway.site.site import Site

_RANKS = {"utility": Priority.UTILITY_2030_5, "operator": Priority.OPERATOR}


def modbus_server(
    site: Site, table: ModbusServerTable, store: PointStore, router: Router, clock: Clock
) -> ModbusServer:
    """The server of a site; its writes go through the router like everybody's."""

    async def operate(point: str, value: float) -> CommandResult:
        command = Command(
            point=point,
            value=value,
            origin="modbus:northbound",
            priority=_RANKS[table.rank],
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
            priority=_RANKS[table.rank],
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
