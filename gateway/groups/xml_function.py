"""How one group function travels: its verb, and what writes and reads its payload element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lxml import etree

from gateway.groups.messages import Address, GroupRequest


class Function(NamedTuple):
    """One noun of the wire.

    Attributes:
        verb: of its header.
        read: makes the message of its payload element.
        write: fills that element, behind the ids, from a message of its own kind.
    """

    verb: str
    read: Callable[[etree._Element, Address], GroupRequest]
    write: Callable[[etree._Element, Any], None]
