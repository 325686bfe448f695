"""Bench and gateway together, as the demo and its drills run them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from hil.bench import DEFAULT_PORT_BASE, Bench, BenchError, port_layout
from hil.demo.client import ClientError, Credentials, OperatorClient
from hil.demo.csip import csip_client, issue_certificates
from hil.demo.endings import end_all
from hil.demo.errors import DemoError
from hil.demo.ports import check_free, free_ports, moved
from hil.demo.process import ChildProcess
from hil.demo.sitecopy import SiteFacts, copy_site, name_lfdis, read_site
from hil.scenario import DEFAULT_SCENARIO

DEFAULT_SITE = Path(__file__).parents[1] / "sites" / "ieee13"
_READY_S, _LOOK_EVERY_S = 30.0, 0.1
#: Points named where some are not read.
_NAMED = 8
GATEWAY = "gateway"
#: IEEE 1815 flags: good, never read, source lost.
ONLINE, RESTART, COMM_LOST = 0x01, 0x02, 0x04
UNREAD = RESTART | COMM_LOST


@dataclass(slots=True)
class Session:
    """A bench whose clock stands until told, and a gateway that runs a copy of its site.

    Args:
        folder: gets logs and the truth log; made where it is missing. The copy of the site,
            with the keys the gateway makes there, is temporary.
        port_base: first port; 0 takes free ones.
        time_scale: simulated seconds a wall second.

    Attributes:
        site: the copy that runs.
        csip: the client in front of each 2030.5 inverter, by device.
    """

    folder: Path
    port_base: int = DEFAULT_PORT_BASE
    time_scale: float = 10.0
    scenario_path: Path = DEFAULT_SCENARIO
    site_path: Path = DEFAULT_SITE
    bench: Bench = field(init=False)
    gateway: ChildProcess = field(init=False)
    site: Path = field(init=False)
    csip: dict[str, ChildProcess] = field(default_factory=dict)
    facts: SiteFacts = field(init=False)
    ports: dict[str, int] = field(init=False)
    _sites: TemporaryDirectory[str] | None = None

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.facts = read_site(self.site_path)
        self.bench = Bench(
            scenario_path=self.scenario_path,
            port_base=self.port_base,
            time_scale=self.time_scale,
            truth=self.truth,
            paused=True,
            logs=self.logs,
        )

    @property
    def truth(self) -> Path:
        """The plant's truth log."""
        return self.folder / "truth.jsonl"

    @property
    def logs(self) -> Path:
        """What the processes said on standard error."""
        return self.folder / "logs"

    async def start(self) -> None:
        """Start everything; the gateway has been started, not awaited.

        Raises:
            DemoError: a port is taken, or a process did not get ready.
        """
        listeners = self.facts.listeners
        targets = moved(listeners.values(), self.port_base)
        self.ports = {name: targets[port] for name, port in listeners.items()}
        check_free(self.ports | self.bench.ports)
        try:
            await self.bench.start()
        except BenchError as error:
            raise DemoError(str(error)) from error
        written = port_layout(self.bench.scenario, DEFAULT_PORT_BASE)
        targets |= {port: self.bench.ports[name] for name, port in written.items()}
        self._sites = TemporaryDirectory(prefix="tieline-")
        self.site = copy_site(self.site_path, Path(self._sites.name), targets)
        await self._prepare_csip()
        arguments = ("-m", "gateway", "run", str(self.site))
        self.gateway = ChildProcess(arguments, self.logs / f"{GATEWAY}.log")
        await self.gateway.start()
        for client in self.csip.values():
            await client.start()

    async def _prepare_csip(self) -> None:
        """Certificates of the 2030.5 inverters and a client for each, not started."""
        names = self.facts.csip
        if not names:
            return
        pki = self.site / self.facts.csip_pki
        lfdis = await issue_certificates(pki, names)
        name_lfdis(self.site, lfdis)
        for name, notify in zip(names, free_ports(len(names)), strict=True):
            ports = {
                "server": self.ports["sep2_server"],
                "notify": notify,
                "device": self.bench.ports[name],
            }
            log = self.logs / f"csip-{name}.log"
            self.csip[name] = csip_client(name, lfdis[name], pki, ports, log)

    async def stop(self) -> None:
        """Stop the gateway's clients, then it, then its devices: none sees another die."""
        await asyncio.gather(*(client.stop() for client in self.csip.values()))
        if hasattr(self, "gateway"):
            await self.gateway.stop()
        await self.bench.stop()
        if self._sites is not None:
            self._sites.cleanup()
            self._sites = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[OperatorClient]:
        """A client to the gateway's endpoint, once the gateway has made its certificates.

        Raises:
            DemoError: it does not within 30 s.
        """
        credentials = Credentials.of_site(self.site)
        try:
            async with asyncio.timeout(_READY_S):
                while not credentials.exist:  # noqa: ASYNC110 - made by another process
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise DemoError(f"the {GATEWAY} made no certificates in time") from error
        async with OperatorClient(self.ports["https"], credentials) as client:
            yield client

    async def connected(self, client: OperatorClient) -> dict[str, Any]:
        """The first status in which every point has been read.

        Raises:
            DemoError: some have not within 30 s.
        """
        missing = "its endpoint does not answer"
        try:
            async with asyncio.timeout(_READY_S):
                while True:
                    try:
                        status = await client.status()
                    except ClientError:
                        status = {}
                    if status:
                        unread = [p for p, (_, f, _) in status["points"].items() if f & UNREAD]
                        if not unread:
                            return status
                        missing = f"{len(unread)} points are not read: {', '.join(unread[:_NAMED])}"
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise DemoError(f"the {GATEWAY} is not connected: {missing}") from error

    async def run_while_alive(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a demo's work; it ends with it, or with the first process that dies.

        Raises:
            DemoError: a process ended before its time.
        """
        working = asyncio.create_task(work)
        death = asyncio.create_task(self.first_death())
        try:
            await asyncio.wait((working, death), return_when=asyncio.FIRST_COMPLETED)
            if death.done():
                raise DemoError(f"{death.result()} ended before its time")
            working.result()
        finally:
            await end_all((working, death))

    async def first_death(self) -> str:
        """Name of the first process that ends by itself; waits until one does."""
        bench = asyncio.create_task(self.bench.first_death())
        own = {GATEWAY: self.gateway} | {f"csip-{n}": c for n, c in self.csip.items()}
        waits = {name: asyncio.create_task(child.wait()) for name, child in own.items()}
        try:
            everyone = (bench, *waits.values())
            await asyncio.wait(everyone, return_when=asyncio.FIRST_COMPLETED)
            ended = [name for name, wait in waits.items() if wait.done()]
            return ended[0] if ended else bench.result()
        finally:
            for wait in everyone:
                wait.cancel()

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()
