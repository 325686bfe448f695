"""What every room of the server stands on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.links.sep2.config import Sep2ServerConfig
from gateway.links.sep2.serving.journal import Journal
from gateway.links.sep2.serving.statistics import ServerStatistics
from gateway.model.clock import Clock

#: Told that what a path answers with is another now; to all its readers, or to these LFDIs.
Changed = Callable[[str, Collection[str] | None], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What every room stands on.

    Attributes:
        config: settings.
        clock: time.
        journal: the state on disk.
        statistics: what is counted.
        changed: tells subscribers.
    """

    config: Sep2ServerConfig
    clock: Clock
    journal: Journal
    statistics: ServerStatistics
    changed: Changed

    def now_s(self) -> int:
        """The time of the standard's TimeType: UTC seconds since 1970."""
        return self.clock.utc_ms() // 1000


def number(text: str) -> int:
    """The number that a segment of a path is; -1 where it is none, as no number of ours is."""
    plain = text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if plain and (text == "0" or text[0] != "0") else -1


def derived_mrid(text: str, pen: int) -> int:
    """An mRID that stays the same over restarts: 96 bits of a hash, then the enterprise number."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:12]) << 32 | pen
