"""Hand-written documents, judged by lxml, by xmlschema and by what they should mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from gateway.groups import schema
from gateway.groups.xml import decode, encode
from gateway.groups.xml_faults import InvalidMessageError
from gateway.model.data import data_folder

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "groups"
FILES = sorted(FOLDER.glob("*.xml"))
NAMES = [path.stem for path in FILES]


@pytest.fixture(scope="module")
def fast() -> etree.XMLSchema:
    """The schema as lxml reads it, apart from the code under test."""
    return etree.XMLSchema(etree.parse(str(data_folder("schemas") / "groups" / "messages.xsd")))


@pytest.fixture(scope="module")
def thorough() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(data_folder("schemas") / "groups" / "messages.xsd"))


def test_every_document_has_its_meaning_and_every_meaning_its_document(golden_messages):
    assert set(NAMES) == set(golden_messages)


@pytest.mark.parametrize("name", NAMES)
def test_both_schemas_find_it_valid(fast, thorough, name):
    data = (FOLDER / f"{name}.xml").read_bytes()
    assert fast.validate(etree.fromstring(data)), fast.error_log
    assert thorough.is_valid(data.decode())


@pytest.mark.parametrize("name", NAMES)
def test_it_means_what_it_says(golden_messages, name):
    assert decode((FOLDER / f"{name}.xml").read_bytes()) == golden_messages[name]


@pytest.mark.parametrize("name", NAMES)
def test_what_we_write_of_it_is_valid_to_both_and_means_the_same(
    golden_messages, fast, thorough, name
):
    written = encode(golden_messages[name])
    assert fast.validate(etree.fromstring(written)), fast.error_log
    assert thorough.is_valid(written.decode())
    assert decode(written) == golden_messages[name]


#: Each turns some golden document into an invalid one: pattern, replacement.
MUTATIONS = {
    "no verb": (rb"<Verb>.*?</Verb>", b""),
    "another verb": (rb"<Verb>.*?</Verb>", b"<Verb>put</Verb>"),
    "no noun": (rb"<Noun>.*?</Noun>", b""),
    "another noun": (rb"<Noun>.*?</Noun>", b"<Noun>DERGroups</Noun>"),
    "no message id": (rb"<MessageID>.*?</MessageID>", b""),
    "an empty message id": (rb"<MessageID>.*?</MessageID>", b"<MessageID/>"),
    "a long message id": (rb"<MessageID>", b"<MessageID>" + b"a" * 72),
    "a message id with a blank": (rb"<MessageID>", b"<MessageID>a b"),
    "no timestamp": (rb"<Timestamp>.*?</Timestamp>", b""),
    "local time": (rb"Z</Timestamp>", b"</Timestamp>"),
    "an offset": (rb"Z</Timestamp>", b"+01:00</Timestamp>"),
    "microseconds": (rb"Z</Timestamp>", b"123Z</Timestamp>"),
    "no such day": (rb"<Timestamp>2026-03-20", b"<Timestamp>2026-02-30"),
    "hour 24": (rb"T11:59:58\.25[01]Z", b"T24:00:00.000Z"),
    "minute 60": (rb"<Timestamp>2026-03-20T11:59", b"<Timestamp>2026-03-20T11:60"),
    "before 1970": (rb"<Timestamp>2026", b"<Timestamp>1969"),
    "after 2999": (rb"<Timestamp>2026", b"<Timestamp>3026"),
    "no payload": (rb"(?s)<Payload>.*</Payload>", b""),
    "an empty payload": (rb"(?s)<Payload>.*</Payload>", b"<Payload/>"),
    "two headers": (rb"(?s)(<Header>.*</Header>)", rb"\1\1"),
    "two payloads": (rb"(?s)(<Payload>.*</Payload>)", rb"\1\1"),
    "header last": (rb"(?s)(<Header>.*</Header>)(.*</Payload>)", rb"\2\1"),
    "text between": (rb"<Payload>", b"<Payload>text"),
    "an attribute more": (rb"<Header>", b'<Header extra="1">'),
    "an element more": (rb"</Header>", b"<Extra/></Header>"),
    "no DMS id": (rb"<DMSId>.*?</DMSId>", b""),
    "no group id": (rb"<GroupId>.*?</GroupId>(?!\s*</GroupQuery>)", b""),
    "ids swapped": (rb"(<DMSId>.*?</DMSId>)\s*(<GroupId>.*?</GroupId>)", rb"\2\1"),
    "a path as group id": (rb"<GroupId>", b"<GroupId>../"),
    "another timing": (rb"REFRESHED", b"SOMETIME"),
    "no timing": (rb"<Timing>.*?</Timing>", b""),
    "no quantity": (rb"(?s)<Quantity>.*</Quantity>", b""),
    "another quantity": (rb"<Quantity>P<", b"<Quantity>kWh<"),
    "ten quantities": (rb"(<Quantity>P</Quantity>)", rb"\1" * 10),
    "a forecast of a voltage": (rb"<Quantity>P</Quantity>\s*<In", b"<Quantity>V</Quantity><In"),
    "no intervals": (rb"<Intervals>.*?</Intervals>", b"<Intervals>0</Intervals>"),
    "289 intervals": (rb"<Intervals>.*?</Intervals>", b"<Intervals>289</Intervals>"),
    "half an interval": (rb"<Intervals>.*?</Intervals>", b"<Intervals>2.0</Intervals>"),
    "a negative interval": (rb"<IntervalSeconds>", b"<IntervalSeconds>-"),
    "an interval too long": (rb"<IntervalSeconds>.*?<", b"<IntervalSeconds>86401<"),
    "a negative limit": (rb">150\.5<", b">-150.5<"),
    "not a number": (rb">150\.5<", b">NaN<"),
    "infinite": (rb">150\.5<", b">INF<"),
    "an exponent": (rb">150\.5<", b">1e3<"),
    "a plus": (rb">150\.5<", b">+150.5<"),
    "a comma": (rb">150\.5<", b">150,5<"),
    "no leading digit": (rb">150\.5<", b">.5<"),
    "no trailing digit": (rb">150\.5<", b">150.<"),
    "too large": (rb">150\.5<", b">1000000001<"),
    "too many digits": (rb">150\.5<", b">00000000150.5<"),
    "too fine": (rb">150\.5<", b">150.1234567890<"),
    "a blank inside": (rb">150\.5<", b">150 .5<"),
    "arabic digits": (rb">150\.5<", ">\u0661\u0665\u0660<".encode()),
    "an empty number": (rb">150\.5<", b"><"),
    "a limit in var": (rb'<Limit unit="W"', b'<Limit unit="var"'),
    "a limit without unit": (rb'<Limit unit="W"', b"<Limit"),
    "another multiplier": (rb'multiplier="k"', b'multiplier="G"'),
    "a limit and an end": (rb"(<Limit.*?</Limit>)", rb"\1<End/>"),
    "a ramp in W": (rb'unit="W/s"', b'unit="W"'),
    "a negative duration": (rb"<DurationSeconds>", b"<DurationSeconds>-"),
    "more than a year": (rb"<DurationSeconds>3600<", b"<DurationSeconds>31622401<"),
    "no direction": (rb"<Direction>.*?</Direction>", b""),
    "another direction": (rb"<Direction>.*?<", b"<Direction>UP<"),
    "an end with content": (rb"<End/>", b"<End>now</End>"),
    "neither value nor end": (rb"<End/>", b""),
    "an empty schedule": (rb"(?s)(<Schedule[^>]*>).*(</Schedule>)", rb"\1\2"),
    "Q in W": (rb'<Schedule unit="var"', b'<Schedule unit="W"'),
    "P in var": (rb'<Schedule unit="W"', b'<Schedule unit="var"'),
    "an interval of nothing": (rb"<DurationSeconds>0\.001<", b"<DurationSeconds>0<"),
    "one curve point": (rb"(?s)(<Point>.*?</Point>).*</Curve>", rb"\1</Curve>"),
    "21 curve points": (rb"(?s)(<Point>.*?</Point>)(.*</Curve>)", rb"\1" * 20 + rb"\2"),
    "a voltage of 201 %": (rb"<VoltagePercent>92<", b"<VoltagePercent>201<"),
    "a var of -201 %": (rb">-44\.5<", b">-201<"),
    "another reference": (rb"AVAILABLE_Q", b"SOME_Q"),
    "a power factor above 1": (rb"<Magnitude>0\.95<", b"<Magnitude>1.01<"),
    "a negative power factor": (rb"<Magnitude>", b"<Magnitude>-"),
    "another excitation": (rb"under-excited", b"excited"),
    "a ramp of nothing": (rb">2\.5</Up>", b">0</Up>"),
    "a ramp in kW": (rb'<Up unit="W/s"', b'<Up unit="kW/s"'),
    "a ramp down before up": (rb"(?s)(<Up.*?</Up>)\s*(<Down.*?</Down>)", rb"\2\1"),
    "a voltage to hold of 79 %": (rb">101\.5<", b">79<"),
    "no droop at all": (rb"<DroopPercent>3\.5<", b"<DroopPercent>0<"),
    "volts in a frequency curve": (rb"FrequencyHertz", b"VoltagePercent"),
    "71 Hz": (rb"<FrequencyHertz>62<", b"<FrequencyHertz>71<"),
    "real power of 101 %": (rb"<RealPowerPercent>100<", b"<RealPowerPercent>101<"),
    "a currency in words": (rb">EUR<", b">euro<"),
    "no currency": (rb"<Currency>.*?</Currency>", b""),
    "a group of nobody": (rb"<Member>pv1</Member>\s*<Member>pv2</Member>\s*<Cap", b"<Cap"),
    "a member with a blank": (rb"<Member>pv1<", b"<Member>pv 1<"),
    "a stated voltage": (rb'<Capability quantity="Q">\s*<Min', b'<Capability quantity="V"><Min'),
    "three capabilities": (rb'(?s)(<Capability quantity="P">\s*<Min.*?</Capability>)', rb"\1" * 3),
    "a change of no version": (rb"<Version>\d</Version>", b""),
    "a negative version": (rb"<Version>3<", b"<Version>-3<"),
    "removed before added": (rb"(?s)(<Add>.*</Add>)\s*(<Remove>.*</Remove>)", rb"\2\1"),
    "an empty addition": (rb"(?s)<Add>.*</Add>", b"<Add/>"),
    "a set of nothing": (rb"(?s)<Operation>.*</Operation>", b""),
    "an operation of two": (rb"</GroupDeletion>\s*</Operation>\s*<Operation>", b"</GroupDeletion>"),
    "21 operations": (rb"(?s)(<Operation>\s*<Real.*?</Operation>)", rb"\1" * 20),
    "a set in a set": (
        rb"(?s)<GroupDeletion>.*?</GroupDeletion>(\s*</Operation>)",
        rb"<OperationSet><DMSId>d</DMSId></OperationSet>\1",
    ),
    "a definition without version": (rb' version="7"', b""),
    "a part without result": (rb"<Reply>\s*<Result>FAILED</Result>", b"<Reply>"),
    "a part of a part": (
        rb"(?s)(<OperationReply number=\"1\">.*?)(</GroupReport>\s*</OperationReply>)",
        rb'\1<OperationReply number="1"/>\2',
    ),
    "an event of no kind": (rb"<Kind>.*?</Kind>", b""),
    "another kind of event": (rb"<Kind>GROUP<", b"<Kind>ALARM<"),
    "an event that says it was created": (rb"<Verb>changed<", b"<Verb>create<"),
    "an event of nobody": (rb"<Source>box-7</Source>", b""),
    "connect 0": (rb"<Connect>false<", b"<Connect>0<"),
    "connect maybe": (rb"<Connect>false<", b"<Connect>maybe<"),
    "another action": (rb"PLANNED", b"UNPLANNED"),
    "a long reason": (rb"<Reason>storm", b"<Reason>" + b"x" * 300),
    "another result": (rb"<Result>.*?<", b"<Result>MAYBE<"),
    "no result": (rb"<Result>.*?</Result>", b""),
    "another level": (rb"<Level>.*?<", b"<Level>ERROR<"),
    "another code": (rb"<Code>6\.1<", b"<Code>six<"),
    "no code": (rb"<Code>6\.1</Code>", b""),
    "51 errors": (rb"(?s)(<Error>.*?</Error>)", rb"\1" * 51),
    "no correlation": (rb"<CorrelationID>.*?</CorrelationID>", b""),
    "no report": (rb"(?s)<GroupReport>.*</GroupReport>", b""),
    "good unsaid": (rb' good="true"', b""),
    "good perhaps": (rb'good="true"', b'good="perhaps"'),
    "a value without unit": (rb'<Value unit="W"', b"<Value"),
    "a value in miles": (rb'<Value unit="W"', b'<Value unit="mi"'),
    "no maximum": (rb"<Maximum.*?</Maximum>", b""),
    "confidence of 101 %": (rb"<ConfidencePercent>90<", b"<ConfidencePercent>101<"),
    "no nominal": (rb' nominal="120"', b""),
    "865 intervals": (rb"(?s)(<Interval start.*?/>)", rb"\1" * 865),
    "minus one member": (rb'members="4"', b'members="-1"'),
    "members unsaid": (rb' members="4"', b""),
    "a request's root on a reply": (rb"ResponseMessage", b"RequestMessage"),
    "another root": (rb"RequestMessage", b"FaultMessage"),
    "another namespace": (rb"functions:1", b"functions:2"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_both_schemas_refuse_what_is_wrong(fast, thorough, mutation):
    pattern, replacement = MUTATIONS[mutation]
    touched = 0
    for path in FILES:
        data = path.read_bytes()
        mutated = re.sub(pattern, replacement, data)
        if mutated == data:
            continue
        touched += 1
        assert not fast.validate(etree.fromstring(mutated)), path.name
        assert not thorough.is_valid(mutated.decode()), path.name
        with pytest.raises(InvalidMessageError) as refused:
            decode(mutated)
        assert refused.value.faults
        assert all(fault.line >= 1 and fault.reason for fault in refused.value.faults)
    assert touched, "the mutation finds nothing to change"


#: Valid to a schema, and still no sense in them: pattern, replacement, what is said of it.
SENSELESS = {
    "noun of another": (rb"<Noun>StatusQuery<", b"<Noun>CapabilityQuery<", "does not go with"),
    "create a query": (rb"<Verb>get<", b"<Verb>create<", "does not go with"),
    "get a dispatch": (rb"<Verb>create<", b"<Verb>get<", "does not go with"),
    "an open interval first": (
        rb"<DurationSeconds>900</DurationSeconds>(\s*<Value>0\.25)", rb"\1", "DurationSeconds"
    ),
    "a falling voltage": (rb"<VoltagePercent>92<", b"<VoltagePercent>99<", "VoltagePercent falls"),
    "a falling frequency": (rb">62<", b">60<", "FrequencyHertz falls"),
    "create a deletion": (rb"<Verb>delete<", b"<Verb>create<", "does not go with"),
    "a capability stated twice": (
        rb'(?s)(<Capability quantity="P">\s*<Min.*?</Capability>)', rb"\1\1", "stated twice",
    ),
    "a stated minimum above": (rb">-80<", b">61<", "above Maximum"),
    "an updated forecast without one": (rb"(?s)<Kind>STATUS<", b"<Kind>FORECAST<", "without a Fo"),
    "P in var": (rb'<Value unit="W"', b'<Value unit="var"', "P is in W, not in var"),
    "good without value": (rb'good="false"/>', b'good="true"/>', "has no Value"),
    "minimum above maximum": (rb">-200<", b">331<", "above Maximum"),
    "nominal outside its band": (rb'nominal="120"', b'nominal="131"', "outside"),
    "a forecast of P in var": (rb'quantity="P" unit="W" m', b'quantity="P" unit="var" m', "P is"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", SENSELESS)
def test_what_no_schema_can_say_is_refused_too(thorough, mutation):
    pattern, replacement, said = SENSELESS[mutation]
    touched = 0
    for path in FILES:
        data = path.read_bytes()
        mutated = re.sub(pattern, replacement, data)
        if mutated == data:
            continue
        touched += 1
        assert thorough.is_valid(mutated.decode())
        with pytest.raises(InvalidMessageError, match=said):
            decode(mutated)
    assert touched


def test_a_report_points_at_the_element():
    data = (FOLDER / "volt_var_curve.xml").read_bytes().replace(b">98<", b">x<", 1)
    readable = schema.report(data)
    with pytest.raises(InvalidMessageError) as refused:
        decode(data)
    for fault in (*readable, *refused.value.faults):
        line = data.split(b"\n")[fault.line - 1]
        assert line[fault.column - 1 :].startswith(b"<VoltagePercent>x<")
        assert fault.path == "/RequestMessage/Payload/VoltVarCurve/Curve/Point[2]/VoltagePercent"
        assert fault.reason
