"""A real gateway with its endpoint, and a client that shares no code with it.

Its devices are points the gateway holds itself: they take what they are told at once, and this
file shows what they measure. Every reply is judged by lxml and by xmlschema.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import xmlschema
from aiohttp import web
from lxml import etree

from gateway.model.data import data_folder
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.pki import ensure_pki, pki_paths
from tests.interop.groups.documents import NAMESPACE, Node, Reply, request, spaced, stamp

SITE = """\
name = "box"
profiles = ["."]
[links.here]
type = "own"
[groups.plant]
backend = "members"
members = ["d1", "d2"]
[https]
port = {port}
clients = ["dms", "admin", "operator"]
administrators = ["admin"]
"""
PROFILE = """\
name = "der"
title = "A DER whose points the gateway holds"
protocol = "own"
source = "made for tests"
[poll.fast]
period_s = 1.0
[der]
p = "p"
q = "q"
connected = "conn"
connect = "service"
s_rated = "s_rtg"
p_rated_max = "p_rtg"
q_rated_max = "q_rtg"
limit = "limit"
limit_enable = "limit_ena"
p_set = "p_set"
p_enable = "p_ena"
q_set = "q_set"
q_enable = "q_ena"
"""
POINTS = """\
point,kind,unit
p,AI,W
q,AI,var
conn,BI,1
s_rtg,AI,VA
p_rtg,AI,W
q_rtg,AI,var
service,BO,1
limit,AO,W
limit_ena,BO,1
p_set,AO,W
p_ena,BO,1
q_set,AO,var
q_ena,BO,1
"""
DEVICES = ("d1", "d2", "d3", "d4")
SHOWN = {"p": 40e3, "q": 5e3, "conn": 1, "s_rtg": 120e3, "p_rtg": 100e3, "q_rtg": 50e3}


def site_folder(folder: Path, port: int, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "site.toml").write_text(SITE.format(port=port) + more)
    (folder / "der.toml").write_text(PROFILE)
    (folder / "der.csv").write_text(POINTS)
    rows = "".join(f"{name},der,here,,\n" for name in DEVICES)
    (folder / "devices.csv").write_text("device,profile,link,address,unit\n" + rows)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Judge:
    """The schema by two validators, apart from the code under test."""

    def __init__(self) -> None:
        path = str(data_folder("schemas") / "groups" / "messages.xsd")
        self.lxml = etree.XMLSchema(etree.parse(path))
        self.xmlschema = xmlschema.XMLSchema(path)

    def accepts(self, document: bytes) -> bool:
        fast = self.lxml.validate(etree.fromstring(document))
        assert self.xmlschema.is_valid(document.decode()) == fast
        return fast


class Box:
    """A running gateway and clients of it."""

    def __init__(self, folder: Path, port: int, judge: Judge) -> None:
        self.folder = folder
        self.port = port
        self.judge = judge
        self.clock = SystemClock()
        self.gateway = Gateway(load_site(folder), self.clock)
        self.shown = {name: dict(SHOWN) for name in DEVICES}
        self.lost: set[str] = set()
        self.sessions: dict[str, aiohttp.ClientSession] = {}

    def show(self) -> None:
        """What the devices measure now."""
        for name, values in self.shown.items():
            quality = Quality.COMM_LOST if name in self.lost else Quality.ONLINE
            for point, value in values.items():
                found = Measurement(float(value), quality, self.clock.utc_ms())
                self.gateway.store.update(f"{name}.{point}", found)
            for point in ("service", "limit", "limit_ena", "p_set", "p_ena", "q_set", "q_ena"):
                known = self.gateway.store[f"{name}.{point}"]
                self.gateway.store.update(f"{name}.{point}", known)

    async def keep_showing(self) -> None:
        while True:
            self.show()
            await asyncio.sleep(0.2)

    def output(self, point: str) -> float:
        return self.gateway.store[point].value

    def tls(self, name: str) -> ssl.SSLContext:
        paths = pki_paths(self.folder / "data" / "pki", [name])
        context = ssl.create_default_context(cafile=str(paths.ca.certificate))
        context.load_cert_chain(paths.clients[name].certificate, paths.clients[name].key)
        return context

    def open(self, name: str) -> None:
        """A session under a certificate's name, where there is none yet."""
        if name not in self.sessions:
            connector = aiohttp.TCPConnector(ssl=self.tls(name))
            self.sessions[name] = aiohttp.ClientSession(connector=connector)

    async def post(self, document: bytes, name: str = "dms") -> tuple[int, bytes]:
        """HTTP status and answer, which is valid whatever it says."""
        self.open(name)
        headers = {"Content-Type": "application/xml"}
        url = f"https://127.0.0.1:{self.port}/groups"
        async with self.sessions[name].post(url, data=document, headers=headers) as response:
            answer = await response.read()
        assert self.judge.accepts(answer), answer.decode()
        return response.status, answer

    async def ask(self, body: Node, name: str = "dms", **header: str) -> Reply:
        """A valid request and its reply."""
        document = request(body, **header)
        assert self.judge.accepts(document), document.decode()
        status, answer = await self.post(document, name)
        assert status == 200
        return Reply(ET.fromstring(answer))  # noqa: S314 - our own box


