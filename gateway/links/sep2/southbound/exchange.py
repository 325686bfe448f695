"""One request and its answer: who asks, may he, what for, how often."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from multidict import CIMultiDict

from gateway.links.sep2.codec import MEDIA_TYPE
from gateway.links.sep2.serving.access import AccessList, Client
from gateway.links.sep2.serving.answers import (
    INVALID_VALUES,
    NOT_FOUND,
    TOO_OFTEN,
    Answer,
    Ask,
    Post,
    RefusedError,
    forbidden,
)
from gateway.links.sep2.serving.connection import ClientConnection
from gateway.links.sep2.serving.intake import Intake, check_accept
from gateway.links.sep2.serving.paging import FIRST, page
from gateway.links.sep2.southbound.documents import error_body
from gateway.links.sep2.southbound.ground import Ground
from gateway.links.sep2.southbound.limits import RequestBudget
from gateway.links.sep2.southbound.registrations import Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

_READS = (hdrs.METH_GET, hdrs.METH_HEAD)


class Exchange:
    """Answers requests.

    Args:
        ground: settings, clock and statistics.
        access: who may register.
        registrations: who is registered.
        routes: what serves each path.
        intake: takes bodies.
        connection: the connection of a request; None when it is over.
        report_bug: told of what no request may cause; the server ends.
    """

    def __init__(
        self,
        ground: Ground,
        access: AccessList,
        registrations: Registrations,
        routes: Routes,
        intake: Intake,
        connection: Callable[[web.BaseRequest], ClientConnection | None],
        report_bug: Callable[[Exception], None],
    ) -> None:
        self._ground = ground
        self._statistics = ground.statistics
        self._access = access
        self._registrations = registrations
        self._routes = routes
        self._intake = intake
        self._connection = connection
        self._report_bug = report_bug
        limits = ground.config.transport
        self._budget = RequestBudget(limits.requests_per_s, limits.burst)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from its head to the response object."""
        connection = self._connection(request)
        if connection is None or connection.client is None:
            raise web.HTTPBadRequest
        connection.busy()
        self._statistics.requests += 1
        try:
            return _response(await self._answer(request, connection.client))
        except RefusedError as refusal:
            return self._refusal(refusal)
        except Exception as error:
            self._report_bug(error)
            raise
        finally:
            connection.wait()

    async def _answer(self, request: web.BaseRequest, client: Client) -> Answer:
        wait_s = self._budget.take(client.lfdi, self._ground.clock.monotonic_s())
        if wait_s:
            raise TooOftenError(wait_s)
        url = request.rel_url
        found = self._routes.find(url.path)
        endpoint, free = found or (None, ())
        self._admit(client, endpoint)
        if endpoint is None:
            return NOT_FOUND
        if request.method in _READS:
            check_accept(request)
            raw_query = url.raw_query_string
            try:
                asked = page(raw_query) if raw_query else FIRST
            except ValueError:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "query", INVALID_VALUES) from None
            return endpoint.get(Ask(client, url.path, free, asked))
        writer = endpoint.writers.get(request.method)
        if writer is None:
            raise NotAllowedError(endpoint.allow)
        deletes = request.method == hdrs.METH_DELETE
        resource = None if deletes else await self._intake.resource(request)
        return await writer(Post(client, url.path, free, resource))

    def _admit(self, client: Client, endpoint: Endpoint | None) -> None:
        """Let a client in, or not.

        Raises:
            RefusedError: 403.
        """
        if client.fault:
            raise forbidden("certificate")
        if not client.admitted:
            raise forbidden("not-listed")
        if self._registrations.known(client.lfdi):
            self._statistics.last_contact_ms[client.lfdi] = self._ground.clock.utc_ms()
            return
        opened = endpoint is not None and endpoint.open
        if not opened or not self._access.may_register(client, client.lfdi):
            raise forbidden("not-registered")

    def _refusal(self, refusal: RefusedError) -> web.Response:
        self._statistics.refused[refusal.reason] += 1
        body = b"" if refusal.code is None else error_body(refusal.code)
        response = _response(Answer(refusal.status, body))
        if isinstance(refusal, TooOftenError):
            response.headers[hdrs.RETRY_AFTER] = str(refusal.wait_s)
        elif isinstance(refusal, NotAllowedError):
            response.headers[hdrs.ALLOW] = refusal.allow
        if refusal.body_unread:
            response.force_close()
        return response


class TooOftenError(RefusedError):
    """429: the client has used up what it may ask for.

    Attributes:
        wait_s: seconds until it may ask again.
    """

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, "too-often", TOO_OFTEN, body_unread=True)


class NotAllowedError(RefusedError):
    """405: the path has no such method.

    Attributes:
        allow: those it has.
    """

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(HTTPStatus.METHOD_NOT_ALLOWED, "method", body_unread=True)


def _response(answer: Answer) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    if answer.body:
        headers[hdrs.CONTENT_TYPE] = MEDIA_TYPE
    if answer.location:
        headers[hdrs.LOCATION] = answer.location
    return web.Response(status=answer.status, body=answer.body or None, headers=headers)
