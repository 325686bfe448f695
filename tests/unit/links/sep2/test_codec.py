"""Documents as peers write them, and what must come out of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.links.sep2.codec import (
    Sep2DecodeError,
    decode,
    encode,
    encode_fragment,
    encode_list,
)
from gateway.links.sep2.resources import (
    ActivePower,
    CurveData,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    DERControlResponse,
    DERCurve,
    EndDevice,
    EndDeviceList,
    EventStatus,
    Link,
    Notification,
    Response,
    Time,
)
from gateway.model.errors import LocalProtocolError

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
LFDI = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"

CONTROL = f"""<?xml version="1.0" encoding="UTF-8"?>
<DERControl {NS} href="/derp/0/derc/1" replyTo="/rsps/0/rsp" responseRequired="03">
  <mRID>0B</mRID>
  <description>Limit &lt; 50 % &amp; more</description>
  <creationTime>1700000000</creationTime>
  <EventStatus>
    <currentStatus>0</currentStatus>
    <dateTime>1700000000</dateTime>
    <potentiallySuperseded>false</potentiallySuperseded>
  </EventStatus>
  <interval><duration>900</duration><start>1700000100</start></interval>
  <randomizeStart>-30</randomizeStart>
  <DERControlBase>
    <opModConnect>true</opModConnect>
    <opModMaxLimW>5000</opModMaxLimW>
    <opModTargetW><multiplier>3</multiplier><value>-5</value></opModTargetW>
    <opModVoltVar href="/derp/0/dc/2"/>
  </DERControlBase>
