"""The endpoint: ``POST /groups`` and ``POST /events`` over TLS with client certificates.

Beside them there are read-only JSON routes.

XML is decoded and encoded by :mod:`gateway.groups.xml`; what a request does is the handler's. A
refusal of the endpoint is a FAILED reply with one error a reason, whatever the HTTP status; a
reply of the handler is sent with 200, whatever its result.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from gateway.groups.events import GroupEvent
from gateway.groups.forms import form_of
from gateway.groups.messages import GroupReply, GroupRequest
from gateway.groups.xml import CONTENT_TYPE, decode_event, encode
from gateway.groups.xml_faults import Identity
from gateway.links.cim.config import ServerConfig
from gateway.links.cim.connection import GuardedConnection
from gateway.links.cim.intake import Intake
from gateway.links.cim.listener import Listener
from gateway.links.cim.refusal import RefusedError
from gateway.links.cim.statistics import ServerStatistics
from gateway.model.clock import Clock
from gateway.model.errors import LinkError

#: Answers a request on behalf of a certificate's name (CN).
Handler = Callable[[GroupRequest, str], Awaitable[GroupReply]]
#: Gives a route's JSON object.
Route = Callable[[], Awaitable[dict[str, Any]] | dict[str, Any]]

#: Takes an event that a box tells of, whose certificate has that name.
EventHandler = Callable[[GroupEvent, str], Awaitable[GroupReply]]

PATH, EVENTS_PATH = "/groups", "/events"
#: How long the rest of a refused body is read and thrown away, so that the refusal arrives.
_LINGER_S = 1.0


class GroupServer:
    """Serves group functions.

    Args:
        config: limits and who may ask.
        context: TLS, from :func:`gateway.links.cim.tls.server_context`.
        handler: answers a request; refuses with a reply, never with an exception.
        clock: stamps refusals.
        routes: path to what a GET of it answers with.
        events: takes events; None where this box has no use for any.

    Attributes:
        statistics: counts, live.
        port: port in use once :meth:`run` listens; 0 before.
        listening: set while the server listens.
    """

    def __init__(
        self,
        config: ServerConfig,
        context: ssl.SSLContext,
        handler: Handler,
        clock: Clock,
        routes: Mapping[str, Route] | None = None,
        events: EventHandler | None = None,
    ) -> None:
        self.config = config
        self.statistics = ServerStatistics()
        self.port = 0
        self.listening = asyncio.Event()
        self._context = context
        self._handler = handler
        self._clock = clock
        self._routes = dict(routes or {})
        self._events = events
        self._intake = Intake(config)
        self._listener: Listener | None = None
        self._bug: asyncio.Future[None] | None = None
        self._answering = 0

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkError: the address cannot be listened on.
            Exception: what the handler or a route raised, which is a bug.
        """
        self._intake = Intake(self.config)  # its thread ended with the run before
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=_quiet(),
            auto_decompress=False,
            keepalive_timeout=2 * self.config.idle_timeout_s,  # ours comes first
            lingering_time=_LINGER_S,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            await self._serve(runner)
        finally:
            self.listening.clear()
            if self._listener is not None:
                self._listener.close()
            await runner.cleanup()
            self._intake.close()

    async def _serve(self, runner: web.AppRunner) -> None:
        if runner.server is None:
            raise RuntimeError("the runner was not set up")
        try:
            self._listener = Listener(self.config, self._context, runner.server, self.statistics)
        except OSError as error:
            place = f"{self.config.host}:{self.config.port}"
            raise LinkError(f"cannot listen on {place}: {error}") from error
        self._bug = asyncio.get_running_loop().create_future()
        accepting = asyncio.ensure_future(self._listener.run())
        try:
            await self._intake.warm_up()
            self.port = self._listener.port
            self.listening.set()
            await asyncio.wait((accepting, self._bug), return_when=asyncio.FIRST_COMPLETED)
            await (self._bug if self._bug.done() else accepting)
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)

    def _application(self) -> web.Application:
        application = web.Application()
        groups, events = self._post(self._reply), self._post(self._acknowledge)
        application.router.add_post(PATH, groups, expect_handler=self._expect)
        if self._events is not None:
            application.router.add_post(EVENTS_PATH, events, expect_handler=self._expect)
        for path, route in self._routes.items():
            application.router.add_get(path, self._query(route), allow_head=False)
        return application

    def _post(
        self, answer: Callable[[web.Request, str], Awaitable[bytes]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A route that takes a document and answers with a reply."""

        async def post(request: web.Request) -> web.Response:
            connection = self._connection(request)
            connection.busy()
            self.statistics.requests += 1
            try:
                document = await answer(request, connection.peer)
                response = _response(HTTPStatus.OK, document)
                self.statistics.answered += 1
            except RefusedError as refusal:
                response = self._refusal(refusal)
            except Exception as error:
                self._report_bug(error)
                raise
            finally:
                connection.wait()
            return response

        return post

    async def _reply(self, request: web.Request, peer: str) -> bytes:
        """``POST /groups``, in either form."""
        self._intake.check_head(request, peer)
        body = await self._intake.body(request)
        form = form_of(body)
        try:
            message = await self._intake.decoded(body, form.read, explain=not form.is_iec)
            address = message.address
            identity = Identity(address.message_id, address.dms_id, address.group_id)
            reply = await self._bounded(lambda: self._handler(message, peer), identity)
        except RefusedError as refusal:
            refusal.form = form
            raise
        return form.write(reply)

    async def _acknowledge(self, request: web.Request, peer: str) -> bytes:
        """``POST /events``."""
        self._intake.check_head(request, peer)
        event = await self._intake.decoded(await self._intake.body(request), decode_event)
        identity = Identity(event.message_id, event.source, event.group_id)
        if (take := self._events) is None:
            raise web.HTTPNotFound
        return encode(await self._bounded(lambda: take(event, peer), identity))

    async def _bounded(
        self, answer: Callable[[], Awaitable[GroupReply]], identity: Identity
    ) -> GroupReply:
        """What the handler answers, in time and not too many at once."""
        if self._answering >= self.config.max_requests:
            reason = f"{self._answering} requests are being answered; try again later"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", [reason], identity)
        self._answering += 1
        try:
            return await asyncio.wait_for(answer(), self.config.answer_timeout_s)
        except TimeoutError:
            reason = (
                f"no answer within {self.config.answer_timeout_s:g} s; what was done is not "
                "known: ask for the status"
            )
            raise RefusedError(HTTPStatus.GATEWAY_TIMEOUT, "timeout", [reason], identity) from None
        finally:
            self._answering -= 1

    def _query(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def query(request: web.Request) -> web.Response:
            connection = self._connection(request)
            connection.busy()
            self.statistics.queries += 1
            try:
                self._intake.check_peer(connection.peer)
                result = route()
                content = await result if inspect.isawaitable(result) else result
                return web.json_response(content)
            except RefusedError as refusal:
                self.statistics.refuse(refusal.code)
                return web.Response(status=refusal.status, text="; ".join(refusal.reasons))
            except Exception as error:
                self._report_bug(error)
                raise
            finally:
                connection.wait()

        return query

    async def _expect(self, request: web.Request) -> None:
        """``Expect: 100-continue``: ask for the body only where it will be read."""
        try:
            self._intake.check_head(request, self._connection(request).peer)
        except RefusedError:
            return  # the handler says the same, with a reply
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _connection(self, request: web.Request) -> GuardedConnection:
        found = self._listener.connection(request.transport) if self._listener else None
        if found is None:
            raise web.HTTPBadRequest(text="the connection is over")
        return found

    def _refusal(self, refusal: RefusedError) -> web.Response:
        self.statistics.refuse(refusal.code)
        number = sum(self.statistics.refused.values())
        document = refusal.form.write(refusal.reply(number, self._clock.utc_ms()))
        response = _response(refusal.status, document)
        if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers[hdrs.RETRY_AFTER] = "1"
        if refusal.body_unread:
            response.force_close()
        return response

    def _report_bug(self, error: Exception) -> None:
        if self._bug is not None and not self._bug.done():
            self._bug.set_exception(error)


def _response(status: HTTPStatus, document: bytes) -> web.Response:
    return web.Response(status=status, body=document, content_type=CONTENT_TYPE)


def _quiet() -> logging.Logger:
    """What peers send wrong is counted: a traceback for each would let them fill the disk."""
    logger = logging.getLogger("tieline.http")
    logger.setLevel(logging.CRITICAL)
    return logger
