"""The link layer towards one outstation: frames in, frames out, around its session."""

from __future__ import annotations

from gateway.links.dnp3 import frames
from gateway.links.dnp3.frames import Frame, Reassembler, link_frame, user_data
from gateway.links.dnp3.southbound.association import Association
from gateway.links.dnp3.southbound.exchange import Now

#: What an outstation's own primary frames without user data are answered with.
_ANSWERS = {
    frames.RESET_LINK: frames.ACK,
    frames.TEST_LINK: frames.ACK,
    frames.REQUEST_STATUS: frames.LINK_STATUS,
}


class MasterLink:
    """One outstation on a connection.

    Args:
        association: the session.
        master_address: ours.

    Attributes:
        association: the session.
        address: the outstation's.
    """

    def __init__(self, association: Association, master_address: int) -> None:
        self.association = association
        self.address = association.config.address
        self._master_address = master_address
        self._reassembler = Reassembler(association.config.max_fragment)
        self._transport_sequence = 0
        self._frame_count: bool | None = None

    def connected(self, now: Now) -> None:
        """There is a connection."""
        self._reassembler.reset()
        self._frame_count = None
        self.association.connected(now)

    def receive(self, frame: Frame, now: Now) -> bytes:
        """Take a frame from it; returns what is to be sent at once."""
        if not frame.is_primary:
            self.association.heard(now)
            return b""
        if frame.function == frames.UNCONFIRMED:
            return self._segment(frame.payload, now)
        self.association.heard(now)
        if frame.function == frames.CONFIRMED:
            return self._link(frames.ACK) + self._counted(frame, now)
        answer = _ANSWERS.get(frame.function)
        if answer is None:
            return b""
        if frame.function == frames.RESET_LINK:
            self._frame_count = True
        return self._link(answer)

    def poll(self, now: Now) -> bytes:
        """What is due to be sent: a request, or a question for the link's status."""
        request = self.association.next_request(now)
        if request is not None:
            return self._fragment(request)
        if self.association.link_status_due(now):
            return link_frame(
                frames.REQUEST_STATUS,
                self.address,
                self._master_address,
                from_master=True,
                primary=True,
            )
        return b""

    def _counted(self, frame: Frame, now: Now) -> bytes:
        """Confirmed user data: one whose count bit did not move has come before."""
        if self._frame_count is not None and frame.fcb != self._frame_count:
            return b""
        self._frame_count = not frame.fcb
        return self._segment(frame.payload, now)

    def _segment(self, payload: bytes, now: Now) -> bytes:
        fragment = self._reassembler.add(payload)
        if fragment is None:
            self.association.heard(now)
            return b""
        confirmation = self.association.receive(fragment, now)
        return b"" if confirmation is None else self._fragment(confirmation)

    def _fragment(self, fragment: bytes) -> bytes:
        octets, self._transport_sequence = user_data(
            fragment,
            self.address,
            self._master_address,
            from_master=True,
            first_sequence=self._transport_sequence,
        )
        return octets

    def _link(self, function: int) -> bytes:
        return link_frame(
            function, self.address, self._master_address, from_master=True, primary=False
        )
