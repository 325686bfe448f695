"""The operator's side of the gateway's HTTPS endpoint: status and group functions."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from hil.demo.wire import Answer, Ask, read_answer, request

_TIMEOUT_S = 10.0
#: Largest answer taken, bytes.
_MAX_ANSWER = 4 << 20
#: Under which the gateway issues the demo's client certificate.
CLIENT = "operator"


class ClientError(RuntimeError):
    """The gateway did not answer, or not as agreed."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Certificates the gateway made at its first start."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of_site(cls, site: Path, client: str = CLIENT) -> Self:
        """Where a site's gateway puts them."""
        folder = site / "data" / "pki"
        stem = f"client-{client}"
        return cls(folder / "ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key")

    @property
    def exist(self) -> bool:
        """Whether all are there yet."""
        return all(path.is_file() for path in (self.ca, self.certificate, self.key))

    def context(self) -> ssl.SSLContext:
        """TLS that trusts the site's own CA alone and shows our certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


class OperatorClient:
    """Talks to one gateway.

    Args:
        port: of its HTTPS endpoint on loopback.
        credentials: ours.
        group_source: the DMS id put into requests.
    """

    def __init__(self, port: int, credentials: Credentials, group_source: str = CLIENT) -> None:
        self._base = f"https://127.0.0.1:{port}"
        self._source = group_source
        self._count = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=credentials.context()),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        )

    async def status(self) -> dict[str, Any]:
        """What the gateway says of itself.

        Raises:
            ClientError: no answer, or none that is a JSON object.
        """
        try:
            async with self._session.get(f"{self._base}/status") as response:
                response.raise_for_status()
                status = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise ClientError(f"GET /status: {_text(error)}") from error
        if not isinstance(status, dict):
            raise ClientError("GET /status: no JSON object")
        return status

    async def ask(self, ask: Ask, group: str) -> Answer:
        """Send one group function and bring its reply.

        Raises:
            ClientError: no answer, or none that is a reply to this request.
        """
        self._count += 1
        now = datetime.now(tz=UTC)
        message_id = f"{self._source}-{now:%H%M%S%f}-{self._count}"
        document = request(ask, group, message_id, now, source=self._source)
        headers = {"Content-Type": "application/xml"}
        try:
            async with self._session.post(
                f"{self._base}/groups", data=document, headers=headers
            ) as response:
                body = await response.content.read(_MAX_ANSWER)
                answer = read_answer(body)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise ClientError(f"POST /groups: {_text(error)}") from error
        if answer.correlation_id != message_id:
            raise ClientError("POST /groups: the reply is not to this request")
        return answer

    async def __aenter__(self) -> Self:
        """Nothing is connected before the first request."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close connections."""
        await self._session.close()


def _text(error: Exception) -> str:
    """An error in words; timeouts have none of their own."""
    return str(error) or type(error).__name__
