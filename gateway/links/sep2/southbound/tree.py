"""Every resource of the server, wired: the rooms, their paths and what they tell each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.links.sep2.codec import decode, encode
from gateway.links.sep2.config import Sep2ServerConfig
from gateway.links.sep2.resources import Notification, Resource
from gateway.links.sep2.serving.access import AccessList, Client
from gateway.links.sep2.serving.answers import Ask
from gateway.links.sep2.serving.journal import Change, Journal
from gateway.links.sep2.serving.paging import MAX_LENGTH, Page
from gateway.links.sep2.serving.statistics import ServerStatistics
from gateway.links.sep2.southbound.device_documents import DeviceDocuments, OnResource
from gateway.links.sep2.southbound.device_views import DeviceViews
from gateway.links.sep2.southbound.ground import Ground
from gateway.links.sep2.southbound.log_events import LogEvents
from gateway.links.sep2.southbound.metering_views import MeteringViews
from gateway.links.sep2.southbound.mirror import Mirror, OnReading
from gateway.links.sep2.southbound.notifier import Notifier
from gateway.links.sep2.southbound.program_views import ProgramViews
from gateway.links.sep2.southbound.programs import Programs, ProgramSetup
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.responses import OnResponse, Responses
from gateway.links.sep2.southbound.root_views import RootViews
from gateway.links.sep2.southbound.routing import Routes
from gateway.links.sep2.southbound.subscriptions import Subscriber, Subscriptions
from gateway.model.clock import Clock
from gateway.model.errors import RemoteProtocolError

#: ``status`` of a Notification: the resource changed.
_CHANGED = 0


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the gateway wants to be told of, each once it is on disk.

    Attributes:
        on_response: what a DER did with a control.
        on_resource: what an EndDevice told of itself.
        on_reading: what it measured.
    """

    on_response: OnResponse = lambda _lfdi, _response: None
    on_resource: OnResource = lambda _lfdi, _kind, _resource: None
    on_reading: OnReading = lambda _lfdi, _point, _type, _reading: None


class Tree:
    """All resources, as the journal left them.

    Args:
        config: settings.
        clock: time.
        journal: the state on disk.
        lfdi: of the server's certificate.
        setups: the programs.
        hooks: see :class:`Hooks`.

    Attributes:
        ground, access, registrations, programs, documents: rooms others need.
        routes: what serves each path.
        notifier: set by the server while it runs.

    Raises:
        ConfigError: the file is damaged.
        LocalProtocolError: two programs have the same number or mRID.
    """

    def __init__(
        self,
        config: Sep2ServerConfig,
        clock: Clock,
        journal: Journal,
        lfdi: str,
        setups: Sequence[ProgramSetup],
        hooks: Hooks,
    ) -> None:
        self.notifier: Notifier | None = None
        self.ground = Ground(config, clock, journal, ServerStatistics(), self._changed)
        self.access = AccessList(config)
        self.routes = Routes()
        ground = self.ground
        self.registrations = Registrations(ground, self.access)
        self.programs = Programs(ground, self.registrations, setups)
        self.documents = DeviceDocuments(ground, self.registrations, hooks.on_resource)
        self._mirror = Mirror(ground, self.registrations, hooks.on_reading)
        self._responses = Responses(ground, self.registrations, self.programs, hooks.on_response)
        self._logs = LogEvents(ground, self.registrations)
        self.subscriptions = Subscriptions(ground, self.registrations, self._readable)
        stores = (
            self.registrations,  # first: the others ask whose things are
            self.programs,
            self.documents,
            self._mirror,
            self._responses,
            self._logs,
            self.subscriptions,
        )
        try:
            for store in stores:
                store.load()
        except (RemoteProtocolError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise journal.damaged(error) from error
        views = ProgramViews(ground, self.programs)
        rooms = (
            RootViews(ground, self.registrations, self.programs, self._mirror, lfdi),
            DeviceViews(
                ground, self.access, self.registrations, self.programs, views, self._forget
            ),
            views,
            self.documents,
            self._mirror,
            MeteringViews(ground, self._mirror),
            self._responses,
            self._logs,
            self.subscriptions,
        )
        for room in rooms:
            room.serve(self.routes)

    def notification(self, subscriber: Subscriber) -> bytes | None:
        """What a subscriber would read of its resource now; None where it may no longer."""
        device = self.registrations.at(subscriber.lfdi)
        client = self.access.known(subscriber.lfdi)
        if device is None or not client.admitted:
            return None
        subscription = subscriber.subscription
        length = min(subscription.limit, MAX_LENGTH)
        document = self._get(client, subscription.subscribed_resource, length)
        if document is None:
            return None
        notification = Notification(
            subscribed_resource=subscription.subscribed_resource,
            resource=decode(document, Resource),
            status=_CHANGED,
            subscription_uri=subscriber.path,
        )
        return encode(notification, csip_aus=client.csip_aus)

    def _readable(self, client: Client, path: str) -> bool:
        return self._get(client, path, 0) is not None

    def _get(self, client: Client, path: str, length: int) -> bytes | None:
        found = self.routes.find(path)
        if found is None:
            return None
        answer = found[0].get(Ask(client, path, found[1], Page(length=length)))
        return answer.body or None

    def _changed(self, path: str, readers: Collection[str] | None) -> None:
        if self.notifier is not None:
            self.notifier.note_changed(path, readers)

    def _forget(self, device: Device) -> list[Change]:
        return [
            *self.documents.forget(device),
            *self._mirror.forget(device),
            *self._responses.forget(device),
            *self._logs.forget(device),
            *self.subscriptions.forget(device),
        ]
