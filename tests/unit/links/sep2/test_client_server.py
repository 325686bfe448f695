"""Our client against our own server, over real mutual TLS: that the two fit each other."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from gateway.links.sep2.client import ModeOutcome, Outcome, Snapshot, Taken
from gateway.links.sep2.client_config import EndDeviceConfig, NotificationListenerConfig
from gateway.links.sep2.config import ClientConfig, PollRates
from gateway.links.sep2.resources import (
    ActivePower,
    CurveData,
    DefaultDERControl,
    DERCapability,
    DERControlBase,
    DERCurve,
    Link,
)
from gateway.links.sep2.server import ProgramSetup
from tests.unit.links.sep2.client_rig import Site, client_settings, following, until
from tests.unit.links.sep2.server_rig import Rig, new_peer, serving, settings

CURTAIL = DERControlBase(op_mod_max_lim_w=5000)
DEFAULT = DefaultDERControl(mrid=0xD0, der_control_base=DERControlBase(op_mod_max_lim_w=10_000))
PROGRAM = ProgramSetup(number=1, mrid=0xA1, primacy=5, description="feeder", default=DEFAULT)
FAST = PollRates(**dict.fromkeys(PollRates.model_fields, 1))


def answers(rig: Rig) -> list[tuple[str, int, int]]:
    return [(w[1], w[2].subject, w[2].status) for w in rig.told if w[0] == "response"]


async def test_an_aggregator_registers_its_devices_and_follows_a_control(tmp_path: Path) -> None:
    aggregator, devices = new_peer(), [new_peer().lfdi, new_peer().lfdi]
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=tuple(devices))]
    config = settings(tmp_path, clients, registration="in-band", poll_rates=FAST)
    site = Site()
    async with serving(config, [PROGRAM]) as rig:
        url = f"{rig.base}/dcap"
        ours = client_settings(tmp_path, url, aggregator, devices, registration="in-band")
        async with following(ours, site) as client:
            await until(lambda: site.values("op_mod_max_lim_w") == [10_000])
            control = await rig.server.add_control(1, CURTAIL, int(time.time()) + 2, 2)
            await until(lambda: len(answers(rig)) == 6)
            for lfdi in devices:
                mine = [status for who, _, status in answers(rig) if who == lfdi]
                assert mine == [1, 2, 3]
                assert client.states[lfdi].responses == Counter({1: 1, 2: 1, 3: 1})
                assert client.states[lfdi].fault == ""
            assert {subject for _, subject, _ in answers(rig)} == {control.mrid}
            assert site.values("op_mod_max_lim_w") == [10_000, 5000, 10_000]
            assert client.statistics.dropped == Counter()
            refused = rig.server.statistics.refused
            assert not refused, refused


async def test_a_restart_forgets_no_response_and_repeats_none(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    async with serving(settings(tmp_path, clients, poll_rates=FAST), [PROGRAM]) as rig:
        ours = client_settings(tmp_path, f"{rig.base}/dcap", aggregator, [device])
        await rig.server.add_control(1, CURTAIL, int(time.time()), 4)
        async with following(ours, Site()):
            await until(lambda: len(answers(rig)) == 2)
        async with following(ours, Site()) as again:
            await until(lambda: len(answers(rig)) == 3)
            await until(lambda: not again.states[device].waiting)
        async with following(ours, Site()) as again:
            await until(lambda: bool(again.states[device].href))
        assert [status for _, _, status in answers(rig)] == [1, 2, 3]


async def test_a_refusal_is_an_opt_out_and_a_cancellation_is_answered(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    refused = ModeOutcome(Taken.REFUSED, "the operator holds it")
    site = Site(verdict=lambda lfdi, effective: Outcome(dict.fromkeys(effective.modes, refused)))
    async with serving(settings(tmp_path, clients, poll_rates=FAST), [PROGRAM]) as rig:
        ours = client_settings(tmp_path, f"{rig.base}/dcap", aggregator, [device])
        async with following(ours, site) as client:
            control = await rig.server.add_control(1, CURTAIL, int(time.time()) - 1, 600)
            await until(lambda: [s for _, _, s in answers(rig)] == [1, 4])
            client.report(device, Outcome({"op_mod_max_lim_w": ModeOutcome(Taken.TAKEN)}))
            await until(lambda: [s for _, _, s in answers(rig)] == [1, 4, 5, 2])
            await rig.server.cancel_control(control.mrid)
            await until(lambda: [s for _, _, s in answers(rig)] == [1, 4, 5, 2, 6])
            assert site.values("op_mod_max_lim_w")[-1] == 10_000


async def test_a_curve_comes_with_its_mode(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    curve = DERCurve(
        mrid=0xC1,
        creation_time=0,
        curve_data=(CurveData(xvalue=95, yvalue=40), CurveData(xvalue=105, yvalue=-40)),
        curve_type=0,
        x_multiplier=0,
        y_multiplier=0,
        y_ref_type=1,
    )
    site = Site()
    async with serving(settings(tmp_path, clients, poll_rates=FAST), [PROGRAM]) as rig:
        where = await rig.server.add_curve(1, curve)
        base = DERControlBase(op_mod_volt_var=Link(where))
        await rig.server.add_control(1, base, int(time.time()) - 1, 600)
        ours = client_settings(tmp_path, f"{rig.base}/dcap", aggregator, [device])
        async with following(ours, site):
            await until(
                lambda: bool(site.applied and "op_mod_volt_var" in site.applied[-1][1].modes)
            )
            setting = site.applied[-1][1].modes["op_mod_volt_var"]
            assert setting.curve is not None
            assert setting.curve.curve_data == curve.curve_data


async def test_what_is_known_is_posted_and_what_is_not_is_not(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    capability = DERCapability(modes_supported=1, rtg_max_w=ActivePower.of(10_000), type=4)
    site = Site(
        snapshot=Snapshot(
            power_w=4321.4, voltage_v=None, frequency_hz=float("nan"), connected=True,
            operating=True, available_w=9000.0, capability=capability,
        )
    )  # fmt: skip
    async with serving(settings(tmp_path, clients, poll_rates=FAST), [PROGRAM]) as rig:
        ours = client_settings(
            tmp_path, f"{rig.base}/dcap", aggregator, [device], post_default_s=0.2
        )
        async with following(ours, site):
            await until(lambda: rig.server.latest(device, "dera") is not None)
            status = rig.server.latest(device, "derst")
            assert status.gen_connect_status.value == 0b111  # connected, available, operating
            assert rig.server.latest(device, "dercap").rtg_max_w.number == 10_000
            await until(lambda: any(w[0] == "reading" for w in rig.told))
            site.snapshot = Snapshot(reachable=False, power_w=4321.0, connected=True)
            fault = 0b10000
            await until(
                lambda: rig.server.latest(device, "derst").gen_connect_status.value == fault
            )
            before = sum(w[0] == "reading" for w in rig.told)
            await until(lambda: rig.server.statistics.requests > 0)
            sent = [w for w in rig.told if w[0] == "reading"]
            assert {(w[3].uom, w[4].value) for w in sent} == {(38, 4321)}
            assert len(sent) == before


async def test_a_notification_brings_a_control_long_before_a_poll(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    async with serving(settings(tmp_path, clients), [PROGRAM]) as rig:
        ours = client_settings(
            tmp_path,
            f"{rig.base}/dcap",
            aggregator,
            [device],
            listener=NotificationListenerConfig(),
        )
        async with following(ours, Site()) as client:
            subscriptions = rig.server._tree.subscriptions._by_device
            await until(lambda: sum(map(len, subscriptions.values())) == 5)
            await rig.server.add_control(1, CURTAIL, int(time.time()), 2)
            await until(lambda: [s for _, _, s in answers(rig)] == [1, 2, 3])
            assert client.statistics.notifications > 0
        assert sum(map(len, subscriptions.values())) == 0  # taken back


async def test_another_pin_is_not_obeyed(tmp_path: Path) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    site = Site()
    async with serving(settings(tmp_path, clients, poll_rates=FAST), [PROGRAM]) as rig:
        other = EndDeviceConfig(lfdi=device, pin=123_455)
        ours = client_settings(tmp_path, f"{rig.base}/dcap", aggregator, [other])
        async with following(ours, site) as client:
            await until(lambda: "PIN" in client.states[device].fault)
            assert [effective.modes for _, effective in site.applied] in ([], [{}])


async def test_a_lost_server_is_found_again_and_the_schedule_goes_on_without_it(
    tmp_path: Path,
) -> None:
    aggregator, device = new_peer(), new_peer().lfdi
    clients = [ClientConfig(lfdi=aggregator.lfdi, role="aggregator", devices=(device,))]
    config, site = settings(tmp_path, clients, poll_rates=FAST), Site()
    async with serving(config, [PROGRAM]) as rig:
        port = rig.server.port
        await rig.server.add_control(1, CURTAIL, int(time.time()) + 2, 2)
        ours = client_settings(tmp_path, f"{rig.base}/dcap", aggregator, [device])
        running = following(ours, site)
        client = await running.__aenter__()
        await until(lambda: [s for _, _, s in answers(rig)] == [1])
    try:
        await until(lambda: site.values("op_mod_max_lim_w") == [10_000, 5000, 10_000])
        assert client.statistics.dropped["link"] > 0
        await until(lambda: client.states[device].waiting == 2)  # the second a moment later
        async with serving(config.model_copy(update={"port": port}), [PROGRAM]) as rig:
            await until(lambda: [s for _, _, s in answers(rig)] == [2, 3])
    finally:
        await running.__aexit__(None, None, None)
