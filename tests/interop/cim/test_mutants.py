"""Our endpoint's verdict equals lxml's on the schema, for a thousand generated mutants.

Two exceptions, both in schemas/groups/README.md: what is checked after the schema (each such
refusal must be one of those), and an event where a request belongs.
"""

from __future__ import annotations

import copy
import random
import re
from pathlib import Path

import aiohttp
import pytest
from lxml import etree

from gateway.groups.xml import decode_reply
from gateway.groups.xml_faults import InvalidMessageError
from gateway.model.data import data_folder
from tests.interop.cim.conftest import XML, reasons, serving

pytestmark = pytest.mark.interop

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "groups"
SPACE = "{urn:tieline:der-group-functions:1}"
SEEDS, MUTANTS = 10, 100

#: Checked after the schema, as the README lists them.
AFTER = re.compile(
    r"does not go with|not in|without DurationSeconds|falls from|is above|stated twice|was expected"
)
AFTER_REPLY = re.compile(AFTER.pattern + r"|has no Value|is outside")
TEXTS = (
    "", " ", "0", "-1", "1e3", "NaN", "150.5", "true", "get", "create", "P", "Q", "V", "W",
    "EXPORT", "LATEST", "d1", "two words", "2026-03-20T12:00:00Z", "2026-03-20T12:00:00+01:00",
    "99999999999",
)  # fmt: skip
ATTRIBUTES = (("unit", "W"), ("unit", "var"), ("unit", "kW"), ("multiplier", "k"),
              ("multiplier", "G"), ("quantity", "P"), ("extra", "1"), ("id", "x"))  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(data_folder("schemas") / "groups" / "messages.xsd")))


def documents(root: str) -> list[etree._Element]:
    parser = etree.XMLParser(remove_blank_text=True)
    found = [etree.parse(str(path), parser).getroot() for path in sorted(FOLDER.glob("*.xml"))]
    return [tree for tree in found if tree.tag == f"{SPACE}{root}"]


def mutate(tree: etree._Element, others: list[etree._Element], rng: random.Random) -> None:  # noqa: C901
    """One change somewhere below the root."""
    element = rng.choice(list(tree.iter())[1:])
    parent = element.getparent()
    assert parent is not None
    match rng.choice(
        ("drop", "twice", "order", "text", "swap", "attribute", "unset", "name", "space", "graft")
    ):
        case "drop":
            parent.remove(element)
        case "twice":
            parent.insert(parent.index(element), copy.deepcopy(element))
        case "order":
            parent.insert(rng.randrange(len(parent)), element)
        case "text":
            element.text = rng.choice(TEXTS)
        case "swap":
            other = rng.choice(list(tree.iter()))
            element.text, other.text = other.text, element.text
        case "attribute":
            element.set(*rng.choice(ATTRIBUTES))
        case "unset":
            for name in list(element.attrib)[:1]:
                del element.attrib[name]
        case "name":
            element.tag = rng.choice([other.tag for other in tree.iter()])
        case "space":
            element.tag = "{urn:other}" + etree.QName(element).localname
        case "graft":
            other = rng.choice(others)
            parent.replace(element, copy.deepcopy(rng.choice(list(other.iter())[1:])))


def mutants(root: str, seed: int) -> list[bytes]:
    rng, originals = random.Random(seed), documents(root)
    made = []
    for _ in range(MUTANTS):
        tree = copy.deepcopy(rng.choice(originals))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if len(tree):
                mutate(tree, originals, rng)
        made.append(etree.tostring(tree, xml_declaration=True, encoding="UTF-8"))
    return made


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_request_is_taken_or_refused_as_the_schema_says(pki, schema, seed):
    verdicts = []
    async with (
        serving(pki) as endpoint,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=endpoint.tls())) as session,
    ):
        for document in mutants("RequestMessage", seed):
            valid = schema.validate(etree.fromstring(document))
            async with session.post(endpoint.url, data=document, headers=XML) as response:
                answer, taken = await response.read(), response.status == 200
            if valid and not taken:
                assert AFTER.search(reasons(answer)), f"{reasons(answer)} {document.decode()}"
            else:
                assert taken == valid, f"{answer.decode()} {document.decode()}"
            verdicts.append(valid)
    assert 5 < sum(verdicts) < MUTANTS - 5  # both verdicts are exercised


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_reply_is_taken_or_refused_as_the_schema_says(schema, seed):
    verdicts = []
    for document in mutants("ResponseMessage", 1000 + seed):
        valid = schema.validate(etree.fromstring(document))
        said = refusal(document)
        if valid:
            assert not said or AFTER_REPLY.search(said), f"{said} {document.decode()}"
        else:
            assert said, document.decode()
        verdicts.append(valid)
    assert 5 < sum(verdicts) < MUTANTS - 5


def refusal(document: bytes) -> str:
    try:
        decode_reply(document)
    except InvalidMessageError as error:
        return str(error)
    return ""


#: Tables 3 and 4 of the paper: each field, and what of the document it is.
TABLE_3 = {
    "action identifier: verb": "Header/Verb",
    "action identifier: noun": "Header/Noun",
    "timing": "Payload/StatusQuery/Timing",
    "DMS id": "Payload/StatusQuery/DMSId",
    "microgrid id": "Payload/StatusQuery/GroupId",
    "quantity": "Payload/StatusQuery/Quantity",
}
TABLE_4 = {
    "microgrid id": "Payload/GroupReport/GroupId",
    "DMS id": "Payload/GroupReport/DMSId",
    "success indicator": "Reply/Result",
    "whole outcome": "Reply",
    "correlation": "Header/CorrelationID",
    "capability now and nameplate: a bound": "Payload/GroupReport/Capability/Now/Minimum",
}


def without(name: str, path: str) -> bytes:
    tree = etree.fromstring((FOLDER / f"{name}.xml").read_bytes())
    found = tree.findall("/".join(f"{SPACE}{step}" for step in path.split("/")))
    assert found
    for element in found:
        element.getparent().remove(element)
    return etree.tostring(tree)


@pytest.mark.parametrize("field", TABLE_3)
async def test_a_status_request_cannot_lack(endpoint, schema, field):
    document = without("status_query", TABLE_3[field])
    assert not schema.validate(etree.fromstring(document))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=endpoint.tls())) as session,
        session.post(endpoint.url, data=document, headers=XML) as response,
    ):
        assert response.status == 400
        assert "tieline:invalid-message" in reasons(await response.read())
    assert endpoint.heard == []


@pytest.mark.parametrize("field", TABLE_4)
def test_a_status_response_cannot_lack(schema, field):
    document = without("status_reply", TABLE_4[field])
    assert not schema.validate(etree.fromstring(document))
    with pytest.raises(InvalidMessageError):
        decode_reply(document)


@pytest.mark.parametrize("attribute", ["quantity", "good"])
def test_a_present_value_cannot_lack(schema, attribute):
    tree = etree.fromstring((FOLDER / "status_reply.xml").read_bytes())
    for element in tree.iter(f"{SPACE}PresentValue"):
        del element.attrib[attribute]
    assert not schema.validate(tree)
    with pytest.raises(InvalidMessageError):
        decode_reply(etree.tostring(tree))
