"""The site's points as others see them: the northbound register map."""

from __future__ import annotations

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import ServerConfig
from gateway.links.modbus.register_map import MapEntry, RegisterMap
from gateway.links.modbus.server import ModbusServer
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, Priority
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.profiles.registers import RegisterType, parse_type
from gateway.site.config import ModbusServerTable
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
