"""Parts of the demo against their judges: the gateway's own loader and schema."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from gateway.groups.messages import (
    CapabilityRequest,
    CurveRequest,
    Direction,
    DispatchRequest,
    ForecastRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    StatusRequest,
    Timing,
)
from gateway.groups.xml import decode
from gateway.model.der import Excitation
from gateway.site.load import load_site
from hil.bench import Bench, BenchError
from hil.demo.endings import end_all
from hil.demo.ports import free_ports, moved
from hil.demo.script import SCRIPT, steps_within
from hil.demo.session import DEFAULT_SITE
from hil.demo.setpoints import asked as asked_of
from hil.demo.sitecopy import copy_site, read_site
from hil.demo.table import View, draw
from hil.demo.truthtail import TruthTail
from hil.demo.wire import CURVE, Ask, read_answer, request
from hil.report.record import Northbound
from hil.scenario import DEFAULT_SCENARIO, load_scenario

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def asked(ask: Ask):
    message = decode(request(ask, "mg680", "m-1", NOW, source="operator"))
    assert message.address.group_id == "mg680"
    assert message.address.dms_id == "operator"
    assert message.address.message_id == "m-1"
    assert message.address.time_ms == round(NOW.timestamp() * 1000)
    return message


def test_what_the_operators_side_writes_is_what_the_gateway_reads() -> None:
    status = asked(Ask("status"))
    assert isinstance(status, StatusRequest)
    assert status.timing is Timing.REFRESHED
    assert isinstance(asked(Ask("capability")), CapabilityRequest)
    assert isinstance(asked(Ask("forecast")), ForecastRequest)
    power = asked(Ask("dispatch-p", -80.5e3, 6.0))
    assert isinstance(power, DispatchRequest)
    assert power.quantity is Quantity.ACTIVE_POWER
    assert power.schedule == ((6.0, -80.5e3),)
    assert asked(Ask("dispatch-q", 150e3, 6.0)).quantity is Quantity.REACTIVE_POWER
    limit = asked(Ask("limit", -30e3, 8.0))
    assert isinstance(limit, LimitRequest)
    assert (limit.limit_w, limit.direction) == (30e3, Direction.IMPORT)
    assert limit.validity.duration_s == 8.0
    factor = asked(Ask("pf", -0.95, 5.0))
    assert isinstance(factor, PowerFactorRequest)
    assert (factor.power_factor, factor.excitation) == (0.95, Excitation.UNDER_EXCITED)
    curve = asked(Ask("curve", None, 5.0))
    assert isinstance(curve, CurveRequest)
    assert curve.points == CURVE


@pytest.mark.parametrize("nonsense", [b"", b"<a/>", b"not xml", b"<a><b></a>"])
def test_an_answer_that_is_none_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(nonsense)


def test_the_script_fits_the_runs_it_is_meant_for() -> None:
    needed = {"dispatch-p", "dispatch-q", "limit"}
    assert needed <= {step.ask.function for step in steps_within(15)}
    every = {step.ask.function for step in SCRIPT}
    assert {step.ask.function for step in steps_within(30)} == every
    assert steps_within(60) == SCRIPT
    held = [s for s in SCRIPT if s.ask.function.startswith("dispatch")]
    cycle_s = read_site(DEFAULT_SITE).cycle_s
    assert all(step.ask.hold_s > 2 * cycle_s for step in held), "else nothing is left to measure"


def test_a_copied_site_is_valid_and_moved_and_the_original_untouched(tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in DEFAULT_SITE.rglob("*") if p.is_file()}
    facts = read_site(DEFAULT_SITE)
    ports = moved([*facts.listeners.values(), 15021, 15027], 21020)
    copy = copy_site(DEFAULT_SITE, tmp_path, ports)
    site = load_site(copy)
    assert site.file.https is not None
    assert site.file.https.port == facts.listeners["https"] + 6000
    addresses = (copy / "devices.csv").read_text()
    assert "127.0.0.1:21021" in addresses
    assert "127.0.0.1:15021" not in addresses
    assert "127.0.0.1:15022" in addresses, "what is not to be moved stays"
    assert {p: p.read_bytes() for p in DEFAULT_SITE.rglob("*") if p.is_file()} == before


def test_a_master_finds_the_sites_points_and_ders() -> None:
    facts = read_site(DEFAULT_SITE).outstation
    assert facts is not None
    assert facts.address == 1024
    assert facts.points["AI", 0] == "feeder.head_p"
    assert facts.points["AO", 1] == "reg_b.tap_cmd"
    assert facts.ders == {1025: "AN2018-001"}


@pytest.mark.parametrize(
    ("name", "points", "power_w", "reactive_power_var"),
    [
        ("pv675", {"q_set": -5e3, "q_set_ena": 1.0, "p_set": 1e3, "p_set_ena": 0.0}, None, -5e3),
        ("pv634", {"q_set_held": -50.0, "q_set_on": 1.0}, None, -66e3),
        ("pv634", {"p_set_held": 40.0, "p_set_on": 1.0, "q_set_held": 9.0}, 108e3, None),
        ("mg680", {"held_p": 80e3, "held_p_active": 1.0}, 80e3, None),
    ],
)
def test_set_points_are_watts_and_vars_whatever_a_der_speaks(
    name: str, points: dict[str, float], power_w: float | None, reactive_power_var: float | None
) -> None:
    scenario = load_scenario(DEFAULT_SCENARIO)
    value = {f"{name}.{point}": v for point, v in points.items()}.get
    assert asked_of(scenario, name, "p", value) == power_w
    assert asked_of(scenario, name, "q", value) == reactive_power_var


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_simulated_time_follows_the_log(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    tail = TruthTail(path)
    tail.poll(99.0)
    assert tail.now_s == 0.0
    with path.open("w") as log:
        log.write(json.dumps({"time_s": 10.0}) + "\n")
        log.flush()
        tail.poll(100.0)
        log.write(json.dumps({"time_s": 20.0}) + '\n{"time_s": 2')
        log.flush()
        tail.poll(102.0)
    assert tail.now_s == 20.0
    assert tail.simulated_s(101.0) == 15.0
    assert (tail.simulated_s(0.0), tail.simulated_s(200.0)) == (10.0, 20.0)
    assert tail.scale == 5.0
    tail.close()


def test_the_table_marks_what_is_out_and_lost_and_fits_the_screen() -> None:
    scenario = load_scenario(DEFAULT_SCENARIO)
    voltages = read_site(DEFAULT_SITE).voltages
    points = {point: [1.0, 1, 0] for point in voltages.values()}
    points |= {"feeder.v_675_b": [1.0612, 1, 0], "feeder.v_611_c": [0.9401, 1, 0]}
    points["feeder.v_634_a"] = [1.0, 4, 0]
    points |= {"pv675.p": [425e3, 1, 0], "pv675.q": [1e3, 4, 0]}
    status = {"points": points, "messages": [], "commands_sent": 3, "comm_lost_points": 2}
    truth = {"v_pu": {"675.2": 1.0612, "611.3": 0.9401, "634.1": 1.0}}
    points |= {"pv634.q_set_held": [50.0, 1, 0], "pv634.q_set_on": [1.0, 1, 0]}
    seen = Northbound(points={1024: 145}, polls=3, events=5841, lags_s=[0.25])
    view = View(scenario, voltages, status, truth, 11, (), 30.0, 600.0, "", seen)
    console = Console(width=100, height=40, file=io.StringIO())
    with console.capture() as capture:
        console.print(draw(view))
    text = capture.get()
    assert "1.0612 ▲" in text
    assert "0.9401 ▼" in text
    assert "nodes outside in truth: 2   without control: 11" in text
    assert "425.0" in text
    (pv634,) = (line for line in text.splitlines() if line.startswith("pv634"))
    assert "DNP3" in pv634
    assert "66.0" in pv634, "50 % of 132 kvar"
    assert "utility, DNP3: 145 points, 5841 events, lag 0.2 s" in text
    assert text.count("lost") >= 2
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 100


async def test_a_bench_process_that_does_not_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="plant did not get ready"):
        await Bench(port_base=0, logs=tmp_path, truth=Path("/nowhere/truth.jsonl")).restart("plant")
    assert "/nowhere" in (tmp_path / "plant.log").read_text()


async def test_a_task_that_swallows_its_cancellation_is_ended_all_the_same() -> None:
    cancelled = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.append(1)
                if len(cancelled) > 1:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(end_all([task]), 5.0)
    assert task.done()
    assert len(cancelled) == 2
