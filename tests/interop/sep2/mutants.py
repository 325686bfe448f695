"""Ways to spoil a document, one at a time; some leave it valid."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from lxml import etree

from tests.interop.sep2.genuine import NS, XSI

TEXTS = [
    "", " ", "x", "-1", "-0", "+5", " 7 ", "\t8\n", "007", "1.0", "1e3", "0x10", "true", "TRUE",
    "1",
    "255", "256", "65535", "65536", "-32768", "-32769", "32768", "2147483648", "4294967296",
    "140737488355328", "140737488355329", "-140737488355329", "281474976710655", "281474976710656",
    "9223372036854775808", "18446744073709551616", "-128", "-129", "127", "128", "1_000", "\u0661",
    "A", "AB", "ab", " AB ", "A B", "ABC", "00" * 20, "00" * 21, "F" * 8, "F" * 10, "GG",
    "a" * 6, "a" * 7, "a" * 16, "a" * 17, "a" * 32, "a" * 33, "a" * 192, "a" * 193, "é" * 32,
    "\xa05",
]  # fmt: skip
NAMES = ["Unknown", "mRID", "value", "href", "DERControl", "opModConnect", "type"]
ATTRIBUTES = ["href", "all", "results", "pollRate", "subscribable", "unknown", "responseRequired"]
TYPES = [
    "DERControlList", "DERControlResponse", "Response", "DrResponse", "DERStatus", "Time",
    "Unknown",
]  # fmt: skip

Mutation = Callable[[etree._Element, random.Random], None]


def remove(node: etree._Element, rng: random.Random) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)


def twice(node: etree._Element, rng: random.Random) -> None:
    node.addnext(copy.deepcopy(node)) if node.getparent() is not None else None


def swap(node: etree._Element, rng: random.Random) -> None:
    if (after := node.getnext()) is not None:
        after.addnext(node)


def text(node: etree._Element, rng: random.Random) -> None:
    node.text = rng.choice(TEXTS)


def tail(node: etree._Element, rng: random.Random) -> None:
    if node.getparent() is not None:
        node.tail = rng.choice([" ", "\n\t", "x", "\xa0"])


def rename(node: etree._Element, rng: random.Random) -> None:
    node.tag = f"{{{NS}}}{rng.choice(NAMES)}"


def rename_space(node: etree._Element, rng: random.Random) -> None:
    name = etree.QName(node).localname
    node.tag = rng.choice([name, f"{{urn:other}}{name}", f"{{{NS}.x}}{name}"])


def add(node: etree._Element, rng: random.Random) -> None:
    child = etree.Element(f"{{{NS}}}{rng.choice(NAMES)}")
    child.text = rng.choice([None, "1"])
    node.insert(rng.randint(0, len(node)), child)


def attribute(node: etree._Element, rng: random.Random) -> None:
    names = [*ATTRIBUTES, *node.keys(), *node.keys()]
    name = rng.choice(names)
    if name in node.attrib and rng.random() < 0.3:
        del node.attrib[name]
    else:
        node.set(name, rng.choice(TEXTS))


def foreign_attribute(node: etree._Element, rng: random.Random) -> None:
    node.set("{urn:other}unknown", "1")


def typed(node: etree._Element, rng: random.Random) -> None:
    own = etree.QName(node).localname
    node.set(f"{{{XSI}}}type", rng.choice([*TYPES, own, f"{own}Type"]))


def version(node: etree._Element, rng: random.Random) -> None:
    node.set("schemaVer", rng.choice(["2.1", "2.2", "x", ""]))


def disabled(node: etree._Element, rng: random.Random) -> None:
    node.set("disabled", rng.choice(["true", "false", "1", "yes"]))


MUTATIONS: tuple[Mutation, ...] = (
    remove, twice, swap, text, text, tail, rename, rename_space, add, attribute, attribute,
    foreign_attribute, typed, version, disabled,
)  # fmt: skip


def mutate(document: etree._Element, rng: random.Random) -> tuple[str, etree._Element]:
    """A copy with one thing changed, and which."""
    mutant = copy.deepcopy(document)
    node = rng.choice(list(mutant.iter()))
    mutation = rng.choice(MUTATIONS)
    mutation(node, rng)
    return mutation.__name__, mutant
