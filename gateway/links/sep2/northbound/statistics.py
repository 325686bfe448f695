"""What the client counted and knows, for status pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ClientStatistics:
    """Counts since the start.

    Attributes:
        requests: sent.
        refused: answers that were not taken, by reason.
        dropped: things that were not kept or not sent, by kind.
        notifications: taken.
        last_contact_s: last whole answer, monotonic s; None before the first.
        time_offset_s: the server's time less ours, s; None before it told.
        time_quality: of the server's time, as in the standard's TimeResource.
        last_error: what went wrong last.
    """

    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    notifications: int = 0
    last_contact_s: float | None = None
    time_offset_s: float | None = None
    time_quality: int | None = None
    last_error: str = ""


@dataclass
class EndDeviceState:
    """One device, as the utility's server and we see it.

    Attributes:
        lfdi: its identity.
        href: of its EndDevice; empty while the server has none.
        fault: why it is not followed; empty where it is.
        effective: mode to the mRID of what sets it.
        following: mRIDs of the events that are known and not over.
        last_contact_s: last time something of it was read or written, monotonic s.
        responses: posted, by code.
        waiting: responses not yet posted.
        dropped: responses given up.
    """

    lfdi: str
    href: str = ""
    fault: str = "not found yet"
    effective: Mapping[str, int] = field(default_factory=dict)
    following: tuple[int, ...] = ()
    last_contact_s: float | None = None
    responses: Counter[int] = field(default_factory=Counter)
    waiting: int = 0
    dropped: int = 0
