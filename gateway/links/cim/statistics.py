"""What the endpoint counts: nothing is refused or dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class ServerStatistics:
    """Counts since the start.

    Attributes:
        connections: connections whose peer was known by its certificate.
        handshakes_failed: TLS handshakes that failed: no certificate, a wrong one, too slow.
        handshakes_dropped: the oldest ones, dropped for newer ones when there were too many.
        connections_refused: closed because there were too many, of all or of one peer.
        connections_slow: closed because a request head did not come, or an answer was not
            taken, in time.
        connections_idle: closed because nothing was asked any more.
        connections_broken: closed amid something that was no HTTP request or not all of one, or
            amid the rest of a refused body.
        requests: requests to the group functions.
        answered: of them, those that got the handler's reply, whatever its result.
        refused: of them, those refused by the endpoint, by error code.
        queries: requests to the read-only routes.
    """

    connections: int = 0
    handshakes_failed: int = 0
    handshakes_dropped: int = 0
    connections_refused: int = 0
    connections_slow: int = 0
    connections_idle: int = 0
    connections_broken: int = 0
    requests: int = 0
    answered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    queries: int = 0

    def refuse(self, code: str) -> None:
        """Count one refusal."""
        self.refused[code] = self.refused.get(code, 0) + 1
