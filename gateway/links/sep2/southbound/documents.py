"""From resources to the bodies of answers; lists are joined from elements made before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from gateway.links.sep2.codec import encode, list_frame
from gateway.links.sep2.resources import Error, Resource
from gateway.links.sep2.resources.base import List, SubscribableList
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.answers import Answer, Ask

#: ``subscribable`` of what can be subscribed to: without a condition.
SUBSCRIBABLE = 1
Entry = TypeVar("Entry")


def document(client: Client, resource: Resource) -> Answer:
    """A resource as this client is to read it."""
    return Answer(body=encode(resource, csip_aus=client.csip_aus))


def error_body(reason_code: int) -> bytes:
    """An Error."""
    return encode(Error(reason_code=reason_code))


def listing(
    ask: Ask,
    header: Callable[..., List | SubscribableList],
    entries: Sequence[Entry],
    fragment: Callable[[Entry], bytes],
    *,
    time: Callable[[Entry], int] | None = None,
    **attributes: int,
) -> Answer:
    """The page of a list that is asked for.

    Args:
        ask: by whom, and which page.
        header: the list's class.
        entries: all entries, in the order of the standard.
        fragment: makes an entry's element.
        time: the time of an entry, where ``a=`` selects by it.
        attributes: further attributes of the list: ``poll_rate``, ``subscribable``.
    """
    page = ask.page
    if page.after is not None and time is not None:
        entries = [entry for entry in entries if time(entry) > page.after]
    shown = entries[page.start : page.start + page.length]
    opening, closing = _frame(header, ask.path, len(entries), len(shown), tuple(attributes.items()))
    return Answer(body=b"".join((opening, *map(fragment, shown), closing)))


@lru_cache(maxsize=4096)
def _frame(
    header: Callable[..., List | SubscribableList],
    path: str,
    count: int,
    shown: int,
    attributes: tuple[tuple[str, int], ...],
) -> tuple[bytes, bytes]:
    """A list without its entries; the same ones are asked for again and again."""
    return list_frame(header(href=path, all=count, results=shown, **dict(attributes)))
