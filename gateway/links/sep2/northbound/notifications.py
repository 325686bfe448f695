"""Takes notifications: mutual TLS, from the server's own certificate and no other."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from gateway.links.sep2 import identity
from gateway.links.sep2.client_config import NotificationListenerConfig
from gateway.links.sep2.config import TransportLimits
from gateway.links.sep2.northbound.peer import ServerIdentity
from gateway.links.sep2.northbound.statistics import ClientStatistics
from gateway.links.sep2.resources import Notification
from gateway.links.sep2.schema import validator
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.answers import RefusedError
from gateway.links.sep2.serving.intake import Intake
from gateway.links.sep2.serving.listener import Listener
from gateway.links.sep2.serving.statistics import ServerStatistics
from gateway.model.errors import LinkError

PATH = "/notify"

#: Takes a notification; whether it is about something of ours.
Notified = Callable[[Notification], bool]


class NotificationListener:
    """Listens while it runs; made new for each connection to the server.

    Args:
        config: where.
        max_body_bytes: of a notification.
        context: TLS that asks for a certificate.
        server: whose certificate is taken.
        notified: see :data:`Notified`.
        statistics: what is counted.

    Attributes:
        uri: where notifications are taken.

    Raises:
        LinkError: the address cannot be listened on.
    """

    def __init__(
        self,
        config: NotificationListenerConfig,
        max_body_bytes: int,
        context: ssl.SSLContext,
        server: ServerIdentity,
        notified: Notified,
        statistics: ClientStatistics,
    ) -> None:
        limits = TransportLimits(
            max_connections=config.max_connections,
            max_connections_per_client=config.max_connections,
            max_handshakes=config.max_connections,
            max_body_bytes=max_body_bytes,
        )
        self._intake = Intake(limits, validator())
        self._server = server
        self._notified = notified
        self._statistics = statistics
        logger = logging.getLogger("tieline.http")
        logger.setLevel(logging.CRITICAL)  # what peers send wrong is counted
        self._http = web.Server(self._handle, access_log=None, logger=logger, auto_decompress=False)
        try:
            self._listener = Listener(
                (config.host, config.port),
                limits,
                context,
                self._http,
                _identify,
                ServerStatistics(),
            )
        except OSError as error:
            place = f"{config.host}:{config.port}"
            raise LinkError(f"cannot listen for notifications on {place}: {error}") from error
        host = f"[{config.host}]" if ":" in config.host else config.host
        base = config.advertised.rstrip("/") or f"https://{host}:{self._listener.port}"
        self.uri = f"{base}{PATH}"

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            await self._listener.run()
        finally:
            self._listener.close()
            await self._http.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        connection = self._listener.connection(request.transport)
        if connection is None or connection.client is None:
            raise web.HTTPBadRequest
        connection.busy()
        try:
            return web.Response(status=await self._status(request, connection.client))
        except RefusedError as refusal:
            self._statistics.refused[f"notification-{refusal.reason}"] += 1
            response = web.Response(status=refusal.status)
            if refusal.body_unread:
                response.force_close()
            return response
        finally:
            connection.wait()

    async def _status(self, request: web.BaseRequest, client: Client) -> int:
        if not self._server.lfdi or client.lfdi != self._server.lfdi:
            raise RefusedError(HTTPStatus.FORBIDDEN, "stranger", body_unread=True)
        if request.path != PATH:
            raise RefusedError(HTTPStatus.NOT_FOUND, "path", body_unread=True)
        if request.method != "POST":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "method", body_unread=True)
        notification = await self._intake.resource(request)
        if not isinstance(notification, Notification):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "not-a-notification")
        if not self._notified(notification):
            raise RefusedError(HTTPStatus.NOT_FOUND, "not-subscribed")
        self._statistics.notifications += 1
        return HTTPStatus.NO_CONTENT


def _identify(certificate: bytes, host: str) -> Client:
    return Client(lfdi=identity.lfdi(certificate), host=host, admitted=True)
