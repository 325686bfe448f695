"""From an HTTP request to a resource: every limit stands before what it protects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.links.sep2.codec import LIMITS, MEDIA_TYPE, Sep2DecodeError, decode
from gateway.links.sep2.config import TransportLimits
from gateway.links.sep2.resources import Error, Resource
from gateway.links.sep2.schema import Sep2Schema
from gateway.links.sep2.serving.answers import INVALID_FORMAT, RefusedError

_ANY_TYPE = frozenset({"*/*", "application/*", MEDIA_TYPE})


def check_accept(request: web.BaseRequest) -> None:
    """Whether the client reads what we write.

    Raises:
        RefusedError: 406.
    """
    accept = request.headers.get(hdrs.ACCEPT)
    if accept is None or accept in _ANY_TYPE:
        return
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in _ANY_TYPE and not _never(parameters):
            return
    raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, "accept")


def _never(parameters: list[str]) -> bool:
    """Whether a media type has quality 0: the client does not want it."""
    return any(p.startswith("q=") and not p[2:].strip("0.") for p in parameters)


class Intake:
    """Takes bodies.

    Args:
        limits: how large, and how slow.
        schema: what judges them.
    """

    def __init__(self, limits: TransportLimits, schema: Sep2Schema) -> None:
        self._limits = limits
        self._schema = schema
        most = min(LIMITS.max_bytes, limits.max_body_bytes)
        self._xml_limits = replace(LIMITS, max_bytes=most)

    async def resource(self, request: web.BaseRequest) -> Resource:
        """What a body says.

        Raises:
            RefusedError: 400, 408, 413 or 415.
        """
        self._check_head(request)
        body = await self._body(request)
        try:
            resource = decode(body, schema=self._schema, limits=self._xml_limits)
        except Sep2DecodeError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "malformed", INVALID_FORMAT) from None
        if isinstance(resource, Error):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "error-posted", INVALID_FORMAT)
        return resource

    def _check_head(self, request: web.BaseRequest) -> None:
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower()
        charset = (request.charset or "utf-8").lower()
        plain = encoding == "identity" and charset in ("utf-8", "us-ascii")
        if request.content_type != MEDIA_TYPE or not plain:
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            raise RefusedError(status, "content-type", body_unread=True)
        if (request.content_length or 0) > self._limits.max_body_bytes:
            raise _too_large()
        expects = request.headers.get(hdrs.EXPECT, "").lower()
        if expects == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _body(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._limits.max_body_bytes:
                        raise _too_large()
        except TimeoutError:
            status = HTTPStatus.REQUEST_TIMEOUT
            raise RefusedError(status, "slow-body", body_unread=True) from None
        except (web.RequestPayloadError, ConnectionError):
            status = HTTPStatus.BAD_REQUEST
            raise RefusedError(status, "broken-body", body_unread=True) from None
        return bytes(body)


def _too_large() -> RefusedError:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return RefusedError(status, "too-large", body_unread=True)
