"""The same endpoint in the message form of IEC 61968-5, as publicly described.

Built and read by ElementTree; every answer is judged by the schema of the subset.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import pytest
from lxml import etree

from gateway.model.data import data_folder
from tests.interop.groups.documents import stamp

pytestmark = pytest.mark.interop

ENVELOPE = "http://iec.ch/TC57/2011/schema/message"
#: Any one namespace will do for the payload; this one is made up.
NOUNS = "urn:example:der-nouns"
E, N = f"{{{ENVELOPE}}}", f"{{{NOUNS}}}"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    path = data_folder("schemas") / "iec61968" / "messages.xsd"
    return etree.XMLSchema(etree.parse(str(path)))


def message(verb: str, noun: str, body: str, part: str = "Payload", header: str = "") -> bytes:
    return f"""<RequestMessage xmlns="{ENVELOPE}"><Header><Verb>{verb}</Verb>
    <Noun>{header or noun}</Noun><Timestamp>{stamp()}</Timestamp><Source>dms</Source>
    <MessageID>iec-{next(_NUMBERS)}</MessageID></Header>
    <{part}><{noun} xmlns="{NOUNS}">{body}</{noun}></{part}></RequestMessage>""".encode()


def group(mrid: str, *inside: str) -> str:
    return f"<EndDeviceGroup><mRID>{mrid}</mRID>{''.join(inside)}</EndDeviceGroup>"


def devices(*names: str) -> str:
    return "".join(f"<EndDevices><mRID>{name}</mRID></EndDevices>" for name in names)


def version(major: int) -> str:
    return f"<version><major>{major}</major></version>"


def parameter(name: str, unit: str, inside: str, multiplier: str = "k") -> str:
    return f"""<DERMonitorableParameter><DERParameter>{name}</DERParameter>
    <yMultiplier>{multiplier}</yMultiplier><yUnit>{unit}</yUnit>{inside}</DERMonitorableParameter>"""


def schedule(*values: float, seconds: int = 900, start: str = "") -> str:
    begin = f"<startTime>{start}</startTime>" if start else ""
    data = "".join(
        f"<DERCurveData><nominalYValue>{value:g}</nominalYValue></DERCurveData>" for value in values
    )
    return f"""<DispatchSchedule>{begin}<timeIntervalDuration>{seconds}</timeIntervalDuration>
    <timeIntervalUnit>s</timeIntervalUnit>{data}</DispatchSchedule>"""


def dispatch(mrid: str, name: str, unit: str, *values: float, **more) -> str:
    inside = parameter(name, unit, schedule(*values, **more))
    return f"<DERGroupDispatch>{group(mrid, inside)}</DERGroupDispatch>"


@pytest.fixture
def ask(box, schema):
    async def send(document: bytes, name: str = "dms", code: int = 200) -> ET.Element:
        box.open(name)
        url, headers = f"https://127.0.0.1:{box.port}/groups", {"Content-Type": "application/xml"}
        async with box.sessions[name].post(url, data=document, headers=headers) as response:
            answer = await response.read()
        assert response.status == code, answer.decode()
        plain = etree.fromstring(answer)
        for element in plain.iter(f"{N}*"):
            element.tag = etree.QName(element).localname
        assert schema.validate(plain), (schema.error_log, answer.decode())
        return ET.fromstring(answer)  # noqa: S314 - our own box

    return send


def result(answer: ET.Element) -> str:
    return answer.findtext(f"{E}Reply/{E}Result") or ""


def reasons(answer: ET.Element) -> str:
    found = answer.iterfind(f"{E}Reply/{E}Error/{E}reason")
    return "; ".join(element.text or "" for element in found)


def noun(answer: ET.Element) -> str:
    return answer.findtext(f"{E}Header/{E}Noun") or ""


async def test_status_by_query_in_the_request_and_in_the_payload(ask):
    for part, header in (("Request", "DERGroupStatuses"), ("Payload", "")):
        document = message("get", "DERGroupStatusQueries", group("plant"), part, header)
        answer = await ask(document)
        assert (result(answer), noun(answer)) == ("OK", "DERGroupStatuses")
        found = {
            entry.findtext(f"{N}DERParameter"): entry
            for entry in answer.iter(f"{N}DERMonitorableParameter")
        }
        power = found["activePower"]
        assert float(power.findtext(f"{N}DERCurveData/{N}nominalYValue")) == 80e3
        assert power.findtext(f"{N}yUnit") == "W"
        assert float(found["reactivePower"].findtext(f"{N}yUnitInstalledMax")) == 100e3


async def test_forecast(ask, box):
    for _ in range(60):
        box.gateway._forecaster.sample()
    body = (
        parameter("activePower", "W", "", "none")
        + f"""<DispatchSchedule>
    <numberOfIntervals>3</numberOfIntervals><timeIntervalDuration>5</timeIntervalDuration>
    <timeIntervalUnit>m</timeIntervalUnit></DispatchSchedule>{group("plant")}"""
    )
    answer = await ask(message("get", "DERGroupForecastQueries", body))
    assert (result(answer), noun(answer)) == ("OK", "DERGroupForecasts")
    found = next(answer.iter(f"{N}DispatchSchedule"))
    assert found.findtext(f"{N}timeIntervalDuration") == "300"
    assert len(found.findall(f"{N}DERCurveData")) == 3


async def test_dispatch_of_both_powers_and_beyond(ask, box):
    both = dispatch("plant", "activePower", "W", 60) + dispatch("plant", "reactivePower", "VAr", -8)
    answer = await ask(message("create", "DERGroupDispatches", both))
    assert result(answer) == "OK"
    assert box.output("d1.p_set") == 30e3
    assert box.output("d1.q_set") == pytest.approx(-4e3)
    answer = await ask(
        message("create", "DERGroupDispatches", dispatch("plant", "reactivePower", "VAr", 500))
    )
    assert result(answer) == "PARTIAL"
    assert "asked 500000, held 100000" in reasons(answer)


@pytest.mark.parametrize(("code", "value"), [("18", 1.0), ("23", 0.0)])
async def test_connect_and_disconnect(ask, box, code, value):
    for action in ("18", code):
        body = f"""<EndDeviceControl><EndDeviceControlType ref="3.31.0.{action}"/>
        <EndDeviceGroups><mRID>plant</mRID></EndDeviceGroups></EndDeviceControl>"""
        assert result(await ask(message("create", "EndDeviceControls", body))) == "OK"
    assert box.output("d1.service") == value


async def test_groups_made_changed_asked_for_and_removed(ask):
    stated = parameter(
        "reactivePower",
        "VAr",
        "<yUnitInstalledMax>20</yUnitInstalledMax><yUnitInstalledMin>-10</yUnitInstalledMin>",
    )
    body = group("g1", "<description>Roofs</description>", stated, devices("d3", "d4"))
    answer = await ask(message("create", "DERGroups", body), "admin")
    assert result(answer) == "OK"
    assert answer.find(f".//{N}version/{N}major").text == "1"
    body = group("g1", devices("d1"), version(1))
    assert result(await ask(message("change", "DERGroups", body), "admin")) == "OK"
    assert result(await ask(message("change", "DERGroups", body), "admin")) == "FAILED"  # stale
    answer = await ask(message("get", "DERGroups", group("g1")))
    members = [entry.text for entry in answer.iterfind(f".//{N}EndDevices/{N}mRID")]
    assert members == ["d1"]
    assert answer.find(f".//{N}description").text == "Roofs"
    assert answer.find(f".//{N}yUnitInstalledMin").text == "-10000"
    body = group("g1", version(2))
    assert result(await ask(message("delete", "DERGroups", body))) == "FAILED"  # no administrator
    assert result(await ask(message("delete", "DERGroups", body), "admin")) == "OK"
    assert result(await ask(message("get", "DERGroups", group("g1")))) == "FAILED"


async def test_several_groups_in_one_message(ask):
    both = group("g1", devices("d1")) + group("g2", devices("d9"))
    answer = await ask(message("create", "DERGroups", both), "admin")
    assert result(answer) == "PARTIAL"
    assert "2 g2 FAILED: d9: no device of this site" in reasons(answer)
    assert [entry.text for entry in answer.iterfind(f".//{N}EndDeviceGroup/{N}mRID")] == ["g1"]


async def test_a_message_id_has_its_effect_once_here_too(ask, box):
    document = message("create", "DERGroupDispatches", dispatch("plant", "activePower", "W", 40))
    first = await ask(document)
    count = box.gateway.trail.commands_sent()
    again = await ask(document)
    assert ET.tostring(again) == ET.tostring(first)
    assert box.gateway.trail.commands_sent() == count


BAD = {
    "not a noun": message("get", "DERGroupStatusQueries", group("plant")).replace(
        b"DERGroupStatusQueries", b"DERGroupMoods"
    ),
    "a verb of another": message("create", "DERGroupStatusQueries", group("plant")),
    "a noun of another": message(
        "get", "DERGroupStatusQueries", group("plant"), header="DERGroupForecasts"
    ),
    "no group": message("get", "DERGroupStatusQueries", ""),
    "a mRID with a blank": message("get", "DERGroupStatusQueries", group("two words")),
    "no source": message("get", "DERGroupStatusQueries", group("p")).replace(
        b"<Source>dms</Source>", b""
    ),
    "W of reactive power": message(
        "create", "DERGroupDispatches", dispatch("plant", "reactivePower", "W", 1)
    ),
    "apparent power": message(
        "create", "DERGroupDispatches", dispatch("plant", "apparentPower", "VA", 1)
    ),
    "no value": message("create", "DERGroupDispatches", dispatch("plant", "activePower", "W")),
    "not a number": message(
        "create", "DERGroupDispatches", dispatch("plant", "activePower", "W", float("nan"))
    ),
    "a deletion of no version": message("delete", "DERGroups", group("g1")),
    "a reverse flow": message(
        "create", "DERGroupDispatches", dispatch("plant", "activePower", "W", 1)
    ).replace(b"<yMultiplier>", b"<flowDirection>reverse</flowDirection><yMultiplier>"),
    "two namespaces": message("get", "DERGroupStatusQueries", group("p")).replace(
        b"<mRID>", b'<mRID xmlns="urn:other">'
    ),
    "a DTD": b'<!DOCTYPE a [<!ENTITY x "y">]>' + message("get", "DERGroups", group("p")),
    "not an answer": message("get", "DERGroups", group("p")).replace(
        b"RequestMessage", b"ResponseMessage"
    ),
}


@pytest.mark.parametrize("fault", BAD)
async def test_what_is_wrong_is_refused_in_the_same_form(ask, box, fault):
    answer = await ask(BAD[fault], code=400)
    assert answer.tag == f"{E}ResponseMessage"
    assert result(answer) == "FAILED"
    assert reasons(answer)
    assert box.gateway.trail.commands_sent() == 0
