"""py20305, which we did not write, as the client: from /dcap to response 3, and notified.

Mutual TLS with CCM8 and nothing else; every body it received is judged by the genuine schema.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from lxml import etree
from py20305.client.csip_client import CsipClient
from py20305.client.http import Sep2Client
from py20305.client.tls import TlsConfig
from py20305.client.traffic_recorder import TrafficRecorder
from py20305.models.sep.sep import Derstatus, TimeType
from py20305.subscription.manager import SubscriptionManager
from py20305.subscription.notification_server import NotificationServer

from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import DefaultDERControl, DERControlBase
from gateway.links.sep2.server import ProgramSetup
from tests.unit.links.sep2.server_rig import HOST, Peer, Rig, new_peer, serving, settings

pytestmark = pytest.mark.interop

CCM8 = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"
CURTAIL = DERControlBase(op_mod_max_lim_w=5000)
DEFAULT = DefaultDERControl(mrid=0xD0, der_control_base=DERControlBase(op_mod_max_lim_w=10_000))
PROGRAM = ProgramSetup(number=1, mrid=0xA1, primacy=5, description="feeder", default=DEFAULT)


@pytest.fixture(scope="module")
def genuine() -> etree.XMLSchema:
    schemas = importlib.resources.files("py20305") / "schemas" / "sep2_schema_2018.xsd"
    return etree.XMLSchema(etree.fromstring(schemas.read_bytes()))


def tls_of(rig: Rig, peer: Peer) -> TlsConfig:
    certificate, key = peer.made.write(rig.folder, "py20305")
    return TlsConfig(certificate, key, rig.folder / "ca.pem", check_hostname=False, ciphers=CCM8)


@asynccontextmanager
async def following(rig: Rig, peer: Peer) -> AsyncIterator[TrafficRecorder]:
    """A whole CSIP client at work, with a listener for notifications."""
    tls, traffic = tls_of(rig, peer), TrafficRecorder()
    listener = NotificationServer(HOST, 0, tls, client_cert_mode="enforce")
    listener._traffic_recorder = traffic
    client = CsipClient(rig.base, tls=tls, heartbeat_enabled=False)
    client.http.traffic_recorder = traffic
    await listener.start()
    port = listener._site._server.sockets[0].getsockname()[1]
    manager = SubscriptionManager(client.http, f"https://{HOST}:{port}/notify")
    client.attach_subscriptions(manager, listener)
    running = None
    try:
        await client.connect()
        running = asyncio.ensure_future(client.run())
        yield traffic
    finally:
        await client.shutdown()
        if running is not None:
            await running


async def until(true: Callable[[], bool], limit_s: float = 15.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.02)


def judged(traffic: TrafficRecorder, schema: etree.XMLSchema) -> set[str]:
    """The names of the documents received; each must be valid."""
    names = set()
    for entry in traffic.get_snapshot(500)["entries"]:
        if entry["direction"] == "request" or not entry["body"]:
            continue
        assert not entry["truncated"]
        root = etree.fromstring(entry["body"].encode())
        assert schema.validate(root), (entry["url"], schema.error_log.last_error)
        names.add(etree.QName(root).localname)
    return names


def answered(rig: Rig) -> list[int]:
    return [what[2].status for what in rig.told if what[0] == "response"]


async def test_from_discovery_to_response_3_and_notified_of_the_next(tmp_path, genuine):
    peer = new_peer()
    async with serving(settings(tmp_path, [ClientConfig(lfdi=peer.lfdi)]), [PROGRAM]) as rig:
        first = await rig.server.add_control(1, CURTAIL, int(time.time()) + 2, 2)
        async with following(rig, peer) as traffic:
            await until(lambda: answered(rig) == [1, 2, 3])
            assert {what[1] for what in rig.told} == {peer.lfdi}
            assert {what[2].subject for what in rig.told} == {first.mrid}
            await until(lambda: rig.server.statistics.notifications_sent > 0)
            rig.told.clear()
            second = await rig.server.add_control(1, CURTAIL, int(time.time()) + 1, 1)
            # its polls are 900 s apart: only a Notification can tell it in time
            await until(lambda: answered(rig) == [1, 2, 3])
            assert {what[2].subject for what in rig.told} == {second.mrid}
            received = judged(traffic, genuine)
        assert received >= {
            "DeviceCapability",
            "EndDeviceList",
            "FunctionSetAssignmentsList",
            "DERProgramList",
            "DERControlList",
            "DefaultDERControl",
            "Notification",
            "Time",
        }
        refused = rig.server.statistics.refused
        assert not {reason for reason in refused if reason != "not-subscribable"}, refused


async def test_every_document_of_the_tree_is_valid(tmp_path, genuine):
    """Walk all that the tree leads to, and judge the document of each href."""
    peer = new_peer()
    async with serving(settings(tmp_path, [ClientConfig(lfdi=peer.lfdi)]), [PROGRAM]) as rig:
        await rig.server.add_control(1, CURTAIL, int(time.time()) - 2, 900, randomize_start=60)
        rig.connect(peer)
        seen: dict[str, str] = {}
        waiting = ["/dcap"]
        while waiting:
            path = waiting.pop()
            status, body, _ = await peer.ask("GET", f"{path}?l=255")
            if status == 404:  # a link to what the device has not told yet
                assert path.rsplit("/", 1)[1] in ("dercap", "derg", "derst", "dera", "di", "ds")
                continue
            root = etree.fromstring(body)
            assert genuine.validate(root), (path, genuine.error_log.last_error)
            seen[path] = etree.QName(root).localname
            found = {element.get("href") for element in root.iter() if element.get("href")}
            waiting += [href for href in found if href not in seen and href not in waiting]
        assert seen["/derp/1/derc/1"] == "DERControl"
        assert seen["/rsps/1/rsp"] == "ResponseList"
        assert seen["/edev/1/fsa/1"] == "FunctionSetAssignments"
        assert len(seen) >= 20


async def test_its_own_models_pass_both_ways(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, [ClientConfig(lfdi=peer.lfdi)]), [PROGRAM]) as rig:
        client = Sep2Client(rig.base, tls=tls_of(rig, peer))
        try:
            status = Derstatus(reading_time=TimeType(value=1_700_000_000))
            assert await client.put("/edev/1/der/1/derst", status) == 204
            found = await client.get("/edev/1/der/1/derst", Derstatus)
            assert found.reading_time.value == 1_700_000_000
        finally:
            await client.close()
        (told,) = rig.told
        assert (told[1], told[2], told[3].reading_time) == (peer.lfdi, "derst", 1_700_000_000)
