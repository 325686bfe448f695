"""What the server counted, for the admin view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ServerStatistics:
    """Counts since the start.

    Attributes:
        connections: admitted.
        handshakes_failed: TLS handshakes that did not end well: no certificate, an unknown CA.
        handshakes_dropped: that gave way to newer ones.
        connections_refused: over a cap.
        connections_slow: cut off in the middle of a request or of reading an answer.
        connections_idle: cut off between requests.
        requests: taken, whatever the answer.
        refused: requests refused, by reason.
        dropped: things of clients that were not kept, by kind.
        notifications_sent: taken by their subscriber.
        notifications_failed: tries that failed.
        last_contact_ms: last request of each known client by LFDI, UTC ms.
    """

    connections: int = 0
    handshakes_failed: int = 0
    handshakes_dropped: int = 0
    connections_refused: int = 0
    connections_slow: int = 0
    connections_idle: int = 0
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    notifications_sent: int = 0
    notifications_failed: int = 0
    last_contact_ms: dict[str, int] = field(default_factory=dict)
