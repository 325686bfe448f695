"""A loaded site: everything resolved, nothing left to look up in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model.point import PointSpec
from gateway.points.interlock import InterlockRule
from gateway.profiles.profile import DeviceProfile, ProfilePoint
from gateway.site.config import DeviceRow, LinkTable, ModbusMapRow, NetworkRow, SiteFile
from gateway.site.dnp3_tables import Dnp3MapRow


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the site.

    Attributes:
        host, port: where it is; None on a serial line.
        unit: Modbus unit or DNP3 address.
        periods_s: poll group to period, the site's overrides applied.
        lfdi: of a 2030.5 device, 40 capital digits; None for others.
    """

    row: DeviceRow
    profile: DeviceProfile
    link: LinkTable
    host: str | None
    port: int | None
    unit: int
    timeout_s: float
    periods_s: Mapping[str, float]
    lfdi: str | None = None

    @property
    def name(self) -> str:
        """The device's name in the site."""
        return self.row.device

    def point_of(self, role: str) -> str | None:
        """Id of the point that plays a DER role, or None."""
        name = next((point for r, point in self.profile.der.items() if r == role), None)
        return None if name is None else f"{self.name}.{name}"


@dataclass(frozen=True, slots=True)
class SitePoint:
    """A point with where it comes from."""

    spec: PointSpec
    device: Device
    source: ProfilePoint
    rule: InterlockRule | None


@dataclass(frozen=True, slots=True)
class Site:
    """A valid site.

    Attributes:
        folder: where its files are.
        file: ``site.toml``.
        devices: by name, in the file's order.
        points: in the order that fixes their positions in the store.
        modbus_map, dnp3_map: northbound maps.
        network: the feeder's bindings.
    """

    folder: Path
    file: SiteFile
    devices: Mapping[str, Device]
    points: tuple[SitePoint, ...]
    modbus_map: tuple[ModbusMapRow, ...] = ()
    network: tuple[NetworkRow, ...] = ()
    by_id: Mapping[str, SitePoint] = field(default_factory=dict)
    dnp3_map: tuple[Dnp3MapRow, ...] = ()

    @property
    def data_folder(self) -> Path:
        """Where the running gateway keeps its audit trail and keys."""
        return self.folder / self.file.data

    @property
    def has_switches(self) -> bool:
        """Whether switches of the feeder are bound."""
        return any(row.role == "switch" for row in self.network)

    def members(self, group: str) -> tuple[Device, ...]:
        """The devices behind a group: its controller, or its members; none of a remote group.

        Those of groups within it are among them, each once.

        Raises:
            KeyError: no such group.
        """
        names = self.file.leaves(group, self.devices)
        return tuple(self.devices[name] for name in names if name in self.devices)

    def remote_members(self, group: str) -> tuple[str, ...]:
        """Groups of other boxes behind a group.

        Raises:
            KeyError: no such group.
        """
        return tuple(
            name for name in self.file.leaves(group, self.devices) if name not in self.devices
        )

    def groups_of(self, device: str) -> tuple[str, ...]:
        """Groups that a device stands behind."""
        return tuple(g for g in self.file.groups if device in {d.name for d in self.members(g)})
