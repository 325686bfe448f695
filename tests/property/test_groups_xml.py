"""Every message survives its way through XML; whatever else comes in is refused, never a crash."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.groups import messages as m
from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.xml import decode, encode
from gateway.groups.xml_values import MULTIPLIERS, number, number_text
from gateway.model.der import Excitation, Range
from gateway.model.errors import RemoteProtocolError

P, Q, S = m.Quantity.ACTIVE_POWER, m.Quantity.REACTIVE_POWER, m.Quantity.APPARENT_POWER


def numbers(low: float, high: float, digits: int = 6) -> st.SearchStrategy[float]:
    """Numbers with so many digits after the point: what a meter or an engineer can say."""
    scale = 10**digits
    return st.integers(round(low * scale), round(high * scale)).map(lambda n: n / scale)


power = numbers(-1e9, 1e9)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@\-]{0,63}", fullmatch=True)
times = st.integers(0, 32_503_679_999_999)
seconds = numbers(0, 31_622_400, 3)
quantities = st.sampled_from(m.Quantity)
#: XML turns a bare CR into LF; control characters cannot be said in it at all.
texts = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
    ),
    max_size=300,
)
addresses = st.builds(m.Address, message_id=ids, dms_id=ids, group_id=ids, time_ms=times)
validities = st.builds(m.Validity, start_ms=times, duration_s=seconds)


@st.composite
def schedules(draw) -> tuple[tuple[float, float], ...]:
    steps = draw(st.lists(st.tuples(numbers(0.001, 1e5, 3), power), max_size=20))
    if draw(st.booleans()):
        steps.append((0.0, draw(power)))
    return tuple(steps)


def curves(
    dependent: st.SearchStrategy[float],
) -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    point = st.tuples(numbers(0, 200), dependent)
    some = st.lists(point, min_size=2, max_size=20)
    return st.just(()) | some.map(lambda points: tuple(sorted(points)))


requests = st.one_of(
    st.builds(
        m.StatusRequest,
        address=addresses,
        quantities=st.lists(quantities, min_size=1, max_size=9).map(tuple),
        timing=st.sampled_from(m.Timing),
    ),
    st.builds(m.CapabilityRequest, address=addresses),
    st.builds(
        m.ForecastRequest,
        address=addresses,
        quantities=st.lists(st.sampled_from((P, Q, S)), min_size=1, max_size=3).map(tuple),
        start_ms=times,
        interval_s=numbers(1, 86_400, 3),
        intervals=st.integers(1, 288),
        interpolation=st.sampled_from(m.Interpolation),
    ),
    st.builds(
        m.LimitRequest,
        address=addresses,
        limit_w=st.none() | numbers(0, 1e9) | numbers(0, 1e15, 0),
        direction=st.sampled_from(m.Direction),
        validity=validities,
        ramp_w_per_s=numbers(0, 1e9),
    ),
    st.builds(
        m.DispatchRequest,
        address=addresses,
        quantity=st.sampled_from((P, Q)),
        schedule=schedules(),
        start_ms=times,
    ),
    st.builds(
        m.CurveRequest,
        address=addresses,
        points=curves(numbers(-200, 200)),
        reference=st.sampled_from(m.CurveReference),
        voltage_reference_pct=numbers(0, 200),
        response_s=numbers(0, 3600, 3),
        validity=validities,
    ),
    st.builds(
        m.PowerFactorRequest,
        address=addresses,
        power_factor=st.none() | numbers(0, 1),
        excitation=st.sampled_from(Excitation),
        validity=validities,
    ),
    st.builds(
        m.RampRateRequest,
        address=addresses,
        up_w_per_s=st.none() | numbers(0.001, 1e9),
        down_w_per_s=st.none() | numbers(0.001, 1e9),
        validity=validities,
    ),
    st.builds(
        m.VoltageRegulationRequest,
        address=addresses,
        voltage_pct=st.none() | numbers(80, 120),
        deadband_pct=numbers(0, 20),
        droop_pct=numbers(0.1, 40),
        validity=validities,
    ),
    st.builds(
        m.WattCurveRequest,
        address=addresses,
        kind=st.just(m.WattCurve.VOLT_WATT),
        points=curves(numbers(-100, 100)),
        response_s=numbers(0, 3600, 3),
        validity=validities,
    ),
    st.builds(
        m.PriceRequest,
        address=addresses,
        currency=st.from_regex(r"[A-Z]{3}", fullmatch=True),
        schedule=schedules(),
        start_ms=times,
    ),
    st.builds(m.ConnectRequest, address=addresses, connect=st.booleans()),
    st.builds(
        m.IslandRequest,
        address=addresses,
        action=st.sampled_from(m.IslandAction),
        not_before_ms=times,
        reason=texts,
    ),
)

bounds = st.none() | st.tuples(power, power).map(lambda pair: Range(min(pair), max(pair)))
stated = st.builds(m.StatedCapability, power_w=bounds, reactive_power_var=bounds)
members = st.lists(ids, min_size=1, max_size=5).map(tuple)
some_members = st.lists(ids, max_size=5).map(tuple)
versions = st.integers(0, 999_999_999)
administration = st.one_of(
    st.builds(
        m.CreateGroupRequest,
        address=addresses,
        members=members,
        capability=stated,
        description=texts,
    ),
    st.builds(
        m.ChangeGroupRequest,
        address=addresses,
        version=versions,
        add=some_members,
        remove=some_members,
        members=st.none() | members,
        capability=st.none() | stated,
        description=st.none() | texts,
    ),
    st.builds(m.DeleteGroupRequest, address=addresses, version=versions),
    st.builds(m.SynchroniseGroupRequest, address=addresses, version=versions),
    st.builds(m.QueryGroupsRequest, address=addresses, member=st.just("") | ids),
)
operation_sets = st.builds(
    m.operation_set,
    addresses,
    st.lists(requests | administration, min_size=1, max_size=4),
    transactional=st.booleans(),
)
requests = requests | administration | operation_sets

ranges = st.tuples(power, power).map(lambda pair: Range(min(pair), max(pair)))
presents = st.builds(
    m.Present, quantity=quantities, value=st.none() | power, good=st.booleans(), time_ms=times
).map(lambda entry: replace(entry, good=entry.good and entry.value is not None))


def interval(values: tuple[float, float, float], start_ms: int, quantity: m.Quantity):
    low, nominal, high = sorted(values)
    return m.ForecastInterval(
        start_ms=start_ms, quantity=quantity, nominal=nominal, minimum=low, maximum=high
    )


forecasts = st.builds(
    m.Forecast,
    created_ms=times,
    confidence_pct=numbers(0, 100),
    interpolation=st.sampled_from(m.Interpolation),
    interval_s=numbers(1, 86_400, 3),
    intervals=st.lists(
        st.builds(interval, st.tuples(power, power, power), times, quantities), max_size=10
    ).map(tuple),
)
codes = st.sampled_from(["0.0", "6.1", "tieline:invalid-message"])
replies = st.builds(
    m.GroupReply,
    message_id=ids.map(lambda text: f"{text}-r"),
    correlation_id=ids,
    dms_id=ids,
    group_id=ids,
    time_ms=times,
    result=st.sampled_from(m.Result),
    errors=st.lists(
        st.builds(m.ReplyError, code=codes, level=st.sampled_from(m.ErrorLevel), reason=texts),
        max_size=5,
    ).map(tuple),
    present=st.lists(presents, max_size=9).map(tuple),
    ranges=st.lists(
        st.builds(
            m.QuantityRange,
            quantity=quantities,
            now=st.none() | ranges,
            nameplate=st.none() | ranges,
        ),
        max_size=9,
    ).map(tuple),
    forecast=st.none() | forecasts,
    groups=st.lists(
        st.builds(
            m.GroupDefinition,
            group_id=ids,
            version=versions,
            members=some_members,
            capability=stated,
            description=texts,
            configured=st.booleans(),
        ),
        max_size=4,
    ).map(tuple),
    held=st.lists(
        st.builds(
            m.Held,
            quantity=quantities,
            requested=st.none() | power,
            held=st.none() | power,
            members_ok=st.integers(0, 10_000),
            members=st.integers(0, 10_000),
        ),
        max_size=9,
    ).map(tuple),
)


def in_parts(whole: m.GroupReply, parts: list[m.GroupReply]) -> m.GroupReply:
    """A reply to an operation set."""
    numbered = tuple(
        replace(
            part,
            message_id=f"{whole.correlation_id}:{number}-r",
            correlation_id=f"{whole.correlation_id}:{number}",
            time_ms=whole.time_ms,
        )
        for number, part in enumerate(parts, 1)
    )
    return replace(whole, parts=numbered)


replies = replies | st.builds(in_parts, replies, st.lists(replies, max_size=3))


def event_of(kind: EventKind, forecast: m.Forecast, told: m.GroupReply, sequence: int):
    definition = told.groups[0] if told.groups and kind is EventKind.GROUP else None
    return GroupEvent(
        message_id=told.correlation_id,
        source=told.dms_id,
        group_id=told.group_id,
        time_ms=told.time_ms,
        kind=kind,
        sequence=sequence,
        reason=told.errors[0].reason if told.errors else "",
        present=told.present,
        ranges=told.ranges,
        forecast=forecast if kind is EventKind.FORECAST else None,
        definition=definition,
    )


events = st.builds(event_of, st.sampled_from(EventKind), forecasts, replies, versions)

SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@SLOW
@given(requests)
def test_every_request_survives(request):
    assert decode(encode(request)) == request


@SLOW
@given(replies)
def test_every_reply_survives(reply):
    assert decode(encode(reply)) == reply


@SLOW
@given(events)
def test_every_event_survives(event):
    assert decode(encode(event)) == event


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        decode(data)
    except RemoteProtocolError:
        return


@SLOW
@given(requests | replies | events, st.data())
def test_a_message_with_bytes_changed_is_a_message_or_refused(message, data):
    document = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(document) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "put"]))
        if change == "set":
            document[place] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del document[place : place + data.draw(st.integers(1, 60))]
        else:
            document[place:place] = data.draw(
                st.sampled_from([b"<", b"</Header>", b"<!--", b"<![CDATA[", b"&", b"<End/>", b" "])
            )
        document = document or bytearray(b" ")
    try:
        found = decode(bytes(document))
    except RemoteProtocolError:
        return
    assert decode(encode(found)) == found


@given(st.floats(-1e15, 1e15), st.sampled_from(sorted(MULTIPLIERS)))
def test_a_number_as_written_is_within_its_last_digit(value, multiplier):
    unit = 10.0 ** MULTIPLIERS[multiplier]
    if abs(value) > 1e9 * unit:
        return
    read = number(number_text(value, multiplier), multiplier)
    assert abs(read - value) <= 0.5e-9 * unit * 1.0001
    assert number(number_text(read, multiplier), multiplier) == read
