"""``tieline group``: over real TLS to a real endpoint, behind which one group follows at once."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.commands import group_ask
from gateway.groups.messages import (
    CapabilityRequest,
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    Forecast,
    ForecastInterval,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    Held,
    Interpolation,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Present,
    Quantity,
    QuantityRange,
    Result,
    StatusRequest,
    Timing,
    Validity,
    WattCurve,
)
from gateway.groups.replies import failed, reply
from gateway.groups.xml import decode_reply, decode_request, encode
from gateway.links.cim.config import ServerConfig
from gateway.links.cim.server import GroupServer
from gateway.links.cim.tls import server_context
from gateway.model.der import Excitation, Range
from gateway.site.clock import SystemClock
from gateway.site.pki import ensure_pki

P, Q, CONNECTED = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.CONNECTED
SITE = """\
name = "s1"
[links.lan]
type = "modbus-tcp"
[https]
port = {port}
"""
DEVICES = "device,profile,link,address,unit\nmg,mc_plc,lan,127.0.0.1:502,54\n"


class OneGroup:
    """A microgrid of 330 kW that takes what it is sent, within its range, at once."""

    def __init__(self) -> None:
        self.values = {P: 120e3, Q: -40e3, CONNECTED: 1.0}
        self.heard: list[tuple[GroupRequest, str]] = []

    async def answer(self, request: GroupRequest, peer: str) -> GroupReply:  # noqa: PLR0911
        self.heard.append((request, peer))
        if request.address.group_id != "mg680":
            return failed(request.address, 1, "no such group; known: mg680")
        bare = reply(request.address, 1, Result.OK)
        ranges = (QuantityRange(quantity=P, now=None, nameplate=Range(-330e3, 330e3)),)
        match request:
            case StatusRequest(quantities=asked):
                present = tuple(
                    Present(quantity=q, value=self.values[q], good=True, time_ms=1)
                    for q in asked
                    if q in self.values
                )
                return replace(bare, present=present, ranges=ranges)
            case CapabilityRequest():
                return replace(bare, ranges=ranges)
            case ForecastRequest(intervals=count):
                entry = ForecastInterval(
                    start_ms=1, quantity=P, nominal=1e5, minimum=9e4, maximum=2e5
                )
                made = Forecast(
                    created_ms=1,
                    confidence_pct=90.0,
                    interpolation=Interpolation.STEP,
                    interval_s=900.0,
                    intervals=(entry,) * count,
                )
                return replace(bare, forecast=made)
            case DispatchRequest(quantity=quantity, schedule=((_, value),)):
                held = min(max(value, -330e3), 330e3)
                self.values[quantity] = held
                told = Held(quantity=quantity, requested=value, held=held)
                result = Result.OK if held == value else Result.PARTIAL
                return replace(bare, result=result, held=(told,))
            case LimitRequest(limit_w=float(limit_w)):
                self.values[P] = min(self.values[P], limit_w)
                return replace(bare, held=(Held(quantity=P, requested=limit_w, held=limit_w),))
            case ConnectRequest(connect=connect):
                self.values[CONNECTED] = float(connect)
            case IslandRequest(action=action):
                self.values[CONNECTED] = float(action is IslandAction.RECONNECT)
        return bare


class Running:
    """The endpoint on a loop of its own, as the gateway would be in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.group = OneGroup()
        self.folder = folder
        pki = ensure_pki(folder / "data" / "pki", "127.0.0.1", ["dms", "operator"])
        context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
        self.loop = asyncio.new_event_loop()
        self.server = GroupServer(ServerConfig(port=0), context, self.group.answer, SystemClock())
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._run(),))
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.listening.wait(), self.loop).result(10)
        (folder / "site.toml").write_text(SITE.format(port=self.server.port))
        (folder / "devices.csv").write_text(DEVICES)

    async def _run(self) -> None:
        self.task = asyncio.ensure_future(self.server.run())
        await asyncio.gather(self.task, return_exceptions=True)

    def close(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.task.cancel)
            self.thread.join(10)
        self.loop.close()

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run ``tieline group``; its output, both streams."""
        words = ("group", *words)
        if words[1] != "validate":
            words = (*words, "--site", str(self.folder))
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.output

    def asked(self) -> GroupRequest:
        """What was asked beside looking at the status before and after."""
        watching = group_ask._WATCHED
        (request,) = (
            request
            for request, _ in self.group.heard
            if not (isinstance(request, StatusRequest) and request.quantities == watching)
        )
        return request


@pytest.fixture
def tieline(tmp_path, monkeypatch):
    monkeypatch.setattr(group_ask, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(group_ask, "_WATCH_S", 0.2)
    found = Running(tmp_path)
    yield found
    found.close()


def test_status_tells_present_values_and_what_is_possible(tieline):
    told = tieline("status", "mg680", "-q", "P", "--refreshed")
    assert "StatusRequest" not in told
    assert "P 120.0 kW" in told
    assert "nameplate -330.0 .. 330.0 (kW)" in told
    request = tieline.asked()
    assert request.timing is Timing.REFRESHED
    assert request.quantities == (P,)
    assert tieline.group.heard[0][1] == "dms"


def test_the_certificate_to_show_can_be_chosen(tieline):
    tieline("capability", "mg680", "--as", "operator")
    assert tieline.group.heard[0][1] == "operator"


def test_a_forecast_has_a_line_each_interval(tieline):
    told = tieline("forecast", "mg680", "--intervals", "3", "--minutes", "5")
    assert told.count("P 100.0 (90.0 .. 200.0)") == 3
    assert tieline.asked().interval_s == 300.0


def test_a_dispatch_in_kw_shows_request_reply_and_effect(tieline):
    told = tieline("dispatch-p", "mg680", "-250", "--for", "60")
    assert tieline.asked().schedule == ((60.0, -250e3),)
    assert "P -250.0 kW held" in told
    assert "effect: P 120.0 kW -> -250.0 kW" in told
    assert "effect: Q -40.0 kvar -> -40.0 kvar" in told


def test_a_clipped_dispatch_says_partial_and_what_is_held(tieline):
    told = tieline("dispatch-q", "mg680", "900")
    assert "PARTIAL" in told
    assert "effect: Q -40.0 kvar -> 330.0 kvar" in told


def test_limit_curve_and_power_factor(tieline):
    assert "effect: P 120.0 kW -> 50.0 kW" in tieline("limit", "mg680", "50")
    tieline.group.heard.clear()
    tieline("curve", "mg680", "95:44,98:0,102:0,105:-44")
    request = tieline.asked()
    assert isinstance(request, CurveRequest)
    assert request.points == ((95.0, 44.0), (98.0, 0.0), (102.0, 0.0), (105.0, -44.0))
    tieline.group.heard.clear()
    tieline("pf", "mg680", "0.95", "--absorb")
    request = tieline.asked()
    assert isinstance(request, PowerFactorRequest)
    assert (request.power_factor, request.excitation) == (0.95, Excitation.UNDER_EXCITED)


def test_disconnect_and_island_show_in_the_status(tieline):
    assert "effect: Connected 1 -> 0" in tieline("disconnect", "mg680")
    assert "effect: Connected 0 -> 1" in tieline("connect", "mg680")
    told = tieline("island", "mg680", "--action", "emergency", "--reason", "storm")
    assert "effect: Connected 1 -> 0" in told


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (
            ("ramp", "mg680", "--up", "2.5", "--for", "60"),
            {"up_w_per_s": 2500.0, "down_w_per_s": None, "validity": Validity(duration_s=60.0)},
        ),
        (("regulate", "mg680", "101"), {"voltage_pct": 101.0, "deadband_pct": 1.0}),
        (
            ("watt-curve", "mg680", "60.1:100,62:0", "--kind", "FrequencyWatt"),
            {"kind": WattCurve.FREQUENCY_WATT, "points": ((60.1, 100.0), (62.0, 0.0))},
        ),
        (
            ("price", "mg680", "0.31", "--currency", "EUR"),
            {"currency": "EUR", "schedule": ((0.0, 0.31),)},
        ),
        (("ramp", "mg680", "--end"), {"up_w_per_s": None, "down_w_per_s": None}),
        (("regulate", "mg680", "--end"), {"voltage_pct": None}),
        (("watt-curve", "mg680", "--end"), {"points": ()}),
        (("price", "mg680", "--end"), {"schedule": ()}),
    ],
)
def test_settings_are_asked_as_typed(tieline, words, asked):
    tieline(*words)
    request = tieline.asked()
    assert {name: getattr(request, name) for name in asked} == asked


@pytest.mark.parametrize("words", [("ramp",), ("regulate",), ("price",), ("ramp", "--up", "0")])
def test_a_setting_needs_a_value_or_an_end(tieline, words):
    assert "--end" in tieline(words[0], "mg680", *words[1:], code=1)


@pytest.mark.parametrize("function", ["limit", "dispatch-p", "dispatch-q", "pf"])
def test_a_function_is_ended_with_end_and_needs_a_value_without(tieline, function):
    tieline(function, "mg680", "--end")
    assert "--end" in tieline(function, "mg680", code=1)
    assert "--end" in tieline(function, "mg680", "0.5", "--end", code=1)


def test_xml_prints_both_documents_as_sent(tieline):
    told = tieline("capability", "mg680", "--xml")
    documents = [f"<?xml{part}" for part in told.split("<?xml")[1:]]
    assert isinstance(decode_request(documents[0].strip().encode()), CapabilityRequest)
    end = documents[1].index("</ResponseMessage>") + len("</ResponseMessage>")
    assert decode_reply(documents[1][:end].encode()).result is Result.OK


def test_a_failed_reply_exits_with_1(tieline):
    assert "no such group; known: mg680" in tieline("capability", "nobody", code=1)


def test_a_group_id_that_is_none_is_said_so(tieline):
    assert "GroupId" in tieline("capability", "two words", code=1)


def test_a_gateway_that_does_not_run_is_said_so(tieline):
    tieline.close()
    told = tieline("status", "mg680", code=1)
    assert "nothing was sent" in told
    assert "tieline run" in told
    assert "Traceback" not in told


def test_a_name_without_a_certificate_is_said_so(tieline):
    assert "client-kim.crt" in tieline("status", "mg680", "--as", "kim", code=1)
    assert "client name" in tieline("status", "mg680", "--as", "../x", code=1)


def test_a_site_without_https_is_said_so(tieline):
    text = (tieline.folder / "site.toml").read_text()
    (tieline.folder / "site.toml").write_text(text.partition("[https]")[0])
    assert "no [https]" in tieline("status", "mg680", code=1)


def test_a_curve_that_is_none_is_said_so(tieline):
    assert "voltage %:var %" in tieline("curve", "mg680", "95", code=1)


def test_validate_says_valid_twice_and_what_it_means(tieline, tmp_path):
    file = tmp_path / "request.xml"
    file.write_bytes(encode(CapabilityRequest(address=group_ask.Caller(
        tmp_path, "dms", xml=False).address("mg680"))))  # fmt: skip
    told = tieline("validate", str(file))
    assert "xmlschema: valid" in told
    assert "lxml: valid" in told
    assert "CapabilityRequest" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<a>", "not well-formed"),
        ("<a/>", "'a' is not an element of the schema"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a/>', "DTD"),
        ("", "not well-formed"),
    ],
)
def test_validate_points_at_the_fault_and_exits_with_1(tieline, tmp_path, content, said):
    file = tmp_path / "bad.xml"
    file.write_text(content)
    told = tieline("validate", str(file), code=1)
    assert f"{file}:1:" in told
    assert said in told
    assert "What to do:" in told


def test_validate_of_a_missing_file(tieline, tmp_path):
    assert "cannot be read" in tieline("validate", str(tmp_path / "none.xml"), code=1)
