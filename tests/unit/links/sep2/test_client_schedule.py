"""The schedule against a plain reference: in force at each second, and every response."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.links.sep2.client import Effective, ModeOutcome, Outcome, Taken
from gateway.links.sep2.client_config import EndDeviceConfig, Sep2ClientConfig
from gateway.links.sep2.northbound.follower import Follower
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.outbox import Outbox
from gateway.links.sep2.northbound.programs import Program, latest_end
from gateway.links.sep2.northbound.statistics import ClientStatistics, EndDeviceState
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERProgram,
    EventStatus,
)
from tests.unit.links.sep2.schedule_reference import LACKS, MODES, REFUSES, TAKES, Event, Reference

LFDI = "AB" * 20
OUR_CATEGORY, OTHER_CATEGORY = 0x01, 0x02
HORIZON = 70
VERDICTS = {
    TAKES: ModeOutcome(Taken.TAKEN),
    REFUSES: ModeOutcome(Taken.REFUSED),
    LACKS: ModeOutcome(Taken.NOT_SUPPORTED),
}


@dataclass
class Order:
    """A control that a server makes at ``at``, and takes back at ``cancel_at``."""

    at: int
    program: int
    start: int
    duration: int
    randomize: tuple[int, int]
    modes: frozenset[str]
    category: int | None
    cancel_at: int | None
    randomly: bool


@st.composite
def orders(draw: st.DrawFn) -> Order:
    at = draw(st.integers(0, 30))
    cancel_after = draw(st.none() | st.integers(0, 30))
    return Order(
        at=at,
        program=draw(st.integers(0, 2)),
        start=at + draw(st.integers(-6, 20)),
        duration=draw(st.integers(1, 20)),
        randomize=draw(st.just((0, 0)) | st.tuples(st.integers(-4, 6), st.integers(-4, 6))),
        modes=frozenset(draw(st.lists(st.sampled_from(MODES), min_size=1, unique=True))),
        category=draw(st.sampled_from([None, None, OUR_CATEGORY, OTHER_CATEGORY])),
        cancel_at=None if cancel_after is None else at + cancel_after,
        randomly=draw(st.booleans()),
    )


@dataclass
class World:
    """A server's schedule: primacies and default modes of its programs, and its controls."""

    primacies: list[int]
    defaults: list[frozenset[str]]
    orders: list[Order]

    def control(self, number: int, now: int) -> DERControl:
        order = self.orders[number]
        status, since = (1, order.at) if now >= order.start else (0, order.at)
        if order.cancel_at is not None and now >= order.cancel_at:
            status, since = (3 if order.randomly else 2), order.cancel_at
        return DERControl(
            mrid=number + 1,
            reply_to="/rsps/1/rsp",
            response_required=3,
            creation_time=order.at,
            event_status=EventStatus(
                current_status=status, date_time=since, potentially_superseded=False
            ),
            interval=DateTimeInterval(duration=order.duration, start=order.start),
            randomize_start=order.randomize[0],
            randomize_duration=order.randomize[1],
            der_control_base=base(order.modes),
            device_category=order.category,
        )

    def programs(self, now: int) -> dict[str, Program]:
        """What a client reads at ``now``: what ran out is no longer listed."""
        found = {}
        for number, (primacy, modes) in enumerate(zip(self.primacies, self.defaults, strict=True)):
            controls = [
                self.control(index, now)
                for index, order in enumerate(self.orders)
                if order.program == number and order.at <= now
            ]
            listed = {c.mrid: c for c in controls if now < latest_end(c) or now == c.creation_time}
            default = DefaultDERControl(mrid=0xD0 + number, der_control_base=base(modes))
            program = DERProgram(mrid=0xA0 + number, primacy=primacy)
            found[f"/derp/{number}"] = Program(f"/derp/{number}", program, default, listed)
        return found


@st.composite
def worlds(draw: st.DrawFn) -> World:
    primacies = draw(st.permutations([1, 5, 9]))
    modes = st.frozensets(st.sampled_from(MODES))
    return World(
        list(primacies),
        [draw(modes) for _ in primacies],
        draw(st.lists(orders(), min_size=1, max_size=7)),
    )


def base(modes: frozenset[str]) -> DERControlBase:
    values = {TAKES: 5000, REFUSES: 100, LACKS: False}
    return DERControlBase(**{mode: values[mode] for mode in modes})


@dataclass
class Client:
    """The follower with what it stands on."""

    memory: Memory
    follower: Follower
    now: list[Effective]


def client(folder: Path, seed: int) -> Client:
    config = Sep2ClientConfig(
        url="https://127.0.0.1/dcap",
        certificate=folder,
        key=folder,
        ca=folder,
        state=folder / "state.sqlite",
        devices=(EndDeviceConfig(lfdi=LFDI, category=OUR_CATEGORY),),
    )
    memory = Memory(config.state, random.Random(seed))
    states = {LFDI: EndDeviceState(LFDI)}
    outbox = Outbox(100, memory.posted, states, ClientStatistics())
    applied: list[Effective] = []

    async def apply(lfdi: str, effective: Effective) -> Outcome:
        applied.append(effective)
        return Outcome({mode: VERDICTS[mode] for mode in effective.modes})

    return Client(memory, Follower(config, memory, outbox, apply, states), applied)


def events(world: World, memory: Memory) -> Iterator[tuple[int, Event]]:
    """When each appears, and itself with the dice as they fell."""
    for index, order in enumerate(world.orders):
        offsets = memory.draw(world.control(index, order.at))
        yield (
            order.at,
            Event(
                mrid=index + 1,
                program=order.program,
                primacy=world.primacies[order.program],
                created=order.at,
                start=order.start,
                duration=order.duration,
                modes=order.modes,
                for_us=order.category != OTHER_CATEGORY,
                shift=offsets.start,
                stretch=offsets.duration,
                spread=offsets.cancel,
                randomly=order.randomly,
            ),
        )


async def run(world: World, folder: Path, seed: int) -> None:
    ranked = sorted(zip(world.primacies, world.defaults, range(3), strict=True))
    reference = Reference([(primacy, modes) for primacy, modes, _ in ranked])
    names = {0xD0 + number: f"default {place}" for place, (*_, number) in enumerate(ranked)}
    ours = client(folder, seed)
    try:
        coming = list(events(world, ours.memory))
        for now in range(HORIZON):
            reference.events += [event for at, event in coming if at == now]
            for event in reference.events:
                cancel_at = world.orders[event.mrid - 1].cancel_at
                if cancel_at == now:
                    event.cancelled = now
            expected = reference.tick(now)
            programs = world.programs(now)
            ours.follower.take(programs, {LFDI: frozenset(programs)}, now)
            await ours.follower.step(now, 0.0)
            got = {m: names.get(s.source, s.source) for m, s in ours.now[-1].modes.items()}
            assert got == expected, now
        noted = [(n.mrid, n.code, n.at) for n in ours.memory.waiting()]
        assert Counter(noted) == Counter(reference.responses)
    finally:
        ours.memory.close()


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(0, 1000))
def test_in_force_and_responses_are_those_of_the_plain_rules(world: World, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(world, Path(folder), seed))
