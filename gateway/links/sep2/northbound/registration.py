"""Our EndDevices on the server: found by LFDI, or made in-band."""

from __future__ import annotations

from gateway.links.sep2 import identity
from gateway.links.sep2.client_config import EndDeviceConfig
from gateway.links.sep2.northbound.ground import Ground
from gateway.links.sep2.northbound.reader import NotYetError, Reader
from gateway.links.sep2.northbound.transport import RefusedError, Transport
from gateway.links.sep2.resources import EndDevice, EndDeviceList, Registration
from gateway.model.errors import RemoteProtocolError

_CONFLICT = 409
#: The path of an EndDevice, and itself.
Place = tuple[str, EndDevice]


class Registrar:
    """Finds our devices.

    Args:
        ground: settings, memory and states.
        transport: makes EndDevices.
        reader: reads them.

    Attributes:
        subscribable: whether the list found last may be subscribed to.
    """

    def __init__(self, ground: Ground, transport: Transport, reader: Reader) -> None:
        self._config = ground.config
        self._clock = ground.clock
        self._memory = ground.memory
        self._states = ground.states
        self._transport = transport
        self._reader = reader
        self._again_s: dict[str, float] = {}
        self.subscribable = False

    async def find(self, listed: str, now: int) -> dict[str, Place | None]:
        """LFDI to path and EndDevice; None of what is surely not there, or not to be obeyed.

        A device of which that is not known now is absent.

        Args:
            listed: path of the EndDeviceList.
            now: the server's time, UTC s.

        Raises:
            LinkError: the server is lost.
        """
        found: dict[str, Place | None] = {}
        try:
            there = await self._listed(listed)
        except NotYetError:
            return found
        for device in self._config.devices:
            state = self._states[device.lfdi]
            try:
                place = there.get(device.lfdi) or await self._elsewhere(listed, device, now)
                if place is None:
                    state.href, found[device.lfdi] = "", None
                    continue
                state.href = place[0]
                self._memory.put_place(device.lfdi, place[0])
                fault = await self._pin_fault(device, *place)
            except NotYetError as error:
                state.fault = f"{error} cannot be read yet"
                continue
            state.fault = fault
            found[device.lfdi] = None if fault else place
        return found

    async def _listed(self, path: str) -> dict[str, Place]:
        most = self._config.limits.end_devices
        listed = await self._reader.all(path, EndDeviceList, most)
        self.subscribable = bool(listed is not None and (listed.subscribable or 0) & 1)
        by_sfdi = {identity.sfdi(device.lfdi): device.lfdi for device in self._config.devices}
        found: dict[str, Place] = {}
        for one in listed.items if listed is not None else ():
            lfdi = one.lfdi or by_sfdi.get(one.sfdi, "")
            where = self._reader.path_of(one.href, path)
            if lfdi in self._states and where:
                found.setdefault(lfdi, (where, one))
        return found

    async def _elsewhere(self, listed: str, device: EndDeviceConfig, now: int) -> Place | None:
        """An EndDevice that the list does not show: remembered, or made."""
        known = self._memory.place(device.lfdi)
        if known:
            there = await self._reader.one(known, EndDevice)
            if there is not None and there.sfdi == identity.sfdi(device.lfdi):
                return known, there
            self._memory.put_place(device.lfdi, "")
        state = self._states[device.lfdi]
        if self._config.registration == "out-of-band":
            state.fault = "the server has no EndDevice of it"
            return None
        if self._clock.monotonic_s() < self._again_s.get(device.lfdi, 0.0):
            return None
        made = EndDevice(
            lfdi=device.lfdi,
            sfdi=identity.sfdi(device.lfdi),
            changed_time=now,
            device_category=device.category,
        )
        self._later(listed, device)
        try:
            where = await self._transport.send("POST", listed, made)
        except (RefusedError, RemoteProtocolError) as error:
            state.fault = f"the server does not register it: {error}"
            if isinstance(error, RefusedError) and error.status == _CONFLICT:
                self._reader.expire(listed)  # it must be there already
            return None
        self._reader.expire(listed)
        there = await self._reader.one(where, EndDevice) if where else None
        if there is None:
            state.fault = "the server registered it and does not show where"
            return None
        return where, there

    def _later(self, listed: str, device: EndDeviceConfig) -> None:
        """Should it fail, try again at the list's rate."""
        pause_s = max(self._config.poll_min_s, self._reader.rate_s(listed))
        self._again_s[device.lfdi] = self._clock.monotonic_s() + pause_s

    async def _pin_fault(self, device: EndDeviceConfig, path: str, there: EndDevice) -> str:
        """Why this is not the server we registered with; empty where it is."""
        if device.pin is None:
            return ""
        where = self._reader.path(there.registration_link, path)
        registration = await self._reader.one(where, Registration) if where else None
        if registration is None:
            return "the server shows no PIN"
        return "" if registration.pin == device.pin else "the server shows another PIN"
