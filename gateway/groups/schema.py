"""Judging messages by the schema in ``schemas/groups``.

Every message is judged by lxml, which is fast. A refused one is judged again by xmlschema, which
is slow and says plainly what is wrong where; it is also the second opinion on the schema itself.
"""

from __future__ import annotations

import threading
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from gateway.groups.xml_guard import parse
from gateway.model.data import data_folder
from gateway.model.xml_places import MAX_FAULTS, Fault, Places, at

if TYPE_CHECKING:
    import xmlschema

NAMESPACE = "urn:tieline:der-group-functions:1"
#: xmlschema judges about 5,000 elements a second: larger messages keep lxml's report.
MAX_READABLE_ELEMENTS = 300


class MessageSchema:
    """A schema, compiled by lxml.

    lxml's ``XMLSchema`` writes into one ``error_log`` that belongs to the object and keeps an
    entry a fault until the next validation: two threads must not use it at once, and a document
    with a fault an element would fill it. Hence the lock here and the caps in
    :mod:`gateway.groups.xml_guard`, which come first.

    Args:
        path: the file to load.
        namespace: left out of what is said of a document.
    """

    def __init__(self, path: Path, namespace: str) -> None:
        self._schema = etree.XMLSchema(etree.parse(str(path)))
        self._namespace = namespace
        self._lock = threading.Lock()

    def accepts(self, root: etree._Element) -> bool:
        """The verdict alone: what every message gets."""
        with self._lock:
            return self._schema.validate(root)

    def faults(self, root: etree._Element, data: bytes) -> list[Fault]:
        """What is wrong in lxml's words, ``MAX_FAULTS`` at most; empty where nothing is.

        Args:
            root: the tree of ``data``.
            data: the document, for columns.
        """
        with self._lock:
            if self._schema.validate(root):
                return []
            log: Any = self._schema.error_log  # lxml-stubs do not know that it is a sequence
            entries = [(entry.path, entry.message) for entry in islice(log, MAX_FAULTS)]
        places = Places(data, root)
        # libxml2 names every element with its namespace, which is the same for all of them
        return [
            places.fault(at(root, path or "/*"), text.replace(f"{{{self._namespace}}}", ""))
            for path, text in entries
        ]


@cache
def message_schema() -> MessageSchema:
    """The schema, compiled once a process."""
    return MessageSchema(_master(), NAMESPACE)


def report(data: bytes) -> list[Fault]:
    """What is wrong with a message in words for people, ``MAX_FAULTS`` at most.

    Takes up to about 100 ms: never call it on an event loop.

    Raises:
        InvalidMessageError: it is not even a harmless well-formed document.
    """
    root = parse(data)
    if sum(1 for _ in root.iter()) > MAX_READABLE_ELEMENTS:
        return message_schema().faults(root, data)
    return second_opinion(root, data)


def second_opinion(root: etree._Element, data: bytes) -> list[Fault]:
    """The faults xmlschema finds, whatever the size; empty where the message is valid."""
    places = Places(data, root)
    with _second_lock():
        errors = list(islice(_second_schema().iter_errors(root), MAX_FAULTS))
    return [places.fault(_element(error), _plain(error)) for error in errors]


def warm_up() -> None:
    """Load xmlschema and its copy of the schema: 0.4 s and 12 to 45 MB, best before the need."""
    _second_schema()


@cache
def _second_schema() -> xmlschema.XMLSchema:
    import xmlschema  # noqa: PLC0415 - heavy, and only refusals need it

    return xmlschema.XMLSchema(str(_master()), allow="local")


@cache
def _second_lock() -> threading.Lock:
    return threading.Lock()


def _master() -> Path:
    return data_folder("schemas") / "groups" / "messages.xsd"


def _element(error: Any) -> etree._Element | None:
    element = error.elem
    return element if isinstance(element, etree._Element) else None


def _plain(error: Any) -> str:
    reason = str(error.reason or error.message).replace(f"{{{NAMESPACE}}}", "")
    return " ".join(reason.split())
