"""Paging of lists: ``?s=`` start, ``l=`` length, ``a=`` only what is after a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

#: Entries that a client that names no length gets (IEEE 2030.5, edition not verified).
DEFAULT_LENGTH = 1
#: Most entries one answer carries, whatever the client asks for: ``all`` tells it to come again.
MAX_LENGTH = 1000
_MAX_DIGITS = 10
_MAX_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries of a list are asked for.

    Attributes:
        start: first one, from 0.
        length: how many at most.
        after: only those whose time is later, UTC s; where the list is ordered by time.
    """

    start: int = 0
    length: int = DEFAULT_LENGTH
    after: int | None = None


FIRST = Page()


@lru_cache(maxsize=1024)
def page(raw_query: str) -> Page:
    """The page that a query string asks for; clients repeat theirs.

    Raises:
        ValueError: a parameter is no number that can be meant.
    """
    query = dict(parse_qsl(raw_query, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    start, length, after = query.get("s"), query.get("l"), query.get("a")
    return Page(
        0 if start is None else _number(start),
        DEFAULT_LENGTH if length is None else min(MAX_LENGTH, _number(length)),
        None if after is None else _number(after),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValueError(f"{text[:20]!r} is no unsigned number of at most {_MAX_DIGITS} digits")
    return int(text)
