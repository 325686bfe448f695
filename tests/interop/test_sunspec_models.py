"""Every model: pysunspec2 encodes it, a pymodbus server carries it, our client must read it."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from importlib.resources import files

import numpy as np
import pytest
import sunspec2.device as peer
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import EndpointConfig, PollerConfig
from gateway.links.modbus.poller import ModbusPoller
from gateway.links.sunspec.codec import is_scale_factor
from gateway.links.sunspec.discovery import discover
from gateway.model.data import data_folder
from gateway.model.errors import RemoteProtocolError
from gateway.profiles.decode_plan import DecodePlan
from gateway.profiles.load import load_profile
from gateway.site.clock import SystemClock

pytestmark = pytest.mark.interop

MODELS = [1, *range(101, 104), *range(120, 124), *range(701, 716), 802]
_RANGES = {
    "int16": (-32000, 32000), "uint16": (0, 65000), "acc16": (1, 65000), "count": (1, 100),
    "enum16": (0, 65000), "bitfield16": (0, 32767), "int32": (-(10**9), 10**9),
    "uint32": (0, 4 * 10**9), "acc32": (1, 4 * 10**9), "enum32": (0, 10**9),
    "bitfield32": (0, 2 * 10**9), "int64": (-(10**15), 10**15), "uint64": (0, 10**15),
    "acc64": (1, 10**15), "sunssf": (-4, 4), "raw16": (1, 100),
}  # fmt: skip


def definition(model_id: int) -> dict:
    path = files("sunspec2") / "models" / "json" / f"model_{model_id}.json"
    return json.loads(path.read_text(encoding="utf-8"))["group"]


def filled(group: dict, rng: random.Random, top: bool = True) -> dict:
    """Raw values for a group: counts small, everything else anywhere in its type's range."""
    counts = {sub["count"] for sub in group.get("groups", ()) if isinstance(sub.get("count"), str)}
    data: dict = {}
    for point in group["points"]:
        if top and point["name"] in ("ID", "L"):
            continue
        if point["name"] in counts or point["name"] in _COUNT_NAMES:
            data[point["name"]] = 2
        elif point["type"] == "string":
            data[point["name"]] = f"text {rng.randrange(100)}"[: point["size"] * 2]
        elif point["type"] in _RANGES:
            data[point["name"]] = rng.randint(*_RANGES[point["type"]])
        elif point["type"] in ("float32", "float64"):
            data[point["name"]] = rng.uniform(-1e5, 1e5)
    for sub in group.get("groups", ()):
        times = sub.get("count", 1)
        inner = [filled(sub, rng, top=False) for _ in range(1 if times == 1 else 2)]
        data[sub["name"]] = inner[0] if times == 1 else inner
    return data


#: Counts that stand a level above the groups they count.
_COUNT_NAMES = {"NPt", "NCrv", "NCtl", "NCrvSet", "NPrt", "NCrvPt"}


