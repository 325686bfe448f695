"""Ten thousand members in one group: what a status and a dispatch cost.

Beside each figure stands a peer in the same run, turn by turn, so that a slow machine shows as
one: the plain loop over members for a status, the per-member dictionary of shares for a dispatch.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.state import Asked, DermsState
from gateway.apps.derms.step import Derms
from gateway.groups.allocation import allocate
from gateway.groups.areas import Areas
from gateway.groups.backend import Asker, Order, PointGroup, Submitter
from gateway.groups.der_points import DerPoints, DerView
from gateway.groups.messages import Address, DispatchRequest, Quantity, Result, StatusRequest
from gateway.groups.region import region
from gateway.groups.service import GroupService
from gateway.groups.settle import Settler
from gateway.groups.sharing import share
from gateway.groups.standing import StandingBook
from gateway.model.command import Priority
from gateway.model.der import Range
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock

pytestmark = pytest.mark.bench

MEMBERS, TURNS = 10_000, 7
ROLES = ("p", "q", "soc", "s_rated", "p_rated_max", "q_rated_max", "p_charge_rated", "p_enable",
         "limit_enable", "p_set", "q_set", "q_enable", "limit")  # fmt: skip


def turn_by_turn(*runs: Callable[[], object]) -> list[float]:
    """Median seconds of each, interleaved."""
    took: list[list[float]] = [[] for _ in runs]
    for _ in range(TURNS):
        for run, times in zip(runs, took, strict=True):
            began_s = time.perf_counter()
            run()
            times.append(time.perf_counter() - began_s)
    return [median(times) for times in took]


async def _nothing(*_: object) -> None:
    return None


def fleet() -> tuple[PointGroup, PointStore, list[DerPoints]]:
    ders = [DerPoints(f"d{n}", {r: f"d{n}.{r}" for r in ROLES}) for n in range(MEMBERS)]
    points = [point for der in ders for point in der.points.values()]
    store = PointStore([PointSpec(p, PointKind.AI, max_age_s=1e6) for p in points], SystemClock())
    rng = np.random.default_rng(7)
    rating = rng.uniform(5e3, 50e3, MEMBERS)
    charge = np.where(rng.random(MEMBERS) < 0.4, rating, 0.0)
    shown = {
        "p": 0.5 * rating, "soc": np.full(MEMBERS, 50.0), "s_rated": 1.1 * rating,
        "p_rated_max": rating, "q_rated_max": 0.44 * rating, "p_charge_rated": charge,
    }  # fmt: skip
    for role in ROLES:
        at = np.array([store.index[der.points[role]] for der in ders])
        values = np.array(shown.get(role, np.zeros(MEMBERS)))
        store.update_block(at, values, np.ones(MEMBERS, dtype=np.uint8), 1)
    submitter = Submitter(_nothing, _nothing, lambda *_: None, lambda *_: None, lambda _: None)
    return PointGroup("fleet", ders, store, submitter), store, ders


def test_status_of_ten_thousand_members_in_100_ms():
    group, store, ders = fleet()
    clock = SystemClock()
    service = GroupService({"fleet": group}, Settler(store, clock), lambda *_: None, clock)
    numbers = iter(range(1_000_000))

    def status():
        address = Address(
            message_id=f"m{next(numbers)}", dms_id="dms", group_id="fleet", time_ms=clock.utc_ms()
        )
        asker = Asker("dms", Priority.GROUP_FUNCTION)
        return asyncio.run(service.handle(StatusRequest(address=address), asker))

    def loop():
        views = [DerView(der, store) for der in ders]
        capability = [view.now() for view in views]
        return sum(view.value("p") or 0.0 for view in views), capability

    (plain_w, _), reply = loop(), status()
    assert reply.result is Result.OK
    assert reply.present[0].value == pytest.approx(plain_w)
    ours, plain = turn_by_turn(status, loop)
    print(
        f"\nstatus of {MEMBERS} members: {1e3 * ours:.1f} ms, 1/{plain / ours:.0f} of a plain loop"
    )
    assert ours < 0.100
    # one that is lost is not summed over as if it were there
    store.update("d5.p", Measurement(0.0, Quality.COMM_LOST, 2))
    assert status().result is Result.PARTIAL


def test_dispatch_of_ten_thousand_members_is_allocated_in_50_ms():
    group, _, ders = fleet()
    now = group.look().free
    most_w, most_va = float(now.power_max_w.sum()), float(now.apparent_va.sum())
    ranges = {
        der.name: Range(low, high)
        for der, low, high in zip(ders, now.power_min_w, now.power_max_w, strict=True)
    }
    cases: dict[str, tuple[float, float | None]] = {
        "P": (0.5 * most_w, None), "P and Q": (0.5 * most_w, 0.1 * most_va),
        "P and Q, circles bind": (0.99 * most_w, 0.39 * most_va),
        "P and Q, out of reach": (2.0 * most_w, 2.0 * most_va),
    }  # fmt: skip
    for name, (power_w, reactive_var) in cases.items():
        ours, plain = turn_by_turn(
            lambda p=power_w, q=reactive_var: share(group.look().free, p, q),
            lambda p=power_w: allocate(p, ranges),
        )
        print(
            f"\n{name}: {MEMBERS} members in {1e3 * ours:.1f} ms, {ours / plain:.2f} of a plain "
            "loop that shares P alone"
        )
        assert ours < 0.050


def test_a_cycle_over_ten_thousand_members():
    """The whole step: look, learn, share, order, region; and the way to the worker and back."""
    _, store, ders = fleet()
    names = tuple(der.name for der in ders)
    app = Derms(DermsConfig("derms", tuple(ders), (), {"fleet": names}))
    address = Address(message_id="m", dms_id="dms", group_id="fleet", time_ms=0)
    request = DispatchRequest(
        address=address, quantity=Quantity.ACTIVE_POWER, schedule=((0.0, 50e6),)
    )
    order = Order(Asker("dms", Priority.GROUP_FUNCTION), "m", "asked")
    book = StandingBook()
    book.put(request, order)
    kept = {"state": DermsState(), "now_ms": 1_000}

    def step():
        kept["now_ms"] += 1000
        asked = Asked(book.at(kept["now_ms"]))
        made = app.step(store.freeze(), (), kept["state"], kept["now_ms"], asked)
        kept["state"] = made.state
        return made

    assert step().state.held[0].held == pytest.approx(50e6)
    image = store.freeze()
    packed = pickle.dumps((image, kept["state"]))
    ours, carried = turn_by_turn(step, lambda: pickle.loads(packed))  # noqa: S301 - our own
    print(
        f"\ncycle over {MEMBERS} members: {1e3 * ours:.0f} ms in the worker, "
        f"{1e3 * carried:.0f} ms to unpack image and state there"
    )
    assert ours + carried < 1.0


def test_region_of_ten_thousand_members():
    group, _, _ = fleet()
    now: Areas = group.look().now
    (took,) = turn_by_turn(lambda: region(now))
    print(f"\nP-Q region of {MEMBERS} members, 64 corners: {1e3 * took:.0f} ms")
    assert took < 0.5
