"""A relay that keeps what passes, and what Wireshark makes of it."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

MASTER_PORT, OUTSTATION_PORT = 40_000, 20_000


class Tap:
    """A relay that keeps what passes, in order."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.passed: list[tuple[bool, bytes]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(
            self._pass(reader, inner_writer, from_master=True),
            self._pass(inner_reader, writer, from_master=False),
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_master: bool
    ) -> None:
        while octets := await reader.read(16_384):
            self.passed.append((from_master, octets))
            writer.write(octets)
        writer.close()

    def capture(self) -> bytes:
        """What passed as one TCP conversation in a pcap file (Ethernet, IPv4; no checksums)."""
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        sequence = {True: 1000, False: 5000}
        for number, (from_master, octets) in enumerate(self.passed, 1):
            ports = (MASTER_PORT, OUTSTATION_PORT)[:: 1 if from_master else -1]
            tcp = struct.pack(
                ">HHIIBBHHH", *ports, sequence[from_master], sequence[not from_master],
                0x50, 0x18, 8192, 0, 0,
            )  # fmt: skip
            sequence[from_master] += len(octets)
            size = 20 + len(tcp) + len(octets)
            ip = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, size, number & 0xFFFF, 0, 64, 6, 0,
                b"\x7f\0\0\1", b"\x7f\0\0\1",
            )  # fmt: skip
            packet = b"\0" * 12 + b"\x08\0" + ip + tcp + octets
            file += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
        return file


@dataclass
class Message:
    """A fragment as Wireshark tells it.

    Attributes:
        function: its name.
        objects: lines of object headers and points, in order.
    """

    function: str
    objects: list[str] = field(default_factory=list)


@dataclass
class Dissection:
    """A capture as Wireshark reads it.

    Attributes:
        packets: whole, as JSON.
        messages: fragments in order.
    """

    packets: list[dict[str, Any]]
    messages: list[Message]

    def masters_own(self) -> Dissection:
        """Without the packets of the outstation; the messages stay."""
        port = str(MASTER_PORT)
        sent = [packet for packet in self.packets if packet["tcp"]["tcp.srcport"] == port]
        return Dissection(sent, self.messages)

    def remarks(self) -> set[str]:
        """What Wireshark remarks on, anywhere."""
        return set(_remarks(self.packets))

    def told(self, function: str) -> list[str]:
        """Objects of all messages of a function."""
        return [line for one in self.messages if one.function == function for line in one.objects]

    def assert_sound(self) -> None:
        """No malformed frame, no bad CRC, and CRCs were looked at."""
        everything = json.dumps(self.packets)
        assert "_ws.malformed" not in everything
        for kind in ("hdr", "data_chunk"):
            assert f'"dnp.{kind}.CRC.status": "0"' not in everything
            assert f'"dnp.{kind}.CRC.status": "1"' in everything


async def dissected(tap: Tap, folder: Path) -> Dissection:
    path = folder / "dnp3.pcap"
    path.write_bytes(tap.capture())
    packets = await _tshark(path, "-T", "json", "--no-duplicate-keys")
    text = await _tshark(path, "-V", "-O", "dnp3")
    layers = [packet["_source"]["layers"] for packet in json.loads(packets)]
    return Dissection(layers, _messages(text))


async def _tshark(path: Path, *options: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ["tshark", "-r", path, "-d", f"tcp.port=={OUTSTATION_PORT},dnp3", "-Y", "dnp3", *options],
        capture_output=True, check=True, timeout=60, text=True,
    )  # fmt: skip
    return str(done.stdout)


def _messages(text: str) -> list[Message]:
    messages: list[Message] = []
    for line in map(str.strip, text.splitlines()):
        name, _, rest = line.partition(": ")
        if name == "Function Code":
            messages.append(Message(rest.partition(" (")[0]))
        elif messages and (name == "Object(s)" or line.startswith("Point Number")):
            messages[-1].objects.append(rest if name == "Object(s)" else line)
    return messages


def _remarks(node: object) -> list[str]:
    if isinstance(node, list):
        return [text for entry in node for text in _remarks(entry)]
    if not isinstance(node, dict):
        return []
    own = [node["_ws.expert.message"]] if "_ws.expert.message" in node else []
    return own + [text for entry in node.values() for text in _remarks(entry)]