def build(model_ids: list[int], seed: int) -> tuple[list[peer.Model], list[int]]:
    """The models as pysunspec2 has them, and the whole map as registers."""
    rng = random.Random(seed)
    models, payload = [], b"SunS"
    for model_id in model_ids:
        group = definition(model_id)
        model = peer.Model(model_id, data={"ID": model_id, **filled(group, rng)})
        body = model.get_mb()[4:]
        payload += model_id.to_bytes(2, "big") + (len(body) // 2).to_bytes(2, "big") + body
        models.append(model)
    payload += b"\xff\xff\x00\x00"
    return models, np.frombuffer(payload, dtype=">u2").astype(int).tolist()


@asynccontextmanager
async def served(registers: list[int], base: int):
    """A pymodbus server with the map, and our reader of it with its count of reads."""
    data = SimData(base, values=registers, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", 0))
    await server.listen()
    assert server.transport is not None
    port = server.transport.sockets[0].getsockname()[1]
    endpoint = EndpointConfig(name="peer", host="127.0.0.1", port=port, timeout_s=2.0)
    poller = ModbusPoller(PollerConfig(endpoints=(endpoint,)), (), None, SystemClock())
    running = asyncio.create_task(poller.run())
    caller = poller.caller("peer")
    await caller.wait_open(5)
    try:
        yield lambda address, count: caller.read(1, Table.HOLDING, address, count)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.shutdown()


def peer_values(group: peer.Group, prefix: str = "") -> dict[str, float | None]:
    """Every numeric point as pysunspec2 scales it, by our path."""
    values: dict[str, float | None] = {}
    for name, point in group.points.items():
        if point.pdef["type"] in _RANGES or point.pdef["type"].startswith("float"):
            value = point.cvalue
            values[f"{prefix}{name}"] = None if value is None else float(value)
    for name, entry in group.groups.items():
        if isinstance(entry, list):
            for number, inner in enumerate(entry, 1):
                values |= peer_values(inner, f"{prefix}{name}.{number}.")
        else:
            values |= peer_values(entry, f"{prefix}{name}.")
    return values


@pytest.mark.parametrize("base", [40_000, 50_000, 0])
async def test_the_chain_is_found_at_every_base_in_few_reads(base):
    _, registers = build([1, 701, 702, 703, 704], seed=3)
    async with served(registers, base) as read:
        found = await discover(read)
    assert found.base == base
    assert [header.id for header in found.chain] == [1, 701, 702, 703, 704]
    # a read for every header and every body would be 13: the mark, 6 headers, 6 for bodies
    most = 7 + [40_000, 50_000, 0].index(base)
    assert found.reads <= most


@pytest.mark.parametrize("model_id", MODELS)
async def test_every_value_is_what_pysunspec2_encoded(model_id):
    (model,), registers = build([model_id], seed=model_id)
    async with served(registers, 40_000) as read:
        found = await discover(read)
    (header,) = found.chain
    assert header.length == len(registers) - 6
    expected = peer_values(model)
    numeric = {
        path: point.field()
        for (_, path), point in found.points.items()
        if point.field() is not None and not is_scale_factor(point)
    }
    plan = DecodePlan([field for field in numeric.values() if field is not None])
    words = np.zeros(0x10000, dtype=np.uint16)
    words[40_000 : 40_000 + len(registers)] = registers
    values, flags = plan.decode(words)
    compared = 0
    for path, value, flag in zip(numeric, values, flags, strict=True):
        if path not in expected or path in ("ID", "L"):
            continue
        compared += 1
        if expected[path] is None:
            assert not flag, path
        else:
            assert flag, path
            assert value == pytest.approx(expected[path], rel=1e-6), path
    assert compared == len([p for p in expected if p in numeric and p not in ("ID", "L")])
    assert compared > 0 or model_id == 1


async def test_a_vendors_own_model_is_stepped_over():
    _, registers = build([1, 701], seed=1)
    own = [64_900, 3, 1, 2, 3]
    at = 2 + 2 + registers[3]
    async with served(registers[:at] + own + registers[at:], 40_000) as read:
        found = await discover(read)
    assert [header.id for header in found.chain] == [1, 64_900, 701]
    assert (701, "W") in found.points


async def test_a_map_without_an_end_model_ends_where_it_ends():
    _, registers = build([1, 103], seed=1)
    async with served(registers[:-2], 40_000) as read:
        found = await discover(read)
    assert [header.id for header in found.chain] == [1, 103]


async def test_a_device_that_allows_few_registers_is_read_in_more_requests():
    _, registers = build([1, 701], seed=1)
    async with served(registers, 40_000) as read:

        async def narrow(address, count):
            assert count <= 50
            return await read(address, count)

        found = await discover(narrow, max_registers=50)
    assert (701, "W") in found.points


async def test_no_mark_is_said_so():
    async with served([1, 2, 3, 4, 5, 6, 7, 8], 40_000) as read:
        with pytest.raises(RemoteProtocolError, match="no SunSpec mark"):
            await discover(read)


async def test_every_shipped_sunspec_profile_names_points_the_models_have():
    for path in sorted(data_folder("devices").glob("sunspec_*.toml")):
        profile = load_profile(path.parent, path.stem)
        wanted = sorted({point.model or 0 for point in profile.points})
        _, registers = build([1, *wanted], seed=5)
        async with served(registers, 40_000) as read:
            found = await discover(read)
        for point in profile.points:
            # the curves above are built with two points each
            name = (point.name or "").replace("Pt.3", "Pt.2").replace("Pt.4", "Pt.2")
            placed = found.points.get((point.model or 0, name))
            assert placed is not None, f"{profile.name}: {point.model}.{point.name}"
            assert placed.definition.writable or not point.kind.is_output, point.point
