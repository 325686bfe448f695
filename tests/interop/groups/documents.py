"""Group-function documents as somebody else builds and reads them: ElementTree, not our codec."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator

NAMESPACE = "urn:tieline:der-group-functions:1"
_NUMBERS = itertools.count(1)
VERBS = {
    "StatusQuery": "get", "CapabilityQuery": "get", "ForecastQuery": "get", "GroupQuery": "get",
    "GroupSynchronisation": "get", "GroupChange": "change", "GroupDeletion": "delete",
    "OperationSet": "execute",
}  # fmt: skip

#: A child: name, content (text, children, or both None), attributes.
Node = tuple[str, "str | list[Node] | None", dict[str, str]]


def node(name: str, content: str | list[Node] | None = None, **attributes: str) -> Node:
    return name, content, attributes


def stamp(ahead_s: float = 0.0) -> str:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_s)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def payload(noun: str, group: str | None, *children: Node, dms: str = "dms") -> Node:
    ids = [node("DMSId", dms)] + ([node("GroupId", group)] if group is not None else [])
    return node(noun, [*ids, *children])


def request(body: Node, *, message_id: str = "", time: str = "") -> bytes:
    """A RequestMessage of one payload."""
    root = ET.Element("RequestMessage", xmlns=NAMESPACE)
    header = [
        node("Verb", VERBS.get(body[0], "create")),
        node("Noun", body[0]),
        node("Timestamp", time or stamp()),
        node("Source", "dms"),
        node("MessageID", message_id or f"{uuid.uuid4()}-{next(_NUMBERS)}"),
    ]
    _append(root, node("Header", header))
    _append(root, node("Payload", [body]))
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _append(parent: ET.Element, child: Node) -> None:
    name, content, attributes = child
    element = ET.SubElement(parent, name, attributes)
    if isinstance(content, str):
        element.text = content
    for below in content if isinstance(content, list) else ():
        _append(element, below)


class Reply:
    """A ResponseMessage, read by path."""

    def __init__(self, root: ET.Element) -> None:
        self.root = root

    def __getitem__(self, path: str) -> str:
        found = self.find(path)
        assert found is not None, f"{path} is missing"
        return found.text or ""

    def find(self, path: str) -> ET.Element | None:
        return self.root.find(spaced(path))

    def all(self, path: str) -> Iterator[ET.Element]:
        yield from self.root.iterfind(spaced(path))

    @property
    def result(self) -> str:
        return self["Reply/Result"]

    @property
    def reasons(self) -> str:
        return "; ".join(element.text or "" for element in self.all("Reply/Error/Reason"))

    @property
    def codes(self) -> set[str]:
        return {element.text or "" for element in self.all("Reply/Error/Code")}

    @property
    def groups(self) -> dict[str, tuple[int, list[str]]]:
        """Definitions: version and members by id."""
        return {
            element.get("id", ""): (
                int(element.get("version", "")),
                [found.text or "" for found in element.iterfind(spaced("Member"))],
            )
            for element in self.all("Payload/GroupReport/Group")
        }

    def value(self, quantity: str) -> tuple[float, bool]:
        """Present value in SI, and whether it is good."""
        for element in self.all("Payload/GroupReport/PresentValue"):
            if element.get("quantity") == quantity:
                return _si(element.find(spaced("Value"))), element.get("good") == "true"
        raise AssertionError(f"{quantity} is not told")

    def held(self) -> tuple[float, float]:
        """Requested and held."""
        held = "Payload/GroupReport/Held"
        return _si(self.find(f"{held}/Requested")), _si(self.find(f"{held}/HeldValue"))


def _si(element: ET.Element | None) -> float:
    assert element is not None
    factor = {"none": 1.0, "k": 1e3, "M": 1e6}[element.get("multiplier", "none")]
    return float(element.text or "") * factor


def spaced(path: str) -> str:
    """A path with our namespace at each step."""
    return "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
