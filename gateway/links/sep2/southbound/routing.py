"""From a path to what serves it: one dictionary look-up a segment, whatever the tree holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway.links.sep2.serving.answers import Answer, Ask, Post

Reader = Callable[[Ask], Answer]
Writer = Callable[[Post], Awaitable[Answer]]

#: Stands for a segment that may be anything; its text is handed to what serves the path.
ANY = "*"
_LONGEST = 12


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a path answers to.

    Attributes:
        get: GET and HEAD.
        writers: POST, PUT and DELETE by name.
        open: whether a client may use it before it is registered.
    """

    get: Reader
    writers: Mapping[str, Writer] = field(default_factory=dict)
    open: bool = False

    @property
    def allow(self) -> str:
        """The methods, for the Allow header of a 405."""
        return ", ".join(("GET", "HEAD", *sorted(self.writers)))


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    endpoint: Endpoint | None = None


class Routes:
    """The tree of paths."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, pattern: str, endpoint: Endpoint) -> None:
        """Serve a path; a segment ``*`` stands for any."""
        node = self._root
        for segment in pattern.strip("/").split("/"):
            node = node.children.setdefault(segment, _Node())
        node.endpoint = endpoint

    def find(self, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
        """What serves a path, and the texts of its free segments; None where nothing does."""
        segments = path[1:].split("/", _LONGEST)
        node = self._root
        free: list[str] = []
        for segment in segments:
            following = node.children.get(segment)
            if following is None or segment == ANY:
                following = node.children.get(ANY)
                if following is None:
                    return None
                free.append(segment)
            node = following
        return None if node.endpoint is None else (node.endpoint, tuple(free))
