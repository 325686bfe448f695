"""Asking a group over HTTPS. A request is sent once: whoever wants it again sends it again."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import aiohttp

from gateway.groups.events import GroupEvent
from gateway.groups.messages import GroupReply, GroupRequest, Result, StatusRequest
from gateway.groups.xml import CONTENT_TYPE, decode_reply, encode
from gateway.groups.xml_faults import InvalidMessageError
from gateway.links.cim.config import ClientConfig
from gateway.model.errors import LinkError, RemoteProtocolError

#: Statuses whose reply tells of the message itself; the others tell of the endpoint.
_TOLD = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST)
#: Statuses that may be others in a while, or with another certificate.
_LATER = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
#: Largest answer read; a read-only route may tell more than a message can.
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_UNKNOWN = "what it did is not known: ask for the status before sending it again"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply, as typed and as sent."""

    request: GroupRequest
    reply: GroupReply
    request_xml: bytes
    reply_xml: bytes


class GroupClient:
    """Sends group functions to one endpoint.

    Args:
        url: of the endpoint, ``https://host:port/groups`` or, for events, ``/events``.
        context: TLS, from :func:`gateway.links.cim.tls.client_context`.
        config: time-outs.
    """

    def __init__(
        self, url: str, context: ssl.SSLContext, config: ClientConfig | None = None
    ) -> None:
        self._url = url
        self._context = context
        self._config = config or ClientConfig()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: GroupRequest) -> GroupReply:
        """Send a request, once, and wait for its reply.

        Raises:
            LinkError: unreachable, too slow, saturated, or it does not let us ask. The message
                says where a set point may have been carried out all the same.
            RemoteProtocolError: the answer is no reply, or the reply to something else.
            LocalProtocolError: the request cannot be written.
        """
        return (await self.exchange(request)).reply

    async def exchange(self, request: GroupRequest) -> Exchange:
        """As :meth:`send`, with both documents.

        Raises:
            LinkError, RemoteProtocolError, LocalProtocolError: as :meth:`send`.
        """
        document = encode(request)
        reply, answer = await self._ask(document, request.address.message_id)
        if unsaid := _unsaid(request, reply):
            raise RemoteProtocolError(f"{self._url}: a status without {', '.join(unsaid)}")
        return Exchange(request, reply, document, answer)

    async def notify(self, event: GroupEvent) -> GroupReply:
        """Tell of an event, once; the reply acknowledges it.

        Raises:
            LinkError, RemoteProtocolError, LocalProtocolError: as :meth:`send`.
        """
        return (await self._ask(encode(event), event.message_id))[0]

    async def _ask(self, document: bytes, asked: str) -> tuple[GroupReply, bytes]:
        """Send a document; the reply to it, as typed and as received."""
        status, answer = await self._transfer("POST", self._url, document)
        try:
            reply = decode_reply(answer)
        except InvalidMessageError as error:
            raise RemoteProtocolError(f"{self._url}: HTTP {status}, no reply: {error}") from error
        if status not in _TOLD:
            reasons = "; ".join(error.reason for error in reply.errors)
            kind = LinkError if status in _LATER else RemoteProtocolError
            raise kind(f"{self._url}: HTTP {status}: {reasons}")
        if reply.correlation_id != asked:
            message = f"{self._url}: reply to {reply.correlation_id!r}, asked was {asked!r}"
            raise RemoteProtocolError(f"{message}; {_UNKNOWN}")
        return reply, answer

    async def query(self, path: str) -> dict[str, Any]:
        """What a read-only route of the same server tells.

        Raises:
            LinkError: unreachable, or not served.
            RemoteProtocolError: the answer is not a JSON object.
        """
        url = self._url.rpartition("/")[0] + path
        status, answer = await self._transfer("GET", url, None)
        if status != HTTPStatus.OK:
            raise LinkError(f"{url}: HTTP {status}")
        try:
            content = json.loads(answer)
        except ValueError as error:
            raise RemoteProtocolError(f"{url}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise RemoteProtocolError(f"{url}: not a JSON object")
        return content

    async def _transfer(self, method: str, url: str, document: bytes | None) -> tuple[int, bytes]:
        session = self._session or self._open()
        headers = {"Content-Type": CONTENT_TYPE} if document is not None else {}
        try:
            async with session.request(
                method, url, data=document, headers=headers, allow_redirects=False
            ) as response:
                answer = await _read(response)
                return response.status, answer
        except aiohttp.ClientConnectorError as error:
            raise LinkError(f"{url}: {error}; nothing was sent") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise LinkError(f"{url}: no connection in time; nothing was sent") from error
        except TimeoutError as error:
            raise LinkError(f"{url}: no answer in time; {_UNKNOWN}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LinkError(f"{url}: {str(error) or type(error).__name__}; {_UNKNOWN}") from error

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._context, keepalive_timeout=self._config.keepalive_s, limit=4
        )
        timeout = aiohttp.ClientTimeout(
            total=self._config.answer_timeout_s, connect=self._config.connect_timeout_s
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        )
        return self._session


def _unsaid(request: GroupRequest, reply: GroupReply) -> list[str]:
    """Quantities asked for that a status leaves out (paper, table 4): no schema can see that."""
    if not isinstance(request, StatusRequest) or reply.result is Result.FAILED:
        return []
    told = {entry.quantity for entry in reply.present}
    return [quantity for quantity in request.quantities if quantity not in told]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            response.close()
            raise RemoteProtocolError(f"{response.url}: the answer is too large")
    return bytes(body)
