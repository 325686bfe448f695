"""What goes out to one master: frames in order, those of a long answer built ahead."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.links.dnp3.codec import RESPONSE_HEADER
from gateway.links.dnp3.frames import FramedAhead, link_frame, user_data


class Outbox:
    """Octets waiting to be sent.

    Args:
        station, master: link addresses.
    """

    def __init__(self, station: int, master: int) -> None:
        self._station = station
        self._master = master
        self._octets = bytearray()
        self._sequence = 0
        self._ahead: FramedAhead | None = None

    def link(self, function: int) -> None:
        """Add a frame of the link layer's own."""
        self._octets += link_frame(
            function, self._master, self._station, from_master=False, primary=False
        )

    def fragment(self, fragment: bytes) -> None:
        """Add a fragment; an empty one is none."""
        if not fragment:
            return
        framed = None if self._ahead is None else self._ahead.take(fragment, self._sequence)
        octets, self._sequence = framed or user_data(
            fragment, self._master, self._station,
            from_master=False, first_sequence=self._sequence,
        )  # fmt: skip
        self._octets += octets

    def begin(self, bodies: Sequence[bytes]) -> None:
        """An answer of several fragments begins: what stands behind the header of each."""
        self._ahead = FramedAhead(
            bodies, self._master, self._station, RESPONSE_HEADER, self._sequence
        )

    def end(self) -> None:
        """Whatever was built ahead is not sent any more."""
        self._ahead = None

    @property
    def is_ahead(self) -> bool:
        """Whether fragments are built ahead."""
        return self._ahead is not None

    def take(self) -> bytes:
        """Octets to send now; each is given once."""
        octets = bytes(self._octets)
        self._octets.clear()
        return octets

    def clear(self) -> None:
        """The connection is over."""
        self._octets.clear()
        self._ahead = None