@contextlib.asynccontextmanager
async def running(folder: Path, port: int, judge: Judge) -> AsyncIterator[Box]:
    box = Box(folder, port, judge)
    box.show()
    tasks = [asyncio.ensure_future(box.gateway.run()), asyncio.ensure_future(box.keep_showing())]
    try:
        assert box.gateway.group_server is not None
        await asyncio.wait_for(box.gateway.group_server.listening.wait(), 20)
        yield box
    finally:
        for session in box.sessions.values():
            await session.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="session")
def judge() -> Judge:
    return Judge()


@pytest.fixture
async def box(tmp_path, judge) -> AsyncIterator[Box]:
    port = free_port()
    async with running(site_folder(tmp_path, port), port, judge) as found:
        yield found


class Event:
    """An EventMessage, read by path from its GroupEvent."""

    def __init__(self, root: ET.Element) -> None:
        self.message_id = root.findtext(f"{{{NAMESPACE}}}Header/{{{NAMESPACE}}}MessageID") or ""
        found = root.find(f"{{{NAMESPACE}}}Payload/{{{NAMESPACE}}}GroupEvent")
        assert found is not None
        self.element = found

    def find(self, path: str) -> ET.Element | None:
        return self.element.find(spaced(path))

    def all(self, path: str) -> Iterator[ET.Element]:
        yield from self.element.iterfind(spaced(path))

    def text(self, path: str) -> str:
        return self.element.findtext(spaced(path)) or ""


class Receiver:
    """A subscriber we did not write the codec of: aiohttp's own server, TLS of its own PKI."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.heard: list[str] = []
        self.away = 0

    async def take(self, request: web.Request) -> web.Response:
        document = await request.read()
        assert self.judge.accepts(document), document.decode()
        event = Event(ET.fromstring(document))  # noqa: S314 - the same
        self.heard.append(event.message_id)
        if self.away:
            self.away -= 1
            return web.Response(status=503, text="not now")
        self.events.put_nowait(event)
        answer = ACKNOWLEDGED.format(
            time=stamp(), message=event.message_id, group=event.text("GroupId")
        )
        assert self.judge.accepts(answer.encode())
        return web.Response(text=answer, content_type="application/xml")

    async def next(self, kind: str) -> Event:
        async with asyncio.timeout(10):
            while True:
                event = await self.events.get()
                if event.text("Kind") == kind:
                    return event


ACKNOWLEDGED = f"""<ResponseMessage xmlns="{NAMESPACE}"><Header><Verb>reply</Verb>
<Noun>GroupReport</Noun><Timestamp>{{time}}</Timestamp><MessageID>ack</MessageID>
<CorrelationID>{{message}}</CorrelationID></Header><Reply><Result>OK</Result></Reply><Payload>
<GroupReport><DMSId>dms</DMSId><GroupId>{{group}}</GroupId></GroupReport></Payload>
</ResponseMessage>"""
SUBSCRIBER = """
[[https.subscriber]]
url = "https://127.0.0.1:{port}/events"
ca = "their/ca.crt"
certificate = "their/client-box.crt"
key = "their/client-box.key"
"""


@pytest.fixture
async def told(tmp_path, judge) -> AsyncIterator[tuple[Box, Receiver]]:
    """A gateway, and a subscriber that it tells of events."""
    port, theirs = free_port(), free_port()
    folder = site_folder(tmp_path, port, SUBSCRIBER.format(port=theirs))
    pki = ensure_pki(folder / "their", "127.0.0.1", ["box"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca.certificate))
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    receiver = Receiver(judge)
    application = web.Application()
    application.router.add_post("/events", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", theirs, ssl_context=context).start()
    try:
        async with running(folder, port, judge) as box:
            yield box, receiver
    finally:
        await runner.cleanup()
