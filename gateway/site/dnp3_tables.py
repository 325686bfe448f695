"""The site's DNP3 tables and map rows, as written by the engineer; unknown keys refused."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.profiles.validate import Strict
from gateway.site.names import Name, Port


class Dnp3MasterTable(Strict):
    """``[[dnp3_outstation.master]]``: a master that may connect.

    ``address`` is its link address, ``hosts`` where it connects from (addresses or networks),
    ``certificate_name`` what its certificate must be made out to where TLS is on. ``rank`` says
    whose word its controls are at the arbiter; one claims its point for ``hold_s``.
    """

    name: Name
    address: Annotated[int, Field(ge=0, le=65519)] = 1
    hosts: tuple[str, ...] = ("127.0.0.1",)
    certificate_name: str | None = None
    rank: Literal["utility", "operator", "monitor"] = "utility"
    hold_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0

    @field_validator("hosts")
    @classmethod
    def _networks(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            ip_network(host)
        return hosts


class Dnp3DerTable(Strict):
    """``[dnp3_outstation.der.GROUP]``: a group shown as one DER of the DER profile.

    It answers at its own ``address`` behind the same port; ``edition`` fixes its point list.
    """

    address: Annotated[int, Field(ge=0, le=65519)]
    edition: Literal["AN2018-001", "IEEE 1815.2-2025"]


class Dnp3OutstationTable(Strict):
    """``[dnp3_outstation]``: points for the utility's masters, as ``map`` lists them.

    ``lock`` remembers every index once released; ``local`` names a point that is 1 while all
    controls are refused, ``inhibit`` one that is 1 while automation is. Masters are asked for the
    time every ``need_time_s`` (0 never). Paths are relative to the site folder.
    """

    host: str = "127.0.0.1"
    port: Port
    address: Annotated[int, Field(ge=0, le=65519)] = 1024
    map: str = "maps/dnp3.csv"
    lock: str = "maps/dnp3.lock.csv"
    master: tuple[Dnp3MasterTable, ...]
    der: dict[Name, Dnp3DerTable] = Field(default_factory=dict)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    unsolicited: bool = True
    select_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    control_timeout_s: Annotated[float, Field(gt=0, le=60)] = 4.0
    events_per_class: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    max_fragment: Annotated[int, Field(ge=249, le=65_535)] = 2048
    need_time_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    local: str | None = None
    inhibit: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Dnp3OutstationTable:
        given = [self.ca, self.certificate, self.key]
        if any(given) and not all(given):
            raise ValueError("TLS needs ca, certificate and key")
        if not self.master:
            raise ValueError("name the masters that may connect: [[dnp3_outstation.master]]")
        return self


def _deadbands(cell: object) -> object:
    """A cell like ``2000`` or ``2000 ems=500``: for every master, and for one by name.

    Raises:
        ValueError: it reads otherwise.
    """
    if not isinstance(cell, str):
        return cell
    found: dict[str, float] = {}
    for part in cell.split():
        name, _, number = part.rpartition("=")
        if name in found:
            raise ValueError(f"says twice how much {name or 'every master'} wants to be told")
        found[name] = float(number)
    return found


class Dnp3MapRow(Strict):
    """A row of ``maps/dnp3.csv``: one point of the outstation.

    ``object`` is its type (``OS`` takes a named text: ``site.name``, ``site.title``,
    ``gateway.version``); ``class`` 0 gives no events; ``static`` and ``event`` are variations,
    empty for the type's default; ``deadband`` is in engineering units by master ("" for all),
    empty for the point's own; a raw value is ``(engineering - offset) / scale``.
    """

    point: str
    object_: Literal["BI", "DBI", "BO", "CTR", "AI", "AO", "OS"] = Field(alias="object")
    index: Annotated[int, Field(ge=0, le=65535)]
    class_: Annotated[int, Field(ge=0, le=3)] = Field(2, alias="class")
    static: Annotated[int, Field(ge=1, le=10)] | None = None
    event: Annotated[int, Field(ge=1, le=8)] | None = None
    deadband: Annotated[dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(_deadbands)] = (
        Field(default_factory=dict)
    )
    scale: float = 1.0
    offset: float = 0.0
