"""``[https]`` of the site file: the group-function endpoint, and who is told of events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.profiles.validate import Strict
from gateway.site.names import Name, Port


class SubscriberTable(Strict):
    """``[[https.subscriber]]``: who is told of events, over HTTPS at its ``/events``.

    ``ca``, ``certificate`` and ``key`` are what that box gave us, paths from the site folder.
    No ``groups`` and no ``kinds`` are all of them.
    """

    url: Annotated[str, Field(pattern=r"^https://[^/\s]+:\d{1,5}/events$")]
    ca: str
    certificate: str
    key: str
    groups: tuple[Name, ...] = ()
    kinds: tuple[Literal["STATUS", "FORECAST", "GROUP"], ...] = ()


class HttpsTable(Strict):
    """``[https]``: the group-function endpoint. Clients must show a certificate of the site's CA.

    ``clients`` are made by the site's own CA at first start; ``allow`` narrows who may ask;
    requests of ``operators`` have the operator's rank at the arbiter; ``administrators`` may make,
    change and delete groups. A request is refused once it is ``window_s`` old. A status event is
    due when a power, or what is possible, changes by ``event_deadband_pct`` of the rating.
    """

    host: str = "127.0.0.1"
    port: Port
    pki: str = "pki"
    clients: tuple[str, ...] = ("dms", "operator")
    allow: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    administrators: tuple[str, ...] = ()
    window_s: Annotated[float, Field(ge=10, le=3600)] = 300.0
    event_deadband_pct: Annotated[float, Field(gt=0, le=100)] = 5.0
    subscriber: tuple[SubscriberTable, ...] = ()
