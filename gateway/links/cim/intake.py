"""From an HTTP request to a typed one: every limit stands before what it protects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from aiohttp import hdrs, web

from gateway.groups import schema
from gateway.groups.xml import CONTENT_TYPE
from gateway.groups.xml_faults import InvalidMessageError
from gateway.groups.xml_guard import MAX_BYTES
from gateway.links.cim.config import ServerConfig
from gateway.links.cim.refusal import RefusedError
from gateway.model.xml_places import Fault

#: Larger documents are decoded in a thread, so that the loop keeps its pace.
_INLINE_BYTES = 8 * 1024
_TYPES = ("application/xml", "text/xml")
#: Names a certificate may have: they go into the audit trail and rank at the arbiter.
_PEER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ @-]{0,63}")


Decoded = TypeVar("Decoded")


class Intake:
    """Who may ask, how much and how long; and what it says.

    Args:
        config: limits.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        # one thread: reports wait for each other, and xmlschema is never used twice at once
        self._thread = ThreadPoolExecutor(1, "group-xml")

    async def warm_up(self) -> None:
        """Spend now what the first refusal would have to wait for."""
        await asyncio.get_running_loop().run_in_executor(self._thread, schema.warm_up)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check_peer(self, peer: str) -> None:
        """Let a certificate's name in, or not.

        Raises:
            RefusedError: 403.
        """
        known = _PEER.fullmatch(peer) is not None
        if not known or (self._config.allow and peer not in self._config.allow):
            reason = f"the certificate's name {peer[:64]!r} may not ask here"
            raise RefusedError(HTTPStatus.FORBIDDEN, "not-allowed", [reason])

    def check_head(self, request: web.Request, peer: str) -> None:
        """Judge by the head, before a byte of the body is read.

        Raises:
            RefusedError: 403, 413 or 415.
        """
        self.check_peer(peer)
        charset = (request.charset or "utf-8").lower()
        if request.content_type not in _TYPES or charset not in ("utf-8", "us-ascii"):
            told = request.headers.get(hdrs.CONTENT_TYPE, "none")
            reason = f"Content-Type is {told}; send {CONTENT_TYPE} in UTF-8"
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type", [reason])
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            reason = "a compressed body is not taken"
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding", [reason])
        if (request.content_length or 0) > MAX_BYTES:
            raise _too_large()

    async def body(self, request: web.Request) -> bytes:
        """The body, whole.

        Raises:
            RefusedError: 400 broken off, 408 too slow, 413 too large.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise _too_large()
        except TimeoutError:
            reason = f"the body did not come within {self._config.body_timeout_s:g} s"
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "slow-body", [reason]) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            reason = f"the body broke off: {error}"
            raise RefusedError(HTTPStatus.BAD_REQUEST, "broken-body", [reason]) from None
        return bytes(body)

    async def decoded(
        self, body: bytes, decode: Callable[[bytes], Decoded], *, explain: bool = True
    ) -> Decoded:
        """The message in a body.

        Args:
            body: the document.
            decode: makes the message of it. Raises InvalidMessageError.
            explain: judge a refused one again, by the validator with the plainer words.

        Raises:
            RefusedError: 400, with a report for people.
        """
        loop = asyncio.get_running_loop()
        try:
            if len(body) <= _INLINE_BYTES:
                return decode(body)
            return await loop.run_in_executor(self._thread, decode, body)
        except InvalidMessageError as error:
            readable: list[Fault] = []
            if explain:
                readable = await loop.run_in_executor(self._thread, _readable, body)
            reasons = [str(fault) for fault in readable or error.faults]
            status = HTTPStatus.BAD_REQUEST
            raise RefusedError(status, "invalid-message", reasons, error.identity) from None


def _too_large() -> RefusedError:
    reason = f"the body is larger than {MAX_BYTES // 1024} KiB"
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", [reason])


def _readable(body: bytes) -> list[Fault]:
    """The report of xmlschema; empty where it has none to give."""
    try:
        return schema.report(body)
    except InvalidMessageError as error:
        return list(error.faults)
