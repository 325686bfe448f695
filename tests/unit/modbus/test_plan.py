"""Coalescing: few reads, no value cut in two, nothing a profile forbids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig
from gateway.links.modbus.device import PolledPoint, PollGroup, plan_group
from gateway.links.modbus.plan import Need, ReadBlock, ReadLimits, coalesce
from gateway.profiles.registers import RegisterField, RegisterType

H = Table.HOLDING


@pytest.mark.parametrize(
    ("needs", "limits", "blocks"),
    [
        ([(0, 1), (1, 1), (2, 2)], ReadLimits(), [(0, 4)]),
        ([(0, 1), (17, 1)], ReadLimits(max_gap=16), [(0, 18)]),
        ([(0, 1), (18, 1)], ReadLimits(max_gap=16), [(0, 1), (18, 1)]),
        ([(0, 1), (1, 1)], ReadLimits(max_gap=0), [(0, 2)]),
        ([(0, 125), (125, 2)], ReadLimits(), [(0, 125), (125, 2)]),
        # the wide value at 9 is not split at the limit of 10
        ([(0, 1), (8, 1), (9, 2)], ReadLimits(max_registers=10), [(0, 9), (9, 2)]),
        # a forbidden register between two needs
        ([(0, 1), (4, 1)], ReadLimits(forbidden=((H, 2, 2),)), [(0, 1), (4, 1)]),
        ([(0, 1), (4, 1)], ReadLimits(forbidden=((Table.INPUT, 2, 2),)), [(0, 5)]),
        # a far scale factor shared by two values: read twice rather than split
        ([(0, 101), (100, 60)], ReadLimits(), [(0, 101), (100, 60)]),
    ],
)
def test_blocks(needs, limits, blocks) -> None:
    result = coalesce([Need(H, *need) for need in needs], limits)
    assert result == tuple(ReadBlock(H, *block) for block in blocks)


def test_tables_are_not_mixed() -> None:
    result = coalesce([Need(H, 0), Need(Table.INPUT, 1), Need(Table.COIL, 2)], ReadLimits())
    assert len(result) == 3


@pytest.mark.parametrize(
    ("need", "text"),
    [
        (Need(H, 0, 126), "limit is 125"),
        (Need(H, 65535, 2), "outside addresses"),
        (Need(H, 5, 1), "forbids"),
    ],
)
def test_impossible_needs_are_refused(need: Need, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        coalesce([need], ReadLimits(forbidden=((H, 5, 5),)))


needs = st.lists(
    st.builds(Need, st.sampled_from(Table), st.integers(0, 600), st.integers(1, 6)), max_size=40
)


@given(needs, st.integers(0, 30), st.integers(6, 125))
def test_every_need_whole_in_one_block_within_limits(
    needs: list[Need], max_gap: int, most: int
) -> None:
    limits = ReadLimits(max_registers=most, max_bits=most, max_gap=max_gap)
    blocks = coalesce(needs, limits)
    for need in needs:
        assert any(block.holds(need) for block in blocks)
    for block in blocks:
        assert 1 <= block.count <= most
    assert len(blocks) <= len(set(needs))


def test_scale_factor_comes_in_the_same_read() -> None:
    field = RegisterField(10, RegisterType.INT16, scale_factor_at=60)
    group = PollGroup(1.0, (PolledPoint(0, H, field),))
    (plan,) = plan_group(DeviceConfig(name="d", endpoint="e"), group)
    assert plan.block == ReadBlock(H, 10, 51)
    assert plan.fields[0].at == 0
    assert plan.fields[0].scale_factor_at == 50


def test_coils_must_be_bits() -> None:
    group = PollGroup(1.0, (PolledPoint(0, Table.COIL, RegisterField(1, RegisterType.INT16)),))
    with pytest.raises(ValueError, match="bit0"):
        plan_group(DeviceConfig(name="d", endpoint="e"), group)
