"""/edev: EndDevices, their registration, function sets and DERs; registration in-band."""

from __future__ import annotations

from collections.abc import Callable

from gateway.links.sep2 import identity
from gateway.links.sep2.codec import encode_fragment
from gateway.links.sep2.resources import (
    DER,
    DERList,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    ListLink,
    Registration,
)
from gateway.links.sep2.serving.access import AccessList
from gateway.links.sep2.serving.answers import (
    NO_CONTENT,
    NOT_FOUND,
    Answer,
    Ask,
    Post,
    forbidden,
    invalid,
)
from gateway.links.sep2.serving.journal import Change
from gateway.links.sep2.southbound.documents import SUBSCRIBABLE, document, listing
from gateway.links.sep2.southbound.ground import Ground, derived_mrid
from gateway.links.sep2.southbound.program_views import ProgramViews
from gateway.links.sep2.southbound.programs import Programs
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

#: Forgets what else belongs to an EndDevice; gives what the journal is to drop.
Forget = Callable[[Device], list[Change]]
#: Every EndDevice has one DER and one group of function sets.
_ONLY = "1"


class DeviceViews:
    """What clients read of EndDevices, and how they make them.

    Args:
        ground: settings and journal.
        access: who may register.
        registrations: all EndDevices.
        programs, program_views: what is assigned to them.
        forget: what goes with an EndDevice.
    """

    def __init__(
        self,
        ground: Ground,
        access: AccessList,
        registrations: Registrations,
        programs: Programs,
        program_views: ProgramViews,
        forget: Forget,
    ) -> None:
        self._ground = ground
        self._access = access
        self._registrations = registrations
        self._programs = programs
        self._program_views = program_views
        self._forget = forget

    def serve(self, routes: Routes) -> None:
        """Take the paths; /edev is open to whoever may register."""
        routes.add("/edev", Endpoint(self._all, {"POST": self._register}, open=True))
        writers = {"PUT": self._update, "DELETE": self._delete}
        routes.add("/edev/*", Endpoint(self._one, writers))
        routes.add("/edev/*/rg", Endpoint(self._registration))
        routes.add("/edev/*/fsa", Endpoint(self._assignments))
        routes.add("/edev/*/fsa/1", Endpoint(self._assignment))
        routes.add("/edev/*/fsa/1/derp", Endpoint(self._assigned))
        routes.add("/edev/*/der", Endpoint(self._ders))
        routes.add("/edev/*/der/1", Endpoint(self._der))
        routes.add("/edev/*/der/1/derp", Endpoint(self._assigned))

    def _find(self, ask: Ask) -> Device | None:
        return self._registrations.find(ask.client, ask.free[0])

    def _all(self, ask: Ask) -> Answer:
        return listing(
            ask,
            EndDeviceList,
            self._registrations.visible(ask.client),
            _fragment,
            time=lambda device: device.changed_at,
            poll_rate=self._ground.config.poll_rates.end_device_list,
            subscribable=SUBSCRIBABLE,
        )

    def _one(self, ask: Ask) -> Answer:
        device = self._find(ask)
        return NOT_FOUND if device is None else document(ask.client, _end_device(device))

    def _registration(self, ask: Ask) -> Answer:
        device = self._find(ask)
        if device is None:
            return NOT_FOUND
        registration = Registration(
            href=ask.path,
            poll_rate=self._ground.config.poll_rates.registration,
            date_time_registered=device.registered_at,
            pin=self._access.pin(device.lfdi),
        )
        return document(ask.client, registration)

    def _assignments(self, ask: Ask) -> Answer:
        device = self._find(ask)
        if device is None:
            return NOT_FOUND
        return listing(
            ask,
            FunctionSetAssignmentsList,
            (device,),
            lambda entry: encode_fragment(self._function_sets(entry)),
            poll_rate=self._ground.config.poll_rates.function_set_assignments_list,
            subscribable=SUBSCRIBABLE,
        )

    def _assignment(self, ask: Ask) -> Answer:
        device = self._find(ask)
        return NOT_FOUND if device is None else document(ask.client, self._function_sets(device))

    def _function_sets(self, device: Device) -> FunctionSetAssignments:
        programs = len(self._programs.of_device(device.lfdi))
        path = f"{device.path}/fsa/{_ONLY}"
        return FunctionSetAssignments(
            href=path,
            subscribable=0,
            mrid=derived_mrid(f"fsa {device.lfdi}", self._ground.config.pen),
            der_program_list_link=ListLink(f"{path}/derp", programs),
            response_set_list_link=ListLink("/rsps", programs),
            time_link=Link("/tm"),
        )

    def _assigned(self, ask: Ask) -> Answer:
        device = self._find(ask)
        if device is None:
            return NOT_FOUND
        return self._program_views.list_of(ask, self._programs.of_device(device.lfdi))

    def _ders(self, ask: Ask) -> Answer:
        device = self._find(ask)
        if device is None:
            return NOT_FOUND
        return listing(
            ask,
            DERList,
            (device,),
            lambda entry: encode_fragment(self._der_of(entry)),
            poll_rate=self._ground.config.poll_rates.der_list,
        )

    def _der(self, ask: Ask) -> Answer:
        device = self._find(ask)
        return NOT_FOUND if device is None else document(ask.client, self._der_of(device))

    def _der_of(self, device: Device) -> DER:
        path = f"{device.path}/der/{_ONLY}"
        programs = len(self._programs.of_device(device.lfdi))
        return DER(
            href=path,
            subscribable=0,
            associated_der_program_list_link=ListLink(f"{path}/derp", programs),
            der_availability_link=Link(f"{path}/dera"),
            der_capability_link=Link(f"{path}/dercap"),
            der_settings_link=Link(f"{path}/derg"),
            der_status_link=Link(f"{path}/derst"),
        )

    async def _register(self, post: Post) -> Answer:
        posted = post.resource
        if not isinstance(posted, EndDevice):
            raise invalid("not-an-end-device")
        lfdi = posted.lfdi or _lfdi_of(post, posted.sfdi)
        if posted.sfdi != identity.sfdi(lfdi):
            raise invalid("sfdi-of-another")
        known = self._registrations.of(post.client, lfdi)
        if known is not None:  # sent again: its answer may have been lost
            await self._ground.journal.write()  # what it repeats may not be on disk yet
            return Answer(200, location=known.path)
        if not self._access.may_register(post.client, lfdi) or self._registrations.known(lfdi):
            raise forbidden("may-not-register")
        device = await self._registrations.register(post.client, lfdi, posted.device_category)
        self._ground.changed("/edev", device.readers)
        return Answer(201, location=device.path)

    async def _update(self, post: Post) -> Answer:
        device = self._registrations.find(post.client, post.free[0])
        if device is None:
            return NOT_FOUND
        posted = post.resource
        if not isinstance(posted, EndDevice):
            raise invalid("not-an-end-device")
        if posted.sfdi != device.sfdi or posted.lfdi not in (None, device.lfdi):
            raise invalid("lfdi-of-another")
        written = self._registrations.touch(device, posted.device_category)
        self._ground.changed("/edev", device.readers)
        await written
        return NO_CONTENT

    async def _delete(self, post: Post) -> Answer:
        device = self._registrations.find(post.client, post.free[0])
        if device is None:
            return NOT_FOUND
        if not device.in_band:
            raise forbidden("end-device-of-the-configuration")
        changes = self._forget(device)
        written = self._ground.journal.write(*changes, self._registrations.remove(device))
        self._ground.changed("/edev", device.readers)
        await written
        return NO_CONTENT


def _lfdi_of(post: Post, sfdi: int) -> str:
    """The client's own LFDI, where a posted EndDevice has an SFDI alone."""
    if sfdi != identity.sfdi(post.client.lfdi):
        raise invalid("sfdi-of-another")
    return post.client.lfdi


def _fragment(device: Device) -> bytes:
    device.fragment = device.fragment or encode_fragment(_end_device(device))
    return device.fragment


def _end_device(device: Device) -> EndDevice:
    path = device.path
    return EndDevice(
        href=path,
        subscribable=0,
        der_list_link=ListLink(f"{path}/der", 1),
        device_category=device.category,
        device_information_link=Link(f"{path}/di"),
        device_status_link=Link(f"{path}/ds"),
        lfdi=device.lfdi,
        log_event_list_link=ListLink(f"{path}/lel"),
        sfdi=device.sfdi,
        changed_time=device.changed_at,
        enabled=True,
        function_set_assignments_list_link=ListLink(f"{path}/fsa", 1),
        registration_link=Link(f"{path}/rg"),
        subscription_list_link=ListLink(f"{path}/sub"),
    )
