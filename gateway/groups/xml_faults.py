"""Why a message is refused, and who seems to have sent it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.errors import RemoteProtocolError
from gateway.model.xml_places import Fault


@dataclass(frozen=True, slots=True)
class Identity:
    """Who seems to speak in a message that is refused; ``unknown`` where even that is not said."""

    message_id: str = "unknown"
    dms_id: str = "unknown"
    group_id: str = "unknown"


class InvalidMessageError(RemoteProtocolError):
    """A message that is not one of ours.

    Attributes:
        faults: what is wrong, at least one.
        identity: ids it carried, as far as they could be read, so that a refusal finds its way.
    """

    def __init__(self, faults: Sequence[Fault], identity: Identity | None = None) -> None:
        self.faults = tuple(faults)
        self.identity = identity or Identity()
        super().__init__("; ".join(str(fault) for fault in self.faults))
