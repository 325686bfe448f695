"""EndDevices: who is registered, and which of them a client may see."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.links.sep2 import identity
from gateway.links.sep2.serving.access import AccessList, Client
from gateway.links.sep2.serving.answers import full
from gateway.links.sep2.serving.journal import Drop, Record
from gateway.links.sep2.southbound.ground import Ground, number

_KIND = "device"
_NO_DEVICES: tuple[Device, ...] = ()


@dataclass(slots=True)
class Device:
    """One EndDevice.

    Attributes:
        number: in its path.
        lfdi, sfdi: of its certificate.
        owner: LFDI of the aggregator that acts for it; empty where none does.
        registered_at, changed_at: UTC s.
        category: deviceCategory; None where it was not told.
        in_band: whether a client made it.
        fragment: its EndDevice element, once made.
        documents: what it told of itself, by kind (``dercap``, ``di``).
    """

    number: int
    lfdi: str
    sfdi: int
    owner: str
    registered_at: int
    changed_at: int
    category: int | None = None
    in_band: bool = False
    fragment: bytes = b""
    documents: dict[str, bytes] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its path."""
        return f"/edev/{self.number}"

    @property
    def readers(self) -> tuple[str, ...]:
        """LFDIs that may see it."""
        return (self.lfdi, self.owner) if self.owner else (self.lfdi,)

    def record(self) -> Record:
        """It, for the journal."""
        note = [self.owner, self.registered_at, self.changed_at, self.category, self.in_band]
        return Record(_KIND, "", self.number, self.lfdi, json.dumps(note))


class Registrations:
    """All EndDevices; each is found by its number or its LFDI without a search.

    Args:
        ground: journal and limits.
        access: whose a device is.
    """

    def __init__(self, ground: Ground, access: AccessList) -> None:
        self._ground = ground
        self._access = access
        self._by_number: dict[int, Device] = {}
        self._by_lfdi: dict[str, Device] = {}
        self._visible: dict[str, list[Device]] = {}
        self._last = 0

    def load(self) -> None:
        """Take what the journal holds."""
        for record in self._ground.journal.load(_KIND):
            owner, registered_at, changed_at, category, in_band = json.loads(record.note)
            sfdi = identity.sfdi(record.key)
            owner = self._access.owner(record.key) or (owner if in_band else "")
            self._add(
                Device(
                    record.number,
                    record.key,
                    sfdi,
                    owner,
                    registered_at,
                    changed_at,
                    category,
                    in_band,
                )
            )

    async def preset(self) -> None:
        """Make the EndDevices that the configuration tells of."""
        now = self._ground.now_s()
        made = [
            self._make(lfdi, self._access.owner(lfdi), now)
            for lfdi in self._access.preset()
            if lfdi not in self._by_lfdi
        ]
        if made:
            await self._ground.journal.write(*(device.record() for device in made))

    def known(self, lfdi: str) -> bool:
        """Whether there is an EndDevice of this LFDI."""
        return lfdi in self._by_lfdi

    def visible(self, client: Client) -> Sequence[Device]:
        """The EndDevices of a client, by SFDI."""
        return self._visible.get(client.lfdi, _NO_DEVICES)

    def find(self, client: Client, segment: str) -> Device | None:
        """The EndDevice of a path, where it is one of the client's."""
        device = self._by_number.get(number(segment))
        return device if device is not None and client.lfdi in device.readers else None

    def of(self, client: Client, lfdi: str) -> Device | None:
        """The EndDevice of an LFDI, where it is one of the client's."""
        device = self._by_lfdi.get(lfdi)
        return device if device is not None and client.lfdi in device.readers else None

    def at(self, lfdi: str) -> Device | None:
        """The EndDevice of an LFDI, whosever it is."""
        return self._by_lfdi.get(lfdi)

    def numbered(self, device_number: int) -> Device | None:
        """The EndDevice of a number, whosever it is."""
        return self._by_number.get(device_number)

    async def register(self, client: Client, lfdi: str, category: int | None) -> Device:
        """Make an EndDevice for a client that may.

        Raises:
            RefusedError: there are as many as there may be.
            LinkError: it is not on disk.
        """
        if len(self._by_number) >= self._ground.config.storage.end_devices:
            self._ground.statistics.dropped["EndDevice"] += 1
            raise full("end-devices")
        owner = self._access.owner(lfdi) or (client.lfdi if client.lfdi != lfdi else "")
        device = self._make(lfdi, owner, self._ground.now_s(), category, in_band=True)
        await self._ground.journal.write(device.record())
        return device

    def touch(self, device: Device, category: int | None) -> asyncio.Future[None]:
        """Take a new deviceCategory; the future is done once it is on disk."""
        device.category, device.changed_at = category, self._ground.now_s()
        device.fragment = b""
        return self._ground.journal.write(device.record())

    def remove(self, device: Device) -> Drop:
        """Forget an EndDevice; gives what the journal is to drop."""
        del self._by_number[device.number], self._by_lfdi[device.lfdi]
        for reader in device.readers:
            mine = self._visible[reader]
            del mine[bisect_left(mine, _order(device), key=_order)]
        return Drop(_KIND, "", device.number)

    def _make(
        self,
        lfdi: str,
        owner: str,
        now: int,
        category: int | None = None,
        *,
        in_band: bool = False,
    ) -> Device:
        sfdi = identity.sfdi(lfdi)
        device = Device(self._last + 1, lfdi, sfdi, owner, now, now, category, in_band)
        self._add(device)
        return device

    def _add(self, device: Device) -> None:
        self._last = max(self._last, device.number)
        self._by_number[device.number] = device
        self._by_lfdi[device.lfdi] = device
        for reader in device.readers:
            insort(self._visible.setdefault(reader, []), device, key=_order)


def _order(device: Device) -> tuple[int, str]:
    return device.sfdi, device.lfdi
