"""Quality flags of a measurement, as in the IEEE 1815 object flag octet."""

from __future__ import annotations

from enum import IntFlag


class Quality(IntFlag):
    """IEEE 1815 flag octet of an analog point (bit positions as on the wire).

    A value may be used for control only where :attr:`is_good` holds. A stale value keeps its
    value and gains COMM_LOST; it never looks live.
    """

    OFFLINE = 0
    ONLINE = 1
    RESTART = 2
    COMM_LOST = 4
    REMOTE_FORCED = 8
    LOCAL_FORCED = 16
    OVER_RANGE = 32
    REFERENCE_ERR = 64

    @property
    def is_good(self) -> bool:
        """ONLINE and none of the flags that forbid use in control logic."""
        return (self & _JUDGED) == Quality.ONLINE

    @property
    def is_live(self) -> bool:
        """The source answers now, whatever it says: ONLINE, not lost, not just restarted."""
        return (self & _LIVE) == Quality.ONLINE


_LIVE = Quality.ONLINE | Quality.RESTART | Quality.COMM_LOST
_JUDGED = (
    Quality.ONLINE
    | Quality.RESTART
    | Quality.COMM_LOST
    | Quality.OVER_RANGE
    | Quality.REFERENCE_ERR
)

#: For vectorised checks: ``flags & GOOD_MASK == GOOD`` is :attr:`Quality.is_good` for arrays.
GOOD_MASK = int(_JUDGED)
GOOD = int(Quality.ONLINE)
