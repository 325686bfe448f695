"""Allocation: exact where possible, never outside a member's range, headroom used alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.groups.allocation import allocate, total
from gateway.model.der import Range

ranges = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(st.floats(-1e6, 0), st.floats(0, 1e6)).map(lambda pair: Range(*pair)),
    min_size=1,
)


@given(ranges, st.floats(-1e7, 1e7))
def test_every_part_is_inside_its_range_and_the_sum_is_met_or_clipped(members, wanted):
    parts = allocate(wanted, members)
    for name, part in parts.items():
        assert members[name].minimum - 1e-6 <= part <= members[name].maximum + 1e-6
    assert sum(parts.values()) == pytest.approx(total(members).clip(wanted), abs=1e-3)


@given(st.floats(0, 3e5))
def test_equal_members_get_equal_parts(wanted):
    parts = allocate(wanted, {name: Range(0, 1e5) for name in "abc"})
    assert len(set(parts.values())) == 1
