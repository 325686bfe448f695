"""Where a link leads: absolute or relative, and never to another host. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from gateway.model.errors import RemoteProtocolError

#: Longest href that is followed.
_LONGEST = 2048
_DEFAULT_PORT = 443


@dataclass(frozen=True, slots=True)
class Origin:
    """The server we talk to.

    Attributes:
        host: name or address, lower case.
        port: TCP port.
    """

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of the configured ``https`` address."""
        parts = urlsplit(url)
        return cls((parts.hostname or "").lower(), parts.port or _DEFAULT_PORT)

    @property
    def base(self) -> str:
        """What paths are appended to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    def path(self, href: str, within: str = "/") -> str:
        """The path (and query) on our server that an href means.

        Args:
            href: as the server wrote it.
            within: the path of the document it stands in, which a relative one starts from.

        Raises:
            RemoteProtocolError: it leads to another host, or is no address.
        """
        if not href or len(href) > _LONGEST or not href.isprintable() or " " in href:
            raise RemoteProtocolError("an href that is no address")
        try:
            parts = urlsplit(urljoin(f"{self.base}{within}", href))
            port = parts.port or _DEFAULT_PORT
        except ValueError:
            raise RemoteProtocolError("an href that is no address") from None
        if parts.username is not None or parts.password is not None:
            raise RemoteProtocolError("an href with credentials")
        if (parts.scheme, (parts.hostname or "").lower(), port) != ("https", self.host, self.port):
            raise RemoteProtocolError("an href that leads to another host")
        path = parts.path or "/"
        return f"{path}?{parts.query}" if parts.query else path


def paged(path: str, start: int, length: int) -> str:
    """The path of a page of a list."""
    joint = "&" if "?" in path else "?"
    return f"{path}{joint}s={start}&l={length}"
