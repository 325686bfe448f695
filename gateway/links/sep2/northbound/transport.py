"""Requests to the server: one session, one host, every answer bounded in size and time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from yarl import URL

from gateway.links.sep2.client_config import ClientLimits
from gateway.links.sep2.codec import MEDIA_TYPE, decode, encode
from gateway.links.sep2.northbound.addresses import Origin
from gateway.links.sep2.northbound.statistics import ClientStatistics
from gateway.links.sep2.resources import Resource
from gateway.model.clock import Clock
from gateway.model.errors import LinkError, RemoteProtocolError

_R = TypeVar("_R", bound=Resource)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_TOO_MANY, _UNAVAILABLE = 429, 503
#: So many requests in a row without a whole answer in time: the server is lost.
_LOST_AFTER = 3
_HEADERS = {"Accept": MEDIA_TYPE}


class RefusedError(Exception):
    """The server answered, but not with what was asked for.

    Attributes:
        status: of HTTP; 0 where no whole answer came in time.
        retry_after_s: how long it wants to be left alone, s; 0 where it does not say.
    """

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"status {status}" if status else "no answer in time")

    @property
    def gone(self) -> bool:
        """Whether there is no such resource."""
        return self.status in _GONE

    @property
    def lasting(self) -> bool:
        """Whether asking the same again is of no use."""
        return 400 <= self.status < 500 and self.status not in (408, 425, _TOO_MANY)


class Transport:
    """Asks the server; what it answers is decoded, judged and counted.

    Args:
        origin: the only host ever asked.
        context: TLS.
        limits: caps.
        clock: time.
        statistics: what is counted.
    """

    def __init__(
        self,
        origin: Origin,
        context: ssl.SSLContext,
        limits: ClientLimits,
        clock: Clock,
        statistics: ClientStatistics,
    ) -> None:
        self.origin = origin
        self._context = context
        self._limits = limits
        self._clock = clock
        self._statistics = statistics
        self._session: aiohttp.ClientSession | None = None
        self._silent_until_s = 0.0
        self._unanswered = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A session for as long as the block lasts."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=4)
        timeout = aiohttp.ClientTimeout(
            total=self._limits.request_timeout_s,
            connect=self._limits.connect_timeout_s,
            sock_connect=self._limits.connect_timeout_s,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        ) as session:
            self._session = session
            try:
                yield
            finally:
                self._session = None

    async def get(self, path: str, accepted: type[_R]) -> _R:
        """The resource at a path.

        Raises:
            RefusedError: any status but 200, or no whole answer in time.
            RemoteProtocolError: what came is not that resource.
            LinkError: the server cannot be reached.
        """
        for _ in range(self._limits.max_redirects + 1):
            status, body, location = await self._ask("GET", path, None)
            if status in _REDIRECTS and location:
                path = self._place(location, path)
                continue
            if status != 200:
                raise RefusedError(status, self.left_s())
            try:
                return decode(body, accepted)
            except RemoteProtocolError:
                self._statistics.refused["malformed"] += 1
                raise
        self._statistics.refused["redirects"] += 1
        raise RemoteProtocolError("it redirects in circles")

    async def send(self, method: str, path: str, resource: Resource | None = None) -> str:
        """PUT, POST or DELETE.

        Returns:
            The path of its Location; empty where it names none on our server.

        Raises:
            RefusedError: a status that is no success, or no answer in time.
            RemoteProtocolError: its answer is nonsense.
            LinkError: the server cannot be reached.
        """
        body = None if resource is None else encode(resource)
        status, _, location = await self._ask(method, path, body)
        if not 200 <= status < 300:
            raise RefusedError(status, self.left_s())
        try:
            return self._place(location, path) if location else ""
        except RemoteProtocolError:  # counted; what was sent has arrived all the same
            return ""

    def left_s(self) -> float:
        """How long the server still wants to be left alone, s."""
        return max(0.0, self._silent_until_s - self._clock.monotonic_s())

    def _place(self, href: str, within: str) -> str:
        try:
            return self.origin.path(href, within)
        except RemoteProtocolError:
            self._statistics.refused["foreign-href"] += 1
            raise

    async def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes, str]:
        if (left_s := self.left_s()) > 0:
            raise RefusedError(_TOO_MANY, left_s)
        if self._session is None:
            raise LinkError("the client is not running")
        headers = _HEADERS if body is None else {**_HEADERS, "Content-Type": MEDIA_TYPE}
        url = URL(f"{self.origin.base}{path}", encoded=True)
        self._statistics.requests += 1
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await self._body(answer)
                self._statistics.last_contact_s = self._clock.monotonic_s()
                self._unanswered = 0
                self._look_at_pause(answer)
                return answer.status, content, answer.headers.get("Location", "")
        except aiohttp.ConnectionTimeoutError as error:
            raise LinkError(f"{self.origin.base} cannot be reached in time") from error
        except TimeoutError:
            self._statistics.refused["slow"] += 1
            self._unanswered += 1
            if self._unanswered >= _LOST_AFTER:
                self._unanswered = 0
                raise LinkError(f"{self.origin.base} does not answer") from None
            raise RefusedError(0) from None
        except (aiohttp.ClientConnectionError, ssl.SSLError, OSError) as error:
            raise LinkError(f"{self.origin.base} is lost: {error}") from error
        except (aiohttp.ClientError, ValueError) as error:
            self._statistics.refused["http"] += 1
            raise RemoteProtocolError(f"its answer is no HTTP: {type(error).__name__}") from error

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body, which is whole: a broken one is an error of aiohttp's."""
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            self._statistics.refused["encoding"] += 1
            answer.close()
            raise RemoteProtocolError("its answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > self._limits.max_body_bytes:
                self._statistics.refused["too-large"] += 1
                answer.close()
                raise RemoteProtocolError("its answer is larger than what is taken")
        return bytes(body)

    def _look_at_pause(self, answer: aiohttp.ClientResponse) -> None:
        """Obey Retry-After for every request: the others would only make it worse."""
        status = answer.status
        if status < 400:
            return
        self._statistics.refused[f"status-{status}"] += 1
        if status not in (_TOO_MANY, _UNAVAILABLE):
            return
        pause_s = 0.0
        with contextlib.suppress(ValueError):
            pause_s = float(int(answer.headers.get("Retry-After", "0")[:10]))
        pause_s = min(max(pause_s, 0.0), self._limits.retry_after_max_s)
        self._silent_until_s = self._clock.monotonic_s() + pause_s


async def pause(wake: asyncio.Event, timeout_s: float) -> None:
    """Sleep until woken, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await wake.wait()
    wake.clear()
