"""Sharing P and Q among areas: physics, and an optimiser that knows nothing of ours."""

from __future__ import annotations

import math

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.groups.areas import Areas, nearest
from gateway.groups.region import holds, region
from gateway.groups.sharing import level, share

_share = st.floats(-1.0, 1.0)


@st.composite
def fleets(draw, most=6):
    count = draw(st.integers(1, most))
    rows = []
    for _ in range(count):
        size = draw(st.floats(1e3, 1e6))
        p = sorted((draw(_share) * size * 1.2, draw(_share) * size * 1.2))
        q = sorted((-draw(st.floats(0, 1)) * size, draw(st.floats(0, 1)) * size))
        rows.append((*p, *q, size))
    return Areas(*(np.array(column) for column in zip(*rows, strict=True)))


def stands(areas: Areas, p: np.ndarray, q: np.ndarray) -> bool:
    fit = areas.fitted()
    slack = 1e-6 * areas.apparent_va
    return bool(
        (p >= fit.power_min_w - slack).all()
        and (p <= fit.power_max_w + slack).all()
        and (q >= fit.reactive_min_var - slack).all()
        and (q <= fit.reactive_max_var + slack).all()
        and (np.hypot(p, q) <= areas.apparent_va + slack).all()
    )


def direction(number: float, of: int) -> tuple[float, float]:
    angle = number * math.tau / of
    return math.cos(angle), math.sin(angle)


def least_missing(areas: Areas, wanted_w: float, wanted_var: float) -> float:
    """Least distance of the sum from what is wanted, by HiGHS with circles of 64 corners.

    Corners lie on the circles, so the program can do a little less than the members.
    """
    fit, unit = areas.fitted(), float(areas.apparent_va.sum())
    program = highspy.Highs()
    program.silent()
    distance = program.addVariable(lb=0.0)
    sums = [program.addVariable(lb=-10.0, ub=10.0) for _ in range(2)]
    members: list[list[object]] = [[], []]
    for row, size in enumerate(fit.apparent_va / unit):
        p = program.addVariable(lb=fit.power_min_w[row] / unit, ub=fit.power_max_w[row] / unit)
        q = program.addVariable(
            lb=fit.reactive_min_var[row] / unit, ub=fit.reactive_max_var[row] / unit
        )
        for side in range(64):
            cos, sin = direction(side + 0.5, 64)
            program.addConstr(cos * p + sin * q <= size * math.cos(math.pi / 64) + 1e-4 * size)
        members[0].append(p)
        members[1].append(q)
    for total, parts in zip(sums, members, strict=True):
        program.addConstr(program.qsum(parts) - total == 0.0)
    for side in range(128):
        cos, sin = direction(side + 0.25, 128)
        aim = (cos * wanted_w + sin * wanted_var) / unit
        program.addConstr(distance - cos * sums[0] - sin * sums[1] >= -aim)
    program.minimize(distance)
    assert program.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(program.val(distance)) * unit


@given(fleets(), _share, _share)
@settings(max_examples=50, deadline=None)
def test_shares_stand_in_the_areas_and_the_sum_is_no_worse_than_an_optimiser_finds(
    areas, p_share, q_share
):
    total = float(areas.apparent_va.sum())
    wanted_w, wanted_var = p_share * total, q_share * total
    found = share(areas, wanted_w, wanted_var)
    assert stands(areas, found.power_w, found.reactive_var)
    missing = math.hypot(found.sum_w - wanted_w, found.sum_var - wanted_var)
    assert missing <= 1.003 * least_missing(areas, wanted_w, wanted_var) + 1e-3 * total


