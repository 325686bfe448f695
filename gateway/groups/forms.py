"""The forms a document can have: ours, and that of IEC 61968-5. It is answered in its own."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.groups.iec61968 import ENVELOPE, decode_iec
from gateway.groups.iec61968_replies import encode_iec
from gateway.groups.messages import GroupReply, GroupRequest
from gateway.groups.xml import decode_request, encode

#: Where the root's namespace stands, if it is the envelope's.
_HEAD_BYTES = 2048


@dataclass(slots=True)
class Form:
    """How one request came, and how its answer goes.

    Attributes:
        is_iec: whether it has the form of IEC 61968-5.
        noun, namespace: of the request's payload, in that form.
    """

    is_iec: bool = False
    noun: str = "DERGroupStatuses"
    namespace: str = ""

    def read(self, data: bytes) -> GroupRequest:
        """The request in a document.

        Raises:
            InvalidMessageError: it is none.
        """
        if not self.is_iec:
            return decode_request(data)
        request, self.noun, self.namespace = decode_iec(data)
        return request

    def write(self, reply: GroupReply) -> bytes:
        """The reply as a document.

        Raises:
            LocalProtocolError: it cannot be said.
        """
        if not self.is_iec:
            return encode(reply)
        return encode_iec(reply, self.noun, self.namespace)


def form_of(data: bytes) -> Form:
    """The form a document seems to have; its own schema is the judge of that."""
    return Form(is_iec=ENVELOPE.encode() in data[:_HEAD_BYTES])
