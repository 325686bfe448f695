"""What py20305, which shares nothing with our codec, makes of a document reads as the same."""

from __future__ import annotations

import random

import pytest
from lxml import etree
from py20305.models.sep import sep
from py20305.xml import from_xml, to_xml

from gateway.links.sep2.codec import decode, encode
from gateway.links.sep2.resources import ROOTS, DERControl
from tests.interop.sep2.genuine import genuine

#: Its classes are named after ours, but for capitals.
MODELS = {name.lower(): getattr(sep, name) for name in dir(sep)}


@pytest.mark.parametrize("name", [cls.__name__ for cls in ROOTS])
def test_a_document_through_py20305_is_the_same_resource(name):
    for seed in range(5):
        # with all there is: py20305 writes out the defaults of what is not
        document = etree.tostring(genuine(2023).document(name, random.Random(seed), 1.0))
        theirs = from_xml(document, MODELS[name.lower()])
        ours = decode(document)
        assert decode(to_xml(theirs)) == ours
        assert from_xml(encode(ours), MODELS[name.lower()]) == from_xml(
            encode(decode(to_xml(theirs))), MODELS[name.lower()]
        )


def test_values_are_those_py20305_reads():
    document = etree.tostring(genuine(2018).document("DERControl", random.Random(3), 1.0))
    theirs = from_xml(document, sep.Dercontrol)
    ours = decode(document, DERControl)
    assert ours.mrid == int.from_bytes(theirs.m_rid.value)
    assert ours.interval.start == theirs.interval.start.value
    assert ours.interval.duration == theirs.interval.duration
    assert ours.event_status.current_status == theirs.event_status.current_status
    base, their_base = ours.der_control_base, theirs.dercontrol_base
    assert base.op_mod_max_lim_w == their_base.op_mod_max_lim_w.value
    assert base.op_mod_connect is their_base.op_mod_connect
    assert base.op_mod_target_w is not None
    assert base.op_mod_target_w.value == their_base.op_mod_target_w.value
    assert base.op_mod_volt_var is not None
    assert base.op_mod_volt_var.href == their_base.op_mod_volt_var.href
