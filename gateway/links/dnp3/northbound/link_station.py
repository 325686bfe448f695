"""The data link's secondary station: what a frame is answered with, and whether it counts.

Source: IEEE 1815-2012, data link layer (edition not verified).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.links.dnp3.frames import (
    ACK,
    BROADCASTS,
    CONFIRMED,
    LINK_STATUS,
    NOT_SUPPORTED,
    REQUEST_STATUS,
    RESET_LINK,
    TEST_LINK,
    UNCONFIRMED,
    Frame,
)

_COUNTING = frozenset({CONFIRMED, TEST_LINK})
_USER_DATA = frozenset({CONFIRMED, UNCONFIRMED})


@dataclass(frozen=True, slots=True)
class Heard:
    """What a frame amounts to.

    Attributes:
        answer: function code of the secondary frame that answers it; None for silence.
        payload: user data to be taken; empty where there is none.
        reset: whether the link was reset: unfinished series are over.
    """

    answer: int | None = None
    payload: bytes = b""
    reset: bool = False


_IGNORED = Heard()


class LinkStation:
    """One master's data link, seen from the outstation.

    Attributes:
        dropped: frames that contradict themselves or the link's state.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._reset = False
        self._expected_fcb = True

    def disconnected(self) -> None:
        """A new connection is a new link: it counts once it has been reset."""
        self._reset = False

    def hear(self, frame: Frame) -> Heard:
        """What to do about a primary frame that is for us."""
        function = frame.function
        carries = bool(frame.payload) == (function in _USER_DATA)
        if not frame.is_primary or frame.fcv != (function in _COUNTING) or not carries:
            return self._drop()
        heard: Heard
        if function == UNCONFIRMED:
            heard = Heard(payload=frame.payload)
        elif function == REQUEST_STATUS:
            heard = Heard(LINK_STATUS)
        elif function == RESET_LINK:
            self._reset = self._expected_fcb = True
            heard = Heard(ACK, reset=True)
        elif function not in _COUNTING:
            heard = Heard(NOT_SUPPORTED)
        elif not self._reset:  # nothing to count against
            heard = self._drop()
        elif frame.fcb != self._expected_fcb:  # sent again, its ACK was lost: taken already
            heard = Heard(ACK)
        else:
            self._expected_fcb = not self._expected_fcb
            heard = Heard(ACK, frame.payload)
        # a broadcast is never answered: every outstation that heard it would, at once
        return Heard(None, heard.payload, heard.reset) if frame.destination in BROADCASTS else heard

    def _drop(self) -> Heard:
        self.dropped += 1
        return _IGNORED
