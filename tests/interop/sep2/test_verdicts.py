"""Our schema takes what either edition's genuine schema takes, and so does the codec."""

from __future__ import annotations

import copy
import random

import pytest
from lxml import etree

from gateway.links.sep2.codec import Sep2DecodeError, decode, encode
from gateway.links.sep2.resources import ROOTS
from gateway.links.sep2.schema import validator
from tests.interop.sep2.genuine import EDITIONS, NS, XSI, either_accepts, genuine, path_of
from tests.interop.sep2.mutants import mutate

NAMES = [cls.__name__ for cls in ROOTS]
CASES = [
    pytest.param(edition, name, id=f"{edition}-{name}")
    for edition in EDITIONS
    for name in NAMES
    if name in genuine(edition).types
]
#: Every optional part, none, and shares in between.
SHARES = [1.0, 0.0, 0.7, 0.4, 0.2]
MUTANTS = 60
#: What the codec alone lets pass; the schema judges it.
CODEC_RELIEFS = {
    "attribute", "foreign_attribute", "version", "disabled", "typed", "rename_space",
}  # fmt: skip


@pytest.fixture(scope="module")
def ours():
    return validator()


def decodes(root: etree._Element) -> bool:
    try:
        decode(etree.tostring(root))
    except Sep2DecodeError:
        return False
    return True


def documents(edition: int, name: str):
    for number, share in enumerate(SHARES):
        rng = random.Random(f"{edition} {name} {number}")
        yield genuine(edition).document(name, rng, share), rng


def deliberate(mutant: etree._Element) -> bool:
    """The differences we mean; each has a test of its own below."""
    unserved = any(node.get(f"{{{XSI}}}type") == "DrResponse" for node in mutant.iter())
    defaults = (node for name in genuine(2023).defaults for node in mutant.iter(f"{{{NS}}}{name}"))
    empty = any(not node.text for node in defaults)
    version = mutant.get("schemaVer") is not None
    return version or unserved or empty or mutant.get(f"{{{XSI}}}type") is not None


@pytest.mark.parametrize(("edition", "name"), CASES)
def test_what_the_genuine_schema_takes_is_taken_and_given_back_valid(ours, edition, name):
    for document, _ in documents(edition, name):
        assert genuine(edition).accepts(document)
        assert ours.fault(document) is None
        resource = decode(etree.tostring(document))
        again = encode(resource)
        assert decode(again) == resource
        assert genuine(edition).accepts(etree.fromstring(again))


@pytest.mark.parametrize(("edition", "name"), CASES)
def test_mutants_get_the_verdict_of_the_genuine_schemas(ours, edition, name):
    verdicts = set()
    for document, rng in documents(edition, name):
        for _ in range(MUTANTS):
            mutation, changed = mutate(document, rng)
            mutant = etree.fromstring(etree.tostring(changed))
            taken = either_accepts(mutant)
            verdicts.add(taken)
            if deliberate(mutant):
                continue
            shown = f"{mutation}: {etree.tostring(mutant).decode()}"
            assert (ours.fault(mutant) is None) is taken, shown
            if taken or mutation not in CODEC_RELIEFS:
                assert decodes(mutant) is taken, shown
    assert verdicts == {True, False}


def sample(name: str, share: float = 0.0, edition: int = 2018) -> etree._Element:
    return genuine(edition).document(name, random.Random(7), share)


def reparsed(root: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(root))


def test_deliberate_the_value_of_schema_ver_is_not_looked_at(ours):
    document = sample("Time", edition=2023)
    document.set("schemaVer", "2.2")
    assert genuine(2023).accepts(document)
    assert ours.fault(document) is None
    # nothing depends on it, and refusing a peer for it would help nobody
    document.set("schemaVer", "x")
    assert not either_accepts(document)
    assert ours.fault(document) is None


