"""A program's controls at any moment, against the event engine run from scratch."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.links.sep2 import events
from gateway.links.sep2.codec import decode
from gateway.links.sep2.events import EventRecord
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    EventStatus,
)
from gateway.links.sep2.southbound.controls import Controls

NOW = 1_800_000_000
LINGER_S = 300
BASES = (
    DERControlBase(op_mod_max_lim_w=5000),
    DERControlBase(op_mod_connect=True),
    DERControlBase(op_mod_max_lim_w=1, op_mod_connect=False),
)

ADD = st.tuples(
    st.just("add"),
    st.integers(-50, 500),
    st.integers(1, 400),
    st.sampled_from((None, -60, 60)),
    st.sampled_from((None, 90)),
    st.sampled_from(BASES),
)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 20), st.booleans())
WAIT = st.tuples(st.just("wait"), st.integers(1, 200))


def made(mrid: int, now: int, step: tuple) -> DERControl:
    _, start, duration, randomize_start, randomize_duration, base = step
    return DERControl(
        mrid=mrid,
        creation_time=now,
        event_status=EventStatus(current_status=0, date_time=now, potentially_superseded=False),
        interval=DateTimeInterval(duration=duration, start=now + start),
        randomize_start=randomize_start,
        randomize_duration=randomize_duration,
        der_control_base=base,
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ADD, ADD, WAIT, CANCEL), max_size=25))
def test_every_status_is_that_of_now(steps):
    controls, now = Controls(1, 5, LINGER_S, 86_400), NOW
    records: dict[int, EventRecord] = {}
    for step in steps:
        if step[0] == "add":
            mrid = len(records) + 1
            records[mrid] = controls.add(made(mrid, now, step)).record
        elif step[0] == "cancel" and records:
            now += 1  # what was told in this second stays told
            while any(record.begins == now for record in records.values()):
                now += 1  # as what began in it has been told to supersede
            controls.refresh(now)
            mrid = step[1] % len(records) + 1
            control = controls.by_mrid[mrid]
            if not control.settled:
                controls.cancel(control, now, randomized=step[2])
                records[mrid] = control.record
        elif step[0] == "wait":
            now += step[1]
        controls.refresh(now)
        agree(controls, records, now)


def agree(controls: Controls, records: dict[int, EventRecord], now: int) -> None:
    said = {control.record.mrid: control.control.event_status for control in controls.listed}
    truth = {
        mrid: state
        for mrid, state in events.statuses(records.values(), now).items()
        if now < records[mrid].ends
        and not (state.current_status >= 2 and now >= state.date_time + LINGER_S)
    }
    for mrid, state in truth.items():
        status = said[mrid]
        assert (status.current_status, status.date_time) == (state.current_status, state.date_time)
    for mrid in said.keys() - truth.keys():  # over, and shown a while
        assert records[mrid].ends <= now < records[mrid].ends + LINGER_S
        assert said[mrid].current_status != 0
    active = {mrid for mrid, state in truth.items() if state.current_status == 1}
    assert {control.record.mrid for control in controls.active} == active
    elements = b"".join(controls.elements("derc", csip_aus=False))
    body = b'<DERControlList xmlns="urn:ieee:std:2030.5:ns" all="0" results="0">' + elements
    written = decode(body + b"</DERControlList>", DERControlList).items
    assert [control.event_status for control in written] == [
        control.control.event_status for control in controls.listed
    ]