@given(fleets(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_what_members_can_hold_together_is_met_exactly(areas, random):
    fit = areas.fitted()
    points = nearest(
        fit,
        np.array([random.uniform(-1, 1) * s for s in areas.apparent_va]),
        np.array([random.uniform(-1, 1) * s for s in areas.apparent_va]),
    )
    wanted_w, wanted_var = float(points.power_w.sum()), float(points.reactive_var.sum())
    found = share(areas, wanted_w, wanted_var)
    assert stands(areas, found.power_w, found.reactive_var)
    near = 1e-5 * float(areas.apparent_va.sum())
    assert found.sum_w == pytest.approx(wanted_w, abs=near)
    assert found.sum_var == pytest.approx(wanted_var, abs=near)


@given(fleets(), st.floats(-1.5, 1.5), st.lists(st.floats(0.5, 2), min_size=6, max_size=6))
@settings(max_examples=200)
def test_real_power_alone_is_as_near_as_the_ranges_allow(areas, p_share, burden):
    fit = areas.fitted()
    wanted = p_share * float(areas.apparent_va.sum())
    found = share(areas, wanted, None, np.array(burden[: len(areas)]))
    best = min(max(wanted, float(fit.power_min_w.sum())), float(fit.power_max_w.sum()))
    assert found.reactive_var is None
    assert found.sum_w == pytest.approx(best, abs=1e-6 * float(areas.apparent_va.sum()))


def test_equal_shares_are_those_of_a_linear_program():
    """Least deepest cut by HiGHS: nobody is cut deeper than need be."""
    low, high = np.array([0.0, -50.0, 10.0]), np.array([100.0, 50.0, 10.0])
    burden = np.array([1.0, 2.0, 1.0])
    wanted = 60.0
    span = high - low
    program = highspy.Highs()
    program.silent()
    shares = [program.addVariable(lb=a, ub=b) for a, b in zip(low, high, strict=True)]
    depth = program.addVariable(lb=0.0)
    for row, one in enumerate(shares):
        program.addConstr(one + depth * float(burden[row] * span[row]) >= float(high[row]))
    program.addConstr(program.qsum(shares) == wanted)
    program.minimize(depth)
    found = level(low, high, wanted, burden)
    assert found.sum() == pytest.approx(wanted)
    deepest = max((high - found)[:2] / (burden * span)[:2])
    assert deepest == pytest.approx(program.val(depth))


def test_real_power_gives_way_where_only_so_the_vars_can_be_had():
    """One member has the vars, the other the room for watts; an equal share would fail."""
    areas = Areas(
        np.zeros(2), np.array([100.0, 100.0]), np.array([-80.0, 0.0]), np.array([80.0, 0.0]),
        np.array([100.0, 100.0]),
    )  # fmt: skip
    found = share(areas, 150.0, 70.0)
    assert found.sum_w == pytest.approx(150.0, abs=1e-4)
    assert found.reactive_var[0] == pytest.approx(70.0, abs=1e-4)
    assert found.power_w[0] <= math.sqrt(100**2 - 70**2) + 1e-6


@given(fleets(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_every_sum_members_can_hold_lies_in_the_region_and_no_other(areas, random):
    total = float(areas.apparent_va.sum())
    polygon = region(areas)
    fit = areas.fitted()
    points = nearest(
        fit,
        np.array([random.uniform(-1, 1) * s for s in areas.apparent_va]),
        np.array([random.uniform(-1, 1) * s for s in areas.apparent_va]),
    )
    held = float(points.power_w.sum()), float(points.reactive_var.sum())
    # chords of an arc of 1/64 of a circle fall short of it by (1 - cos(pi / 64)) of the radius
    assert holds(polygon, *held, slack=1.3e-3 * total)
    for corner in polygon:
        found = share(areas, *corner)
        assert math.dist((found.sum_w, found.sum_var), corner) <= 1e-4 * total


def test_a_region_of_one_circle_is_that_circle():
    area = Areas(*(np.array([x]) for x in (-10.0, 10.0, -10.0, 10.0, 10.0)))
    corners = region(area)
    assert len(corners) == 64
    assert all(math.hypot(*corner) == pytest.approx(10.0) for corner in corners)
    assert region(area.at(np.zeros(1, dtype=bool))) == ()
