"""Whatever a peer may validly ask, the reply can be written: no request ends the gateway."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.groups.messages import GroupRequest
from gateway.groups.xml import decode_reply, decode_request, encode

TESTS = Path(__file__).resolve().parents[1]


def module_at(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_here", TESTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIELD = module_at("unit/groups/conftest.py")
REQUESTS = module_at("property/test_groups_xml.py").requests


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(REQUESTS, st.sampled_from(["mg", "pv", "nobody"])), max_size=4))
def test_every_valid_request_gets_a_reply_that_can_be_written(tmp_path_factory, asked):
    clock = Clock()
    field = FIELD.Field(tmp_path_factory.mktemp("site"), clock)

    async def ask(request: GroupRequest) -> None:
        reply = await field.ask(request)
        assert decode_reply(encode(reply)) is not None
        for due in await field.service.tick():
            encode(due)
        clock.advance(1.0)

    try:
        for request, group in asked:
            document = encode(request)
            name = request.address.group_id.encode()
            aimed = document.replace(
                b"<GroupId>" + name + b"<", b"<GroupId>" + group.encode() + b"<"
            )
            field.forecaster.sample()
            asyncio.run(ask(decode_request(aimed)))
    finally:
        field.trail.close()


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now_s = 1_774_008_000.0

    def utc_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