def test_deliberate_responses_of_function_sets_we_do_not_serve_are_refused(ours):
    document = sample("Response")
    document.set(f"{{{XSI}}}type", "DrResponse")
    document = reparsed(document)
    assert genuine(2018).accepts(document)
    assert ours.fault(document) is not None
    with pytest.raises(Sep2DecodeError, match="DrResponse is not a Response known here"):
        decode(etree.tostring(document))
    with pytest.raises(Sep2DecodeError, match="DrResponse is not a resource known here"):
        decode(etree.tostring(sample("DrResponse")))


def test_deliberate_an_empty_element_is_no_default(ours):
    document = sample("DERControl", 1.0)
    start = document.find(f"{{{NS}}}randomizeStart")
    start.text = None
    # 2023 states a default of 0 for it; nobody sends an element to leave its value out
    assert not genuine(2018).accepts(document)
    assert ours.fault(document) is not None
    assert not decodes(document)


def test_deliberate_a_root_may_say_its_kind_in_either_edition(ours):
    document = sample("Response", edition=2023)
    document.set(f"{{{XSI}}}type", "DERControlResponse")
    etree.SubElement(document, f"{{{NS}}}modesResponded").text = "00"
    document = reparsed(document)
    # 2023's own schema takes xsi:type nowhere on a root, 2018's knows no modesResponded
    assert not either_accepts(document)
    assert ours.fault(document) is None
    assert type(decode(etree.tostring(document))).__name__ == "DERControlResponse"


@pytest.mark.parametrize("name", ["Time", "DERControl", "DERControlBase"])
def test_foreign_elements_stand_where_2023_lets_them(ours, name):
    document = sample("DERControl" if name == "DERControlBase" else name, 0.5)
    holder = document if name != "DERControlBase" else document.find(f"{{{NS}}}DERControlBase")
    for place in range(len(holder) + 1):
        mutant = copy.deepcopy(document)
        target = mutant if holder is document else mutant.find(f"{{{NS}}}DERControlBase")
        target.insert(place, etree.Element("{urn:other}thing"))
        assert (ours.fault(mutant) is None) is either_accepts(mutant)
        assert decode(etree.tostring(mutant)) == decode(etree.tostring(document))


@pytest.mark.parametrize("name", ["EndDevice", "DERSettings", "DERCapability", "DERControl"])
def test_csip_aus_documents_get_the_profile_s_verdict(ours, name):
    profile = etree.XMLSchema(etree.parse(path_of(2018).with_name("csipaus-core.xsd")))
    added = {
        "EndDevice": '<c:ConnectionPointLink href="/cp"/>',
        "DERSettings": "<c:doeModesEnabled>0F</c:doeModesEnabled>",
        "DERCapability": "<c:doeModesSupported>0F</c:doeModesSupported>",
        "DERControl": "".join(
            f"<c:opMod{kind}LimW><multiplier>0</multiplier><value>1</value></c:opMod{kind}LimW>"
            for kind in ("Imp", "Exp", "Gen", "Load")
        ),
    }[name]
    document = sample(name, 1.0)
    holder = document.find(f"{{{NS}}}DERControlBase") if name == "DERControl" else document
    plain = decode(etree.tostring(document))
    holder.extend(etree.fromstring(f'<x xmlns="{NS}" xmlns:c="https://csipaus.org/ns">{added}</x>'))
    document = reparsed(document)
    assert profile.validate(document)
    assert ours.fault(document) is None
    resource = decode(etree.tostring(document))
    assert resource != plain
    assert profile.validate(etree.fromstring(encode(resource, csip_aus=True)))
    assert encode(resource) == encode(plain)
    # and what the profile refuses
    holder = document.find(f"{{{NS}}}DERControlBase") if name == "DERControl" else document
    last = holder[-1]
    last.attrib.pop("href", None)
    last.text = "GG"
    assert not profile.validate(document)
    assert ours.fault(document) is not None
    assert not decodes(document)
