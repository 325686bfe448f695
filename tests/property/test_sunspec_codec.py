"""Any registers give a layout inside the model or RemoteProtocolError, never anything else."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.links.modbus.exchange import ModbusExceptionError
from gateway.links.sunspec.codec import MARK, ModelHeader, lay_out
from gateway.links.sunspec.discovery import discover
from gateway.links.sunspec.models import model_definition
from gateway.model.errors import RemoteProtocolError

MODELS = (1, 103, 120, 123, 160, 701, 704, 705, 711, 713, 714, 802)
words = st.integers(0, 0xFFFF)
# The first example of a model reads its definition from disk: time is no part of this property.
UNTIMED = settings(deadline=None)


@UNTIMED
@given(st.sampled_from(MODELS), st.lists(words, max_size=300), st.integers(0, 300))
def test_any_registers_are_laid_out_inside_the_model_or_refused(model_id, registers, length):
    definition = model_definition(model_id)
    assert definition is not None
    header = ModelHeader(model_id, 40_002, length)
    with suppress(RemoteProtocolError):
        points = lay_out(definition, header, registers)
        for point in points.values():
            assert point.address >= header.address
            assert point.address + point.definition.words <= header.address + header.words
            assert point.exponent is None or abs(point.exponent) <= 10


@UNTIMED
@given(st.lists(words, min_size=0, max_size=400), st.integers(1, 125))
async def test_any_map_behind_the_mark_gives_models_or_a_refusal(registers, most):
    held = np.array([*MARK, *registers], dtype=np.uint16)
    reads = 0

    async def read(address, count):
        nonlocal reads
        reads += 1
        assert count <= max(most, 2)
        start = address - 40_000
        if start < 0 or start + count > held.size:
            raise ModbusExceptionError(2)
        return held[start : start + count]

    with suppress(RemoteProtocolError, ModbusExceptionError):
        found = await discover(read, max(most, 2))
        assert all(header.address + header.words <= 0x10000 for header in found.chain)
    assert reads < 2000
