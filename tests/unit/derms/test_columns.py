"""Members as columns say what each member's own view says."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.groups.columns import Columns
from gateway.groups.der_points import DerPoints, DerView
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore

ROLES = (
    "p", "q", "soc", "s_rated", "p_rated_max", "q_rated_max", "p_rated_min", "p_charge_rated",
    "q_rated_min", "q_absorb_rated", "p_now_min", "p_now_max", "q_now_min", "q_now_max",
    "p_enable", "limit_enable",
)  # fmt: skip


class Still:
    def monotonic_s(self) -> float:
        return 0.0

    def utc_ms(self) -> int:
        return 0


_values = st.one_of(st.none(), st.just(1.0), st.floats(-1e6, 1e6))


@given(st.lists(st.dictionaries(st.sampled_from(ROLES), _values), min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_columns_say_what_each_view_says(members):
    ders = [DerPoints(f"d{n}", {r: f"d{n}.{r}" for r in m}) for n, m in enumerate(members)]
    points = [point for der in ders for point in der.points.values()]
    store = PointStore([PointSpec(point, PointKind.AI) for point in points], Still())
    for der, member in zip(ders, members, strict=True):
        for role, value in member.items():
            if value is not None:
                store.update(der.points[role], Measurement(value, Quality.ONLINE, 1))
    for reader in (store, store.freeze()):
        seen = Columns(ders, store.index).look(reader)
        for row, der in enumerate(ders):
            view = DerView(der, reader)
            assert seen.online[row] == view.online
            for areas, said in ((seen.plate, view.nameplate()), (seen.now, view.now())):
                columns = np.array(
                    [areas.power_min_w[row], areas.power_max_w[row], areas.reactive_min_var[row],
                     areas.reactive_max_var[row], areas.apparent_va[row]]
                )  # fmt: skip
                if said is None:
                    assert np.isnan(columns).all()
                else:
                    own = (
                        said.power_w.minimum, said.power_w.maximum,
                        said.reactive_power_var.minimum, said.reactive_power_var.maximum,
                        said.apparent_power_va,
                    )  # fmt: skip
                    assert all(
                        math.isclose(a, b, abs_tol=1e-9) for a, b in zip(columns, own, strict=True)
                    )
