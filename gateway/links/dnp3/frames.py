"""Data link and transport of one connection, over py1815's framing.

py1815 carries frames, CRCs, segments and reassembly; what stations do with them is ours.
"""

from __future__ import annotations

from py1815 import link, transport

from gateway.links.dnp3.frame_reader import Frame, FrameReader

__all__ = ["Frame", "FrameReader"]  # besides what is defined here

#: Function codes of primary frames (sent by whoever starts) and secondary ones (the answers).
RESET_LINK, TEST_LINK, CONFIRMED, UNCONFIRMED, REQUEST_STATUS = 0, 2, 3, 4, 9
ACK, NACK, LINK_STATUS, NOT_SUPPORTED = 0, 1, 11, 15
#: Largest address a station may have; above are broadcast, self and reserved addresses.
MAX_ADDRESS = link.MAX_ADDRESS
#: Broadcasts: confirmation of having been heard not wanted, wanted, optional.
BROADCAST_NO_CONFIRM, BROADCAST_CONFIRM, BROADCAST_OPTIONAL = 0xFFFD, 0xFFFE, 0xFFFF
BROADCASTS = frozenset({BROADCAST_NO_CONFIRM, BROADCAST_CONFIRM, BROADCAST_OPTIONAL})


class Reassembler:
    """Fragments out of one peer's segments; a series that breaks the rules is dropped, counted.

    Args:
        max_fragment: octets a fragment may have.
    """

    def __init__(self, max_fragment: int) -> None:
        self._reassembler = transport.Reassembler(max_fragment=max_fragment)
        self.dropped = 0

    def add(self, payload: bytes) -> bytes | None:
        """The fragment that this segment completes, if it does."""
        try:
            return self._reassembler.add(payload)
        except transport.TransportError:
            self.dropped += 1
            return None

    def reset(self) -> None:
        """Forget an unfinished series."""
        self._reassembler.reset()


def user_data(
    fragment: bytes, destination: int, source: int, *, from_master: bool, first_sequence: int
) -> tuple[bytes, int]:
    """A fragment as unconfirmed user-data frames, and the sequence the next one starts with."""
    control = link.control_byte(from_master=from_master, primary=True, function=UNCONFIRMED)
    segments = transport.segment(fragment, first_sequence=first_sequence)
    octets = b"".join(link.build(control, destination, source, part) for part in segments)
    return octets, (first_sequence + len(segments)) % transport.SEQUENCE_MODULUS


def link_frame(
    function: int,
    destination: int,
    source: int,
    *,
    from_master: bool,
    primary: bool,
    fcb: bool | None = None,
) -> bytes:
    """A frame without user data; ``fcb`` is its frame count bit, None where none counts."""
    control = link.control_byte(
        from_master=from_master,
        primary=primary,
        function=function,
        fcb=bool(fcb),
        fcv=fcb is not None,
    )
    return link.build(control, destination, source)
