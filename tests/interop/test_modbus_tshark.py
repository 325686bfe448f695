"""Our Modbus frames as Wireshark reads them: every function, request and answer."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from gateway.links.modbus.codec import (
    ExceptionAnswer,
    ExceptionCode,
    Function,
    ReadAnswer,
    ReadRequest,
    WriteMultiple,
    WriteMultipleAnswer,
    WriteSingle,
    encode_answer,
    encode_request,
    pack_bits,
)
from gateway.links.modbus.framing import encode_frame

pytestmark = [pytest.mark.interop, pytest.mark.needs("tshark")]

CLIENT_PORT, SERVER_PORT, UNIT = 40000, 502, 54


def registers(*words: int) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


EXCHANGES = [
    (
        ReadRequest(Function.READ_COILS, 3, 10),
        ReadAnswer(Function.READ_COILS, pack_bits((1, 0, 1, 1, 0, 0, 0, 0, 1, 1))),
    ),
    (
        ReadRequest(Function.READ_DISCRETE_INPUTS, 0, 3),
        ReadAnswer(Function.READ_DISCRETE_INPUTS, pack_bits((0, 1, 1))),
    ),
    (
        ReadRequest(Function.READ_HOLDING_REGISTERS, 2000, 2),
        ReadAnswer(Function.READ_HOLDING_REGISTERS, registers(1, 0xFFFF)),
    ),
    (
        ReadRequest(Function.READ_INPUT_REGISTERS, 2100, 125),
        ReadAnswer(Function.READ_INPUT_REGISTERS, registers(*range(125))),
    ),
    (
        WriteSingle(Function.WRITE_SINGLE_COIL, 7, 1),
        WriteSingle(Function.WRITE_SINGLE_COIL, 7, 1),
    ),
    (
        WriteSingle(Function.WRITE_SINGLE_REGISTER, 2012, 150),
        WriteSingle(Function.WRITE_SINGLE_REGISTER, 2012, 150),
    ),
    (
        WriteMultiple(Function.WRITE_MULTIPLE_COILS, 4, (1, 0, 1)),
        WriteMultipleAnswer(Function.WRITE_MULTIPLE_COILS, 4, 3),
    ),
    (
        WriteMultiple(Function.WRITE_MULTIPLE_REGISTERS, 40100, (5, 6)),
        WriteMultipleAnswer(Function.WRITE_MULTIPLE_REGISTERS, 40100, 2),
    ),
    (
        ReadRequest(Function.READ_HOLDING_REGISTERS, 9, 1),
        ExceptionAnswer(Function.READ_HOLDING_REGISTERS, ExceptionCode.ILLEGAL_DATA_ADDRESS),
    ),
]


def capture() -> bytes:
    """The exchanges as one TCP conversation in a pcap file (Ethernet, IPv4; no checksums)."""
    file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    sequence = {CLIENT_PORT: 1000, SERVER_PORT: 5000}
    for number, (request, answer) in enumerate(EXCHANGES, 1):
        for source, target, pdu in (
            (CLIENT_PORT, SERVER_PORT, encode_request(request)),
            (SERVER_PORT, CLIENT_PORT, encode_answer(answer)),
        ):
            payload = encode_frame(number, UNIT, pdu)
            tcp = struct.pack(
                ">HHIIBBHHH", source, target, sequence[source], sequence[target], 0x50, 0x18,
                8192, 0, 0,
            )  # fmt: skip
            sequence[source] += len(payload)
            size = 20 + len(tcp) + len(payload)
            ip = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, size, number, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
            )
            packet = b"\0" * 12 + b"\x08\0" + ip + tcp + payload
            file += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    return file


@pytest.fixture(scope="module")
def dissected(tmp_path_factory) -> list[dict]:
    path: Path = tmp_path_factory.mktemp("capture") / "modbus.pcap"
    path.write_bytes(capture())
    done = subprocess.run(
        ["tshark", "-r", path, "-T", "json", "--no-duplicate-keys"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [packet["_source"]["layers"] for packet in json.loads(done.stdout)]


def test_tshark_finds_modbus_in_every_packet_and_nothing_malformed(dissected):
    assert len(dissected) == 2 * len(EXCHANGES)
    for layers in dissected:
        assert "mbtcp" in layers
        assert "modbus" in layers
        assert "_ws.malformed" not in json.dumps(layers)
        assert layers["mbtcp"]["mbtcp.unit_id"] == str(UNIT)


def test_tshark_reads_the_functions_and_numbers_we_meant(dissected):
    for number, (request, answer) in enumerate(EXCHANGES):
        asked, answered = (dissected[2 * number + half] for half in (0, 1))
        assert asked["mbtcp"]["mbtcp.trans_id"] == answered["mbtcp"]["mbtcp.trans_id"]
        code = str(int(request.function))
        assert asked["modbus"]["modbus.func_code"] == code
        assert answered["modbus"]["modbus.func_code"] == code
        assert asked["modbus"]["modbus.reference_num"] == str(request.address)
        if isinstance(answer, ExceptionAnswer):
            assert answered["modbus"]["modbus.exception_code"] == str(int(answer.code))


def values_of(node: object, key: str) -> list[str]:
    """Every value of a field anywhere in a dissection."""
    if isinstance(node, list):
        return [value for entry in node for value in values_of(entry, key)]
    if not isinstance(node, dict):
        return []
    own = [node[key]] if key in node and isinstance(node[key], str) else []
    return own + [value for entry in node.values() for value in values_of(entry, key)]


def test_tshark_reads_the_register_values_we_sent(dissected):
    assert values_of(dissected[5], "modbus.regval_uint16") == ["1", "65535"]
    assert values_of(dissected[7], "modbus.regval_uint16") == [str(n) for n in range(125)]
    assert values_of(dissected[14], "modbus.regval_uint16") == ["5", "6"]
