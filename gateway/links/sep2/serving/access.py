"""Who a client is, by its certificate, and whether it may be here at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gateway.links.sep2 import identity
from gateway.links.sep2.config import ClientConfig, Sep2ServerConfig

#: Stands in for a listed client's settings where a client is not listed.
_UNLISTED = ClientConfig(lfdi="0" * 40)


@dataclass(frozen=True, slots=True)
class Client:
    """The peer of a connection.

    Attributes:
        lfdi: of its certificate, 40 upper-case hexadecimal digits.
        host: address it connects from.
        role: what it may act for.
        csip_aus: whether it is sent CSIP-AUS elements.
        admitted: whether it may be here, once registered.
        fault: what its certificate has against IEEE 2030.5's rules; empty where nothing.
    """

    lfdi: str
    host: str = ""
    role: Literal["device", "aggregator"] = "device"
    csip_aus: bool = False
    admitted: bool = False
    fault: str = ""


class AccessList:
    """The clients of the configuration.

    Args:
        config: who may connect, and who may register.
    """

    def __init__(self, config: Sep2ServerConfig) -> None:
        self._listed = {client.lfdi: client for client in config.clients}
        self._assigned = {lfdi: client.lfdi for client in config.clients for lfdi in client.devices}
        self._open = config.accept_unknown
        self._in_band = config.registration == "in-band"
        self._pin = config.pin

    def identify(self, certificate: bytes, host: str) -> Client:
        """Who shows this certificate (DER); its chain was verified by TLS."""
        fault = identity.check_device_certificate(certificate) or ""
        return replace(self.known(identity.lfdi(certificate)), host=host, fault=fault)

    def known(self, lfdi: str) -> Client:
        """The client of an LFDI, wherever it connects from."""
        listed = self._listed.get(lfdi)
        settings = listed or _UNLISTED
        return Client(
            lfdi=lfdi,
            role=settings.role,
            csip_aus=settings.csip_aus,
            admitted=listed is not None or self._open,
        )

    def may_register(self, client: Client, lfdi: str) -> bool:
        """Whether a client may make the EndDevice of an LFDI by POST."""
        if not self._in_band or client.fault or not client.admitted:
            return False
        if lfdi == client.lfdi:
            return True
        if client.role != "aggregator":
            return False
        devices = self._listed[client.lfdi].devices
        # a listed client of its own, or one assigned elsewhere, is not up for the taking
        return lfdi in devices if devices else lfdi not in self._listed | self._assigned

    def owner(self, lfdi: str) -> str:
        """The aggregator that a device is assigned to; empty where to none."""
        return self._assigned.get(lfdi, "")

    def pin(self, lfdi: str) -> int:
        """The registration PIN of an EndDevice."""
        settings = self._listed.get(lfdi) or self._listed.get(self.owner(lfdi))
        return self._pin if settings is None or settings.pin is None else settings.pin

    def preset(self) -> Iterable[str]:
        """LFDIs whose EndDevices are there without a client's doing.

        Registration in-band leaves devices to register themselves; aggregators are known anyway.
        """
        for client in self._listed.values():
            if client.role == "aggregator" or not self._in_band:
                yield client.lfdi
        if not self._in_band:
            yield from (lfdi for lfdi in self._assigned if lfdi not in self._listed)