</DERControl>""".encode()

EXPECTED = DERControl(
    href="/derp/0/derc/1",
    reply_to="/rsps/0/rsp",
    response_required=3,
    mrid=11,
    description="Limit < 50 % & more",
    creation_time=1_700_000_000,
    event_status=EventStatus(
        current_status=0, date_time=1_700_000_000, potentially_superseded=False
    ),
    interval=DateTimeInterval(duration=900, start=1_700_000_100),
    randomize_start=-30,
    der_control_base=DERControlBase(
        op_mod_connect=True,
        op_mod_max_lim_w=5000,
        op_mod_target_w=ActivePower(multiplier=3, value=-5),
        op_mod_volt_var=Link("/derp/0/dc/2"),
    ),
)


def control(inner: str) -> bytes:
    """The control with something else in its base."""
    head, _, rest = CONTROL.decode().partition("<DERControlBase>")
    tail = rest.partition("</DERControlBase>")[2]
    return f"{head}<DERControlBase>{inner}</DERControlBase>{tail}".encode()


def test_a_control_is_read():
    assert decode(CONTROL, DERControl) == EXPECTED
    assert EXPECTED.der_control_base.op_mod_target_w.number == -5000.0


def test_a_control_is_written_in_the_order_of_the_standard():
    body = encode(EXPECTED)
    assert body.startswith(b'<DERControl xmlns="urn:ieee:std:2030.5:ns" href="/derp/0/derc/1"')
    # an mRID at its full width, whatever the peer's was
    assert b"<mRID>0000000000000000000000000000000B</mRID>" in body
    assert b"<description>Limit &lt; 50 % &amp; more</description>" in body
    assert body.endswith(
        b"<opModConnect>true</opModConnect><opModMaxLimW>5000</opModMaxLimW><opModTargetW>"
        b"<multiplier>3</multiplier><value>-5</value></opModTargetW>"
        b'<opModVoltVar href="/derp/0/dc/2"/></DERControlBase></DERControl>'
    )
    assert decode(body) == EXPECTED


def test_a_prefix_is_as_good_as_a_default_namespace():
    prefixed = CONTROL.replace(b"xmlns=", b"xmlns:s=").replace(b"</", b"</s:")
    for name in (b"DER", b"mRID", b"desc", b"creat", b"Event", b"curr", b"date", b"pot", b"inter"):
        prefixed = prefixed.replace(b"<" + name, b"<s:" + name)
    for name in (b"dura", b"start", b"rand", b"opMod", b"mult", b"value"):
        prefixed = prefixed.replace(b"<" + name, b"<s:" + name)
    assert decode(prefixed) == EXPECTED


def test_an_lfdi_is_forty_digits_in_upper_case():
    body = (
        f"<EndDevice {NS}><lFDI>{LFDI.lower()}</lFDI><sFDI>167261211391</sFDI>"
        "<changedTime>1</changedTime></EndDevice>"
    ).encode()
    device = decode(body, EndDevice)
    assert device.lfdi == LFDI
    assert device.sfdi == 167261211391
    assert f"<lFDI>{LFDI}</lFDI>".encode() in encode(device)
    short = decode(body.replace(LFDI.lower().encode(), b"0b"), EndDevice)
    assert short.lfdi == "0" * 38 + "0B"


@pytest.mark.parametrize(
    "opening",
    [
        f"<DERControlResponse {NS}",
        (
            f'<Response {NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xsi:type="DERControlResponse"'
        ),
        (
            '<s:Response xmlns:s="urn:ieee:std:2030.5:ns"'
            f' {NS} xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
            ' i:type="s:DERControlResponse"'
        ),
    ],
)
def test_a_response_says_its_kind_by_its_name_or_its_type(opening):
    inner = f"<endDeviceLFDI>{LFDI}</endDeviceLFDI><status>2</status><subject>0B</subject>"
    closing = opening[1:].split()[0]
    response = decode(f"{opening}>{inner}</{closing}>".encode(), Response)
    assert response == DERControlResponse(end_device_lfdi=LFDI, status=2, subject=11)
    assert type(response) is DERControlResponse


def test_a_notification_carries_any_resource():
    changed = DERControlList(href="/derp/0/derc", all=1, results=1, items=(EXPECTED,))
    notification = Notification(
        subscribed_resource="/derp/0/derc", resource=changed, status=0, subscription_uri="/sub/1"
    )
    body = encode(notification)
    assert b'<Resource xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"' in body
    assert b'xsi:type="DERControlList"' in body
    assert decode(body) == notification


def test_a_list_is_joined_out_of_fragments():
    header = DERControlList(href="/l", all=5, results=2)
    body = encode_list(header, [encode_fragment(EXPECTED)] * 2)
    whole = DERControlList(href="/l", all=5, results=2, items=(EXPECTED, EXPECTED))
    assert body == encode(whole)
    assert encode_list(header, []) == encode(header)
    with pytest.raises(LocalProtocolError, match="no list without entries"):
        encode_list(whole, [])
    with pytest.raises(LocalProtocolError, match="no list without entries"):
        encode_list(EXPECTED, [])
    with pytest.raises(LocalProtocolError, match="no list has"):
        encode_fragment(EndDeviceList(all=0, results=0))


def test_a_mode_marked_as_disabled_is_read_as_absent():
    inner = '<opModMaxLimW disabled="true">0</opModMaxLimW><opModVoltVar href="/c" disabled="1"/>'
    assert decode(control(inner), DERControl).der_control_base == DERControlBase()
    held = decode(control(inner.replace("true", "false").replace("1", "0")), DERControl)
    assert held.der_control_base.op_mod_max_lim_w == 0
    assert held.der_control_base.op_mod_volt_var == Link("/c")


def test_csip_aus_limits_are_read_always_and_written_where_asked():
    inner = (
        '<opModConnect>true</opModConnect><a:opModExpLimW xmlns:a="https://csipaus.org/ns">'
        "<multiplier>0</multiplier><value>1500</value></a:opModExpLimW>"
    )
    read = decode(control(inner), DERControl)
    assert read.der_control_base == DERControlBase(
        op_mod_connect=True, op_mod_exp_lim_w=ActivePower(multiplier=0, value=1500)
    )
    assert b"LimW" not in encode(read)
    assert decode(encode(read, csip_aus=True)) == read
    header = DERControlList(all=1, results=1)
    listed = encode_list(header, [encode_fragment(read, csip_aus=True)])
    assert decode(listed, DERControlList).items == (read,)


def test_elements_of_others_are_passed_over():
    inner = '<x:new xmlns:x="urn:x"><x:a>1</x:a></x:new><opModMaxLimW>7</opModMaxLimW>'
    assert decode(control(inner), DERControl).der_control_base.op_mod_max_lim_w == 7


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("<opModMaxLimW>x</opModMaxLimW>", "opModMaxLimW: not a whole number"),
        ("<opModMaxLimW>65536</opModMaxLimW>", "opModMaxLimW: not from 0 to 65535"),
        ("<opModConnect>yes</opModConnect>", "opModConnect: neither true nor false"),
        ("<opModMaxLimW><value>1</value></opModMaxLimW>", "has elements where a value is due"),
        ("<opModVoltVar/>", "opModVoltVar: href is missing"),
        ("<opModNew>1</opModNew>", "opModNew: not an element of DERControlBase"),
        ('<opModConnect xmlns="">1</opModConnect>', "not an element of DERControlBase"),
        ("<opModMaxLimW>1</opModMaxLimW><opModConnect>1</opModConnect>", "out of order"),
        ("<opModConnect>1</opModConnect><opModConnect>1</opModConnect>", "once too often"),
        ("text", "DERControlBase: text where elements are due"),
        ("<opModConnect>1</opModConnect>text", "DERControlBase: text where elements are due"),
        ('<opModVoltVar href="/c">text</opModVoltVar>', "VoltVar: text where elements are due"),
        ("<opModTargetW><value>1</value></opModTargetW>", "multiplier is missing"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(inner, reason):
    with pytest.raises(Sep2DecodeError, match=reason) as caught:
        decode(control(inner))
    assert caught.value.fault.line == 13
    assert "DERControlBase" in caught.value.fault.path


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<Time/>", "not in the namespace urn:ieee:std:2030.5:ns"),
        (f"<TariffProfile {NS}/>".encode(), "TariffProfile is not a resource known here"),
        (f"<DERControlBase {NS}/>".encode(), "DERControlBase is not a resource known here"),
        (CONTROL, "DERControl where Response or Time is due"),
    ],
)
def test_another_document_is_refused(body, reason):
    with pytest.raises(Sep2DecodeError, match=reason):
        decode(body, Response, Time)


def curve(points: int) -> DERCurve:
    return DERCurve(
        mrid=1,
        creation_time=0,
        curve_data=tuple(CurveData(xvalue=9800 + n, yvalue=100 - n) for n in range(points)),
        curve_type=11,
        x_multiplier=-2,
        y_multiplier=-2,
        y_ref_type=3,
    )


def test_a_curve_has_one_to_ten_points():
    full = encode(curve(10))
    assert decode(full) == curve(10)
    point = b"<CurveData><xvalue>9800</xvalue><yvalue>100</yvalue></CurveData>"
    with pytest.raises(Sep2DecodeError, match="11 times CurveData"):
        decode(full.replace(point, point * 2))
    with pytest.raises(Sep2DecodeError, match="0 times CurveData"):
        decode(encode(curve(1)).replace(point, b""))
    for points in (0, 11):
        with pytest.raises(LocalProtocolError, match=f"curve_data: {points} entries"):
            encode(curve(points))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (replace(EXPECTED, description="x" * 33), "description: longer than 32 characters"),
        (replace(EXPECTED, description="a\x00b"), "XML cannot carry"),
        (replace(EXPECTED, mrid=1 << 128), "mrid: not from 0 to 32 hexadecimal digits"),
        (replace(EXPECTED, response_required=256), "response_required: not from 0 to 2 hex"),
        (replace(EXPECTED, randomize_start=40_000), "randomize_start: not from -32768 to 32767"),
        (replace(EXPECTED, der_control_base=Link("/x")), "der_control_base cannot be Link"),
        (Response(end_device_lfdi="xyz", subject=1), "end_device_lfdi: not an even number"),
        (Link("/x"), "Link is no document"),
    ],
)
def test_a_mistake_of_ours_is_no_document(wrong, reason):
    with pytest.raises(LocalProtocolError, match=reason):
        encode(wrong)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('all="x" results="0"', "not a whole number"),
        ('all="-1" results="0"', "not from 0 to 4294967295"),
        ('results="0"', "all is missing"),
        ('all="0"', "results is missing"),
        ('all="0" results="0" subscribable="256"', "not from 0 to 255"),
        ('all="0" results="0" n:all="0" xmlns:n="urn:ieee:std:2030.5:ns"', ""),
        ('all="0" results="0" href=" /l " unknown="1" schemaVer="2.2"', ""),
    ],
)
def test_an_attribute_is_judged_where_it_is_known(attributes, reason):
    body = f"<DERControlList {NS} {attributes}/>".encode()
    if reason:
        with pytest.raises(Sep2DecodeError, match=reason):
            decode(body)
    else:
        href = "/l" if "href" in attributes else None
        assert decode(body) == DERControlList(href=href, all=0, results=0)
