"""What a resource is made of: the marks that make a dataclass field an element.

A resource is a frozen dataclass. Each field says by ``Annotated`` which element or attribute it
is and of which type; the order of the fields is the order on the wire. Codec and schema are both
derived from that, and from nothing else. The leaf types are in :mod:`gateway.links.sep2.leaves`.
Names and limits are those of IEEE 2030.5-2018; what the 2023 edition adds is marked with
``edition=2023`` and absent from all we send unless set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: The namespace of both editions.
NAMESPACE = "urn:ieee:std:2030.5:ns"
#: The namespace of CSIP-AUS's additions ; its storage beta has another.
CSIP_AUS = "https://csipaus.org/ns"


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """The type of an element or attribute without elements of its own.

    Attributes:
        name: the type's name in the standard, or ``xs:`` and a name of XML Schema.
        base: the type of XML Schema it restricts, or the leaf it gives another name.
        facets: the restrictions, as XML Schema names them.
        parse: text to value; raises ValueError with what is wrong, without the text.
        format: value to text, still to be escaped; raises ValueError where it does not fit.
    """

    name: str
    base: str | Leaf
    facets: tuple[tuple[str, int], ...]
    parse: Callable[[str], Any]
    format: Callable[[Any], str]

    @property
    def is_text(self) -> bool:
        """Its text may have characters to be escaped."""
        return self.base == "xs:string" or self.name == "xs:anyURI"


@dataclass(frozen=True, slots=True)
class Element:
    """A field that is an element.

    Attributes:
        name: on the wire.
        namespace: of the element.
        edition: of the standard that has it first.
        control: it may carry ``disabled="true"`` (2023), and is then read as absent.
        least, most: how many there are where the field is a tuple; None is no limit.
    """

    name: str
    namespace: str = NAMESPACE
    edition: int = 2018
    control: bool = False
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field that is an attribute.

    Attributes:
        name: on the wire.
        edition: of the standard that has it first.
    """

    name: str
    edition: int = 2018


def element(
    name: str,
    *,
    edition: int = 2018,
    control: bool = False,
    namespace: str = NAMESPACE,
    least: int = 0,
    most: int | None = None,
) -> Element:
    """Mark a field as an element; see :class:`Element`."""
    return Element(name, namespace, edition, control, least, most)


def attribute(name: str, *, edition: int = 2018) -> Attribute:
    """Mark a field as an attribute; see :class:`Attribute`."""
    return Attribute(name, edition)
