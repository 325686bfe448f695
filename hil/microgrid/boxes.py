"""The gateways of a path: each its own process, site and certificates, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hil.demo.client import ClientError, Credentials, OperatorClient
from hil.demo.errors import DemoError
from hil.demo.process import ChildProcess
from hil.demo.sitecopy import copy_site

SITES = Path(__file__).parents[1] / "sites" / "paths"
_READY_S, _LOOK_S = 40.0, 0.1
_LOST = 0x06  # IEEE 1815: RESTART, COMM_LOST


@dataclass(slots=True)
class Box:
    """One gateway.

    Attributes:
        site: the copy of its site that runs.
        port: of its HTTPS endpoint.
    """

    name: str
    site: Path
    port: int
    logs: Path
    process: ChildProcess = field(init=False)

    def __post_init__(self) -> None:
        arguments = ("-m", "gateway", "run", str(self.site))
        self.process = ChildProcess(arguments, self.log)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.logs / f"{self.name}.log"

    async def start(self) -> None:
        """Start it and wait until it answers and has read all its points.

        Raises:
            DemoError: it does not get ready, or ends.
        """
        await self.process.start()
        missing = "its certificates"
        for _ in range(round(_READY_S / _LOOK_S)):
            await asyncio.sleep(_LOOK_S)
            if self.process.pid is None:
                raise DemoError(f"{self.name} ended: {self.log} says why")
            credentials = Credentials.of_site(self.site)
            if not credentials.exist:
                continue
            missing = await self._missing(credentials)
            if not missing:
                return
        raise DemoError(f"{self.name} is not ready after {_READY_S:g} s: {missing}")

    def client(self) -> OperatorClient:
        """Whoever asks this box."""
        return OperatorClient(self.port, Credentials.of_site(self.site))

    async def _missing(self, credentials: Credentials) -> str:
        async with OperatorClient(self.port, credentials) as client:
            try:
                status = await client.status()
            except ClientError as error:
                return str(error)
        lost = [name for name, (_, flags, _) in status["points"].items() if flags & _LOST]
        fault = (status.get("microgrid") or {}).get("fault", "")
        return "; ".join(part for part in (", ".join(lost[:5]), fault) if part)


def copy_boxes(
    names: tuple[str, ...], folder: Path, ports: Mapping[int, int], logs: Path
) -> list[Box]:
    """Copies of the boxes' sites, their ports moved.

    Args:
        names: of sites.
        folder: where they go, side by side: a box finds another's certificates there.
        ports: a site's port to the one to use.
        logs: folder for what they say.

    Raises:
        DemoError: there is no such site.
    """
    boxes = []
    for name in names:
        if not (SITES / name / "site.toml").is_file():
            known = ", ".join(sorted(p.name for p in SITES.iterdir()))
            raise DemoError(f"there is no box {name!r}; known: {known}")
        site = copy_site(SITES / name, folder, ports)
        boxes.append(Box(name, site, ports[listening(SITES / name)], logs))
    return boxes


def listening(site: Path) -> int:
    """Port of a site's HTTPS endpoint as its file has it."""
    text = (site / "site.toml").read_text(encoding="utf-8")
    after = text.partition("[https]")[2]
    return int(next(line for line in after.splitlines() if line.startswith("port")).split("=")[1])
