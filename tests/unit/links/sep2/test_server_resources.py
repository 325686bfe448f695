"""What a client reads and writes: the tree, its lists, its methods."""

from __future__ import annotations

from gateway.links.sep2 import identity
from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControlResponse,
    DERStatus,
    DeviceCapability,
    LogEvent,
    MirrorMeterReading,
    MirrorReadingSet,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)
from gateway.links.sep2.server import ProgramSetup
from tests.conftest import VirtualClock
from tests.unit.links.sep2.server_rig import CURTAIL, PROGRAM, Peer, new_peer, serving, settings

NOW = 1_800_000_000
W = 38


def listed(*peers: Peer) -> list[ClientConfig]:
    return [ClientConfig(lfdi=peer.lfdi) for peer in peers]


async def test_discovery_leads_from_dcap_to_every_document(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig:
        rig.connect(peer)
        await rig.server.add_control(1, CURTAIL, NOW, 900)
        dcap = await peer.get("/dcap")
        assert isinstance(dcap, DeviceCapability)
        assert dcap.end_device_list_link.all == 1
        devices = await peer.get(f"{dcap.end_device_list_link.href}?l=255")
        (device,) = devices.items
        assert device.lfdi == peer.lfdi
        assert (await peer.get(device.registration_link.href)).pin == 111_115
        assignments = await peer.get(device.function_set_assignments_list_link.href)
        programs = await peer.get(assignments.items[0].der_program_list_link.href)
        assert programs.items[0].mrid == PROGRAM.mrid
        assert programs.items[0].der_control_list_link.all == 1
        (control,) = (await peer.get(programs.items[0].der_control_list_link.href)).items
        assert control.der_control_base.op_mod_max_lim_w == 5000
        assert control.reply_to == "/rsps/1/rsp"
        assert await peer.get(control.href) == control


async def test_event_status_is_that_of_now(tmp_path):
    peer, clock = new_peer(), VirtualClock(NOW)
    async with serving(settings(tmp_path, listed(peer)), clock=clock) as rig:
        rig.connect(peer)
        control = await rig.server.add_control(1, CURTAIL, NOW + 100, 900)
        seen = []
        for at in (99, 100, 999, 1000, 1299, 1300):
            clock.now_s = NOW + at
            found = (await peer.get("/derp/1/derc?l=9")).items
            active = (await peer.get("/derp/1/actderc?l=9")).all
            status = [(c.event_status.current_status, c.event_status.date_time) for c in found]
            seen.append((status, active))
        assert seen == [
            ([(0, NOW)], 0),
            ([(1, NOW + 100)], 1),
            ([(1, NOW + 100)], 1),
            ([(1, NOW + 100)], 0),  # over, shown a while for clients whose clock is behind
            ([(1, NOW + 100)], 0),
            ([], 0),
        ]
        assert (await peer.ask("GET", control.href))[0] == 404


async def test_what_supersedes_and_what_is_cancelled_shows(tmp_path):
    peer, clock = new_peer(), VirtualClock(NOW)
    async with serving(settings(tmp_path, listed(peer)), clock=clock) as rig:
        rig.connect(peer)
        old = await rig.server.add_control(1, CURTAIL, NOW + 10, 900)
        other = await rig.server.add_control(1, CURTAIL, NOW + 2000, 900)
        clock.now_s = NOW + 50
        new = await rig.server.add_control(1, CURTAIL, NOW + 100, 900)
        clock.now_s = NOW + 101
        await rig.server.cancel_control(other.mrid, randomized=True)
        found = {c.mrid: c.event_status for c in (await peer.get("/derp/1/derc?l=9")).items}
        assert found[old.mrid].current_status == 4
        assert found[new.mrid].current_status == 1
        assert found[other.mrid].current_status == 3
        assert found[other.mrid].date_time == NOW + 101


async def test_lists_page_and_order(tmp_path):
    peer, clock = new_peer(), VirtualClock(NOW)
    async with serving(settings(tmp_path, listed(peer)), clock=clock) as rig:
        rig.connect(peer)
        for start in (300, 100, 200):
            await rig.server.add_control(1, CURTAIL, NOW + start, 50)
        one = await peer.get("/derp/1/derc")
        assert (one.all, one.results, len(one.items)) == (3, 1, 1)
        two = await peer.get("/derp/1/derc?s=1&l=5")
        assert [c.interval.start - NOW for c in two.items] == [200, 300]
        assert (two.all, two.results) == (3, 2)
        none = await peer.get("/derp/1/derc?l=0")
        assert (none.all, none.results) == (3, 0)
        late = await peer.get(f"/derp/1/derc?a={NOW + 150}&l=5")
        assert [c.interval.start - NOW for c in late.items] == [200, 300]
        assert (await peer.ask("GET", "/derp/1/derc?l=-1"))[0] == 400


async def test_statuses_readings_and_logs_are_kept_and_told(tmp_path):
    peer = new_peer()
    config = settings(tmp_path, listed(peer))
    async with serving(config) as rig:
        rig.connect(peer)
        assert (await peer.ask("GET", "/edev/1/der/1/derst"))[0] == 404
        status = DERStatus(reading_time=NOW)
        assert (await peer.ask("PUT", "/edev/1/der/1/derst", status))[0] == 204
        point = MirrorUsagePoint(
            mrid=7,
            role_flags=0x49,
            service_category_kind=0,
            status=1,
            device_lfdi=peer.lfdi,
            mirror_meter_reading=(
                MirrorMeterReading(mrid=8, reading_type=ReadingType(uom=W, kind=37)),
            ),
        )
        assert await peer.post("/mup", point) == "/mup/1"
        again = await peer.ask("POST", "/mup", point)
        assert (again[0], again[2]["Location"]) == (204, "/mup/1")
        reading = Reading(value=1500, time_period=DateTimeInterval(duration=0, start=NOW))
        posted = await peer.ask("POST", "/mup/1", MirrorMeterReading(mrid=8, reading=reading))
        assert (posted[0], posted[2]["Location"]) == (204, "/upt/1/mr/1")
        event = LogEvent(
            created_date_time=NOW,
            function_set=11,
            log_event_code=1,
            log_event_id=1,
            log_event_pen=0,
            profile_id=2,
        )
        assert await peer.post("/edev/1/lel", event) == "/edev/1/lel/1"
        kinds = [(what[0], what[1]) for what in rig.told]
        assert kinds == [("resource", peer.lfdi), ("reading", peer.lfdi)]
        assert rig.told[1][3].uom == W
        assert rig.told[1][4].value == 1500
    async with serving(config) as rig:  # everything was on disk
        rig.connect(peer)
        assert isinstance(await peer.get("/edev/1/der/1/derst"), DERStatus)
        assert (await peer.get("/upt/1/mr/1/r")).value == 1500
        assert (await peer.get("/upt/1/mr/1/rt")).uom == W
        assert (await peer.get("/edev/1/lel/1")).log_event_code == 1
        assert (await peer.get("/mup/1")).mrid == 7


async def test_responses_are_kept_once(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig:
        rig.connect(peer)
        control = await rig.server.add_control(1, CURTAIL, NOW, 900)
        response = DERControlResponse(
            created_date_time=NOW, end_device_lfdi=peer.lfdi, status=1, subject=control.mrid
        )
        first = await peer.post(control.reply_to, response)
        assert await peer.post(control.reply_to, response) == first
        found = await peer.get("/rsps/1/rsp?l=9")
        assert [(r.status, r.subject) for r in found.items] == [(1, control.mrid)]
        assert [what[2].status for what in rig.told] == [1]


async def test_methods_media_types_and_limits(tmp_path):
    peer = new_peer()
    config = settings(tmp_path, listed(peer))
    async with serving(config) as rig:
        rig.connect(peer)
        whole = await peer.ask("GET", "/dcap")
        head = await peer.ask("HEAD", "/dcap")
        assert (head[0], head[1]) == (200, b"")
        assert head[2]["Content-Length"] == str(len(whole[1]))
        assert whole[2]["Content-Type"] == "application/sep+xml"
        wrong = await peer.ask("DELETE", "/dcap")
        assert (wrong[0], wrong[2]["Allow"]) == (405, "GET, HEAD")
        wrong = await peer.ask("PATCH", "/edev", b"x")
        assert (wrong[0], wrong[2]["Allow"]) == (405, "GET, HEAD, POST")
        assert (await peer.ask("GET", "/dcap", Accept="application/sep-exi"))[0] == 406
        assert (await peer.ask("GET", "/dcap", Accept="text/html, */*;q=0.1"))[0] == 200
        body = {"Content_Type": "application/json"}
        assert (await peer.ask("POST", "/mup", b"{}", **body))[0] == 415
        assert (await peer.ask("POST", "/mup", b"<a" * 40_000))[0] == 413
        status, error, _ = await peer.ask("POST", "/mup", b"<MirrorUsagePoint/>")
        assert (status, error.count(b"<reasonCode>0<")) == (400, 1)
        assert rig.server.statistics.refused["malformed"] == 1


async def test_too_many_requests_get_429_and_the_time_to_wait(tmp_path):
    peer = new_peer()
    limits = {"requests_per_s": 0.5, "burst": 3}
    config = settings(tmp_path, listed(peer), transport=limits)
    async with serving(config, clock=VirtualClock(NOW)) as rig:
        rig.connect(peer)
        answers = [await peer.ask("GET", "/tm") for _ in range(4)]
        assert [answer[0] for answer in answers] == [200, 200, 200, 429]
        assert answers[3][2]["Retry-After"] == "2"


async def test_programs_are_by_primacy_and_end_devices_by_sfdi(tmp_path):
    boss, others = new_peer(), [new_peer() for _ in range(5)]
    devices = tuple(peer.lfdi for peer in others)
    config = settings(tmp_path, [ClientConfig(lfdi=boss.lfdi, role="aggregator", devices=devices)])
    programs = [ProgramSetup(number=n, mrid=n, primacy=p) for n, p in ((1, 9), (2, 3), (3, 3))]
    async with serving(config, programs) as rig:
        rig.connect(boss)
        found = (await boss.get("/edev?l=9")).items
        assert [d.sfdi for d in found] == sorted(identity.sfdi(x) for x in (boss.lfdi, *devices))
        assert [p.mrid for p in (await boss.get("/derp?l=9")).items] == [2, 3, 1]
        page = await boss.get("/edev?s=4&l=9")
        assert (page.all, [d.href for d in page.items]) == (6, [d.href for d in found[4:]])


async def test_readings_in_sets_and_what_is_sent_again(tmp_path):
    peer = new_peer()
    config = settings(tmp_path, listed(peer), storage={"reading_sets": 2})
    async with serving(config) as rig:
        rig.connect(peer)
        point = MirrorUsagePoint(
            mrid=7, role_flags=1, service_category_kind=0, status=1, device_lfdi=peer.lfdi
        )
        await peer.post("/mup", point)

        def posted(mrid: int, start: int, *values: int) -> MirrorMeterReading:
            span = DateTimeInterval(duration=300, start=start)
            readings = tuple(Reading(value=value) for value in values)
            kept = MirrorReadingSet(mrid=mrid, time_period=span, reading=readings)
            return MirrorMeterReading(
                mrid=8, reading_type=ReadingType(uom=W), mirror_reading_set=(kept,)
            )

        untyped = MirrorMeterReading(mrid=99, reading=Reading(value=1))
        assert (await peer.ask("POST", "/mup/1", untyped))[0] == 400
        assert await peer.post("/mup/1", posted(1, NOW, 10)) == "/upt/1/mr/1"
        assert (await peer.ask("POST", "/mup/1", posted(1, NOW, 10, 11)))[0] == 204
        assert (await peer.get("/upt/1/mr/1/rs")).all == 1
        await peer.ask("POST", "/mup/1", posted(2, NOW + 300, 20))
        await peer.ask("POST", "/mup/1", posted(3, NOW + 600, 30, 31))
        sets = (await peer.get("/upt/1/mr/1/rs?l=9")).items
        assert [s.mrid for s in sets] == [3, 2]  # the newest first, the oldest gone
        readings = await peer.get(f"{sets[0].reading_list_link.href}?l=9")
        assert [r.value for r in readings.items] == [30, 31]
        assert (await peer.ask("DELETE", "/mup/1"))[0] == 204
        assert (await peer.ask("GET", "/upt/1/mr/1"))[0] == 404
    async with serving(config) as rig:
        rig.connect(peer)
        assert (await peer.get("/mup")).all == 0
