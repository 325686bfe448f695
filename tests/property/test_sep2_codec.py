"""Every 2030.5 resource survives its way through XML; whatever else comes in is refused."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.links.sep2.codec import (
    Sep2DecodeError,
    decode,
    encode,
    encode_fragment,
    encode_list,
)
from gateway.links.sep2.elements import CSIP_AUS, Element, Leaf
from gateway.links.sep2.resources import (
    ROOTS,
    ActivePower,
    ApparentPower,
    DERControl,
    DERControlList,
    DERControlResponse,
    Response,
    ResponseList,
)
from gateway.links.sep2.schema import validator
from gateway.links.sep2.shape import Part, classes, parts
from tests.interop.sep2.genuine import genuine

#: What XML can carry.
CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"
).filter(lambda char: char not in "\ufffe\uffff")
INTEGERS = {
    "xs:unsignedByte": (0, 2**8 - 1),
    "xs:unsignedShort": (0, 2**16 - 1),
    "xs:unsignedInt": (0, 2**32 - 1),
    "xs:byte": (-(2**7), 2**7 - 1),
    "xs:short": (-(2**15), 2**15 - 1),
    "xs:int": (-(2**31), 2**31 - 1),
    "xs:long": (-(2**63), 2**63 - 1),
    "xs:unsignedLong": (0, 2**64 - 1),
}


def values(leaf: Leaf) -> st.SearchStrategy:
    while isinstance(leaf.base, Leaf):
        leaf = leaf.base
    facets = dict(leaf.facets)
    if leaf.name == "HexBinary160":
        return st.text("0123456789ABCDEF", min_size=40, max_size=40)
    if leaf.name == "xs:boolean":
        return st.booleans()
    if leaf.name == "xs:anyURI":
        return st.from_regex(r"(/[a-z0-9_]{1,8}){1,3}(\?s=[0-9]&l=[0-9])?", fullmatch=True)
    if leaf.base == "xs:string":
        return st.text(CHARACTERS, max_size=facets["maxLength"])
    if leaf.base == "xs:hexBinary":
        return st.integers(0, 256 ** facets["maxLength"] - 1)
    low, high = INTEGERS[leaf.base]
    return st.integers(facets.get("minInclusive", low), facets.get("maxInclusive", high))


def part_values(part: Part, edition: int) -> st.SearchStrategy:
    one = values(part.kind) if isinstance(part.kind, Leaf) else resources(part.kind, edition)
    if part.many and isinstance(part.mark, Element):
        return st.lists(one, min_size=part.mark.least, max_size=max(2, part.mark.least)).map(tuple)
    return one if part.required else st.none() | one


@cache
def resources(cls: type, edition: int = 2023) -> st.SearchStrategy:
    """Resources of a class, of what is in an edition and without CSIP-AUS."""
    fields = {
        part.field: part_values(part, edition)
        for part in parts(cls)
        if part.mark.edition <= edition
        and not (isinstance(part.mark, Element) and part.mark.namespace == CSIP_AUS)
    }
    return st.builds(cls, **fields)


bounded = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("name", [cls.__name__ for cls in ROOTS])
@bounded
@given(data=st.data())
def test_every_resource_comes_back_the_same(name, data):
    resource = data.draw(resources(classes()[name]))
    body = encode(resource)
    assert decode(body, classes()[name]) == resource
    root = etree.fromstring(body)
    assert validator_of_ours().fault(root) is None


@cache
def validator_of_ours():
    return validator()


@pytest.mark.parametrize(
    "name", [cls.__name__ for cls in ROOTS if cls.__name__ in genuine(2018).types]
)
@bounded
@given(data=st.data())
def test_what_we_send_is_valid_by_the_genuine_2018_schema(name, data):
    body = encode(data.draw(resources(classes()[name], 2018)))
    assert genuine(2018).accepts(etree.fromstring(body))


@bounded
@given(st.lists(resources(DERControl), max_size=3))
def test_a_list_of_fragments_is_the_list(controls):
    header = DERControlList(href="/derp/1/derc", all=9, results=len(controls))
    whole = DERControlList(href="/derp/1/derc", all=9, results=len(controls), items=tuple(controls))
    joined = encode_list(header, [encode_fragment(control) for control in controls])
    assert joined == encode(whole)
    assert decode(joined) == whole


@bounded
@given(st.lists(resources(Response) | resources(DERControlResponse), max_size=3))
def test_a_list_of_responses_keeps_their_kinds(answers):
    header = ResponseList(all=3, results=len(answers))
    body = encode_list(header, [encode_fragment(answer) for answer in answers])
    assert decode(body, ResponseList).items == tuple(answers)
    assert [type(item) for item in decode(body, ResponseList).items] == list(map(type, answers))


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"<a>{text}</a>".encode()))
def test_anything_else_is_refused(body):
    with pytest.raises(Sep2DecodeError):
        decode(body)


@given(st.floats(-3.2e13, 3.2e13))
def test_a_power_loses_less_than_half_its_last_digit(number):
    power = ActivePower.of(number)
    assert -(2**15) <= power.value < 2**15
    # four digits are kept: a value of 16 bits loses 5 / 32767 at worst
    assert abs(power.number - number) <= max(abs(number) * 5 / 32767, 0.5e-9)


@given(st.integers(-(2**15), 2**15 - 1), st.integers(-6, 9))
def test_a_power_that_fits_is_exact(value, multiplier):
    number = float(f"{value}e{multiplier}")
    assert ActivePower.of(number).number == number


@given(st.floats(max_value=-1e-300))
def test_an_apparent_power_is_never_negative(number):
    with pytest.raises(ValueError, match=r"negative|finite"):
        ApparentPower.of(number)
