"""/dcap, /tm and /sdev: where a client starts, and who the server is."""

from __future__ import annotations

from importlib.metadata import version

from gateway.links.sep2 import identity
from gateway.links.sep2.resources import (
    DeviceCapability,
    DeviceInformation,
    Link,
    ListLink,
    SelfDevice,
    Time,
)
from gateway.links.sep2.serving.answers import Answer, Ask
from gateway.links.sep2.southbound.documents import document
from gateway.links.sep2.southbound.ground import Ground
from gateway.links.sep2.southbound.mirror import Mirror
from gateway.links.sep2.southbound.programs import Programs
from gateway.links.sep2.southbound.registrations import Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

#: primaryPower and secondaryPower: mains, none.
_MAINS, _NO_POWER = 1, 0


class RootViews:
    """What every client finds first.

    Args:
        ground: settings and clock.
        registrations, programs, mirror: what the entry point counts.
        lfdi: of the server's certificate.
    """

    def __init__(
        self,
        ground: Ground,
        registrations: Registrations,
        programs: Programs,
        mirror: Mirror,
        lfdi: str,
    ) -> None:
        self._ground = ground
        self._registrations = registrations
        self._programs = programs
        self._mirror = mirror
        self._lfdi = lfdi
        self._started = ground.now_s()

    def serve(self, routes: Routes) -> None:
        """Take the paths; the first two are open to whoever may register."""
        routes.add("/dcap", Endpoint(self._capability, open=True))
        routes.add("/tm", Endpoint(self._time, open=True))
        routes.add("/sdev", Endpoint(self._self))
        routes.add("/sdev/di", Endpoint(self._information))

    def _capability(self, ask: Ask) -> Answer:
        rates, client = self._ground.config.poll_rates, ask.client
        programs = len(self._programs.visible(client))
        mirrored = len(self._mirror.visible(client))
        capability = DeviceCapability(
            href="/dcap",
            poll_rate=rates.device_capability,
            der_program_list_link=ListLink("/derp", programs),
            response_set_list_link=ListLink("/rsps", programs),
            time_link=Link("/tm"),
            usage_point_list_link=ListLink("/upt", mirrored),
            end_device_list_link=ListLink("/edev", len(self._registrations.visible(client))),
            mirror_usage_point_list_link=ListLink("/mup", mirrored),
            self_device_link=Link("/sdev"),
        )
        return document(client, capability)

    def _time(self, ask: Ask) -> Answer:
        config, now = self._ground.config, self._ground.now_s()
        time = Time(
            href="/tm",
            poll_rate=config.poll_rates.time,
            current_time=now,
            dst_end_time=0,
            dst_offset=0,
            dst_start_time=0,
            quality=config.time_quality,
            tz_offset=0,
        )
        return document(ask.client, time)

    def _self(self, ask: Ask) -> Answer:
        device = SelfDevice(
            href="/sdev",
            poll_rate=self._ground.config.poll_rates.self_device,
            device_information_link=Link("/sdev/di"),
            lfdi=self._lfdi,
            sfdi=identity.sfdi(self._lfdi),
        )
        return document(ask.client, device)

    def _information(self, ask: Ask) -> Answer:
        information = DeviceInformation(
            href="/sdev/di",
            lfdi=self._lfdi,
            mf_date=0,
            mf_hw_ver="1",
            mf_id=self._ground.config.pen,
            mf_model="Tieline",
            mf_ser_num=str(identity.sfdi(self._lfdi)),
            primary_power=_MAINS,
            secondary_power=_NO_POWER,
            sw_act_time=self._started,
            sw_ver=version("tieline"),
        )
        return document(ask.client, information)
