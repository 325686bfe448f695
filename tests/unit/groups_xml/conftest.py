"""What the hand-written documents in ``tests/golden/groups`` say, as typed messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.messages import (
    ANY_GROUP,
    Address,
    CapabilityRequest,
    ChangeGroupRequest,
    ConnectRequest,
    CreateGroupRequest,
    CurveReference,
    CurveRequest,
    DeleteGroupRequest,
    Direction,
    DispatchRequest,
    ErrorLevel,
    Forecast,
    ForecastInterval,
    ForecastRequest,
    GroupDefinition,
    GroupReply,
    GroupRequest,
    Held,
    Interpolation,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Present,
    PriceRequest,
    Quantity,
    QuantityRange,
    QueryGroupsRequest,
    RampRateRequest,
    ReplyError,
    Result,
    StatedCapability,
    StatusRequest,
    SynchroniseGroupRequest,
    Timing,
    Validity,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
    operation_set,
)
from gateway.model.der import Excitation, Range

P, Q, S = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER
#: 2026-03-20T12:00:00Z, from `date -u -d 2026-03-20T12:00:00Z +%s`.
NOON_MS = 1774008000_000


def address(name: str) -> Address:
    return Address(
        message_id=f"urn:uuid:8a1c-{name}",
        dms_id="dms-north",
        group_id="mg680",
        time_ms=NOON_MS - 1750,
    )


def answer(result: Result, **more: object) -> GroupReply:
    return GroupReply(
        message_id="m7-r",
        correlation_id="m7",
        dms_id="dms-north",
        group_id="mg680",
        time_ms=NOON_MS - 1749,
        result=result,
        **more,
    )


def error(code: str, level: ErrorLevel, reason: str) -> ReplyError:
    return ReplyError(code=code, level=level, reason=reason)


def event(kind: EventKind, sequence: int, **content: object) -> GroupEvent:
    return GroupEvent(
        message_id="ev-1",
        source="box-7",
        group_id="mg680",
        time_ms=NOON_MS - 1750,
        kind=kind,
        sequence=sequence,
        **content,
    )


def part(number: int, result: Result, group: str) -> GroupReply:
    failed = result is Result.FAILED
    return replace(
        answer(result),
        message_id=f"m7:{number}-r",
        correlation_id=f"m7:{number}",
        dms_id="dms-west" if failed else "dms-north",
        group_id=group,
        errors=(error("6.1", ErrorLevel.FATAL, "islanded"),) if failed else (),
    )


MESSAGES: dict[str, GroupRequest | GroupReply | GroupEvent] = {
    "status_query": StatusRequest(
        address=address("status_query"),
        quantities=(P, Q, Quantity.STATE_OF_CHARGE),
        timing=Timing.REFRESHED,
    ),
    "capability_query": CapabilityRequest(address=address("capability_query")),
    "forecast_query": ForecastRequest(
        address=address("forecast_query"),
        quantities=(P, Q),
        start_ms=NOON_MS,
        interval_s=900.0,
        intervals=4,
        interpolation=Interpolation.LINEAR,
    ),
    "forecast_query_short": ForecastRequest(
        address=address("forecast_query_short"), interval_s=300.5, intervals=288
    ),
    "real_power_limit": LimitRequest(
        address=address("real_power_limit"),
        limit_w=150_500.0,
        direction=Direction.IMPORT,
        validity=Validity(start_ms=NOON_MS + 500, duration_s=3600.0),
        ramp_w_per_s=2000.0,
    ),
    "real_power_limit_end": LimitRequest(address=address("real_power_limit_end"), limit_w=None),
    "real_power_dispatch": DispatchRequest(
        address=address("real_power_dispatch"),
        quantity=P,
        schedule=((900.0, 250e3), (0.001, -125e3), (0.0, 0.0)),
        start_ms=NOON_MS,
    ),
    "reactive_power_dispatch": DispatchRequest(
        address=address("reactive_power_dispatch"), quantity=Q, schedule=((0.0, -40e3),)
    ),
    "reactive_power_dispatch_end": DispatchRequest(
        address=address("reactive_power_dispatch_end"), quantity=Q, schedule=()
    ),
    "volt_var_curve": CurveRequest(
        address=address("volt_var_curve"),
        points=((92.0, 44.0), (98.0, 0.0), (98.0, -44.5)),
        reference=CurveReference.AVAILABLE_REACTIVE_POWER,
        voltage_reference_pct=99.5,
        response_s=10.0,
        validity=Validity(duration_s=60.0),
    ),
    "volt_var_curve_end": CurveRequest(address=address("volt_var_curve_end"), points=()),
    "power_factor": PowerFactorRequest(
        address=address("power_factor"), power_factor=0.95, excitation=Excitation.UNDER_EXCITED
    ),
    "power_factor_end": PowerFactorRequest(address=address("power_factor_end"), power_factor=None),
    "ramp_rate": RampRateRequest(
        address=address("ramp_rate"),
        up_w_per_s=2500.0,
        down_w_per_s=750.0,
        validity=Validity(duration_s=600.0),
    ),
    "ramp_rate_down": RampRateRequest(
        address=address("ramp_rate_down"), up_w_per_s=None, down_w_per_s=100.0
    ),
    "ramp_rate_end": RampRateRequest(
        address=address("ramp_rate_end"), up_w_per_s=None, down_w_per_s=None
    ),
    "voltage_regulation": VoltageRegulationRequest(
        address=address("voltage_regulation"), voltage_pct=101.5, deadband_pct=2.0, droop_pct=3.5
    ),
    "voltage_regulation_end": VoltageRegulationRequest(
        address=address("voltage_regulation_end"), voltage_pct=None
    ),
    "volt_watt_curve": WattCurveRequest(
        address=address("volt_watt_curve"),
        kind=WattCurve.VOLT_WATT,
        points=((106.0, 100.0), (110.0, 0.0)),
        response_s=10.0,
    ),
    "frequency_watt_curve": WattCurveRequest(
        address=address("frequency_watt_curve"),
        kind=WattCurve.FREQUENCY_WATT,
        points=((60.036, 100.0), (62.0, -20.0)),
        validity=Validity(start_ms=NOON_MS),
    ),
    "frequency_watt_curve_end": WattCurveRequest(
        address=address("frequency_watt_curve_end"), kind=WattCurve.FREQUENCY_WATT, points=()
    ),
    "price": PriceRequest(
        address=address("price"),
        currency="EUR",
        schedule=((3600.0, 0.315), (0.0, -0.02)),
        start_ms=NOON_MS,
    ),
    "price_end": PriceRequest(address=address("price_end"), currency="EUR", schedule=()),
    "connection": ConnectRequest(address=address("connection"), connect=False),
    "islanding": IslandRequest(
        address=address("islanding"),
        action=IslandAction.PLANNED,
        not_before_ms=NOON_MS,
        reason="storm & flood <warning> für Süd",
    ),
    "islanding_now": IslandRequest(address=address("islanding_now"), action=IslandAction.RECONNECT),
    "group_creation": CreateGroupRequest(
        address=address("group_creation"),
        members=("pv1", "pv2"),
        capability=StatedCapability(power_w=Range(0.0, 350e3)),
        description="Roofs of the north & the mill",
    ),
    "group_change": ChangeGroupRequest(
        address=address("group_change"),
        version=3,
        add=("pv4",),
        remove=("pv1", "pv2"),
        capability=StatedCapability(reactive_power_var=Range(-80e3, 60e3)),
    ),
    "group_change_lifted": ChangeGroupRequest(
        address=address("group_change_lifted"),
        version=4,
        capability=StatedCapability(),
        description="",
    ),
    "group_deletion": DeleteGroupRequest(address=address("group_deletion"), version=5),
    "group_query": QueryGroupsRequest(address=address("group_query")),
    "group_query_all": QueryGroupsRequest(
        address=replace(address("group_query_all"), group_id=ANY_GROUP)
    ),
    "group_query_member": QueryGroupsRequest(
        address=replace(address("group_query_member"), group_id=ANY_GROUP), member="pv4"
    ),
    "group_synchronisation": SynchroniseGroupRequest(
        address=address("group_synchronisation"), version=0
    ),
    "operation_set": operation_set(
        address("operation_set"),
        (
            DeleteGroupRequest(address=replace(address("1"), group_id="old"), version=2),
            LimitRequest(address=replace(address("2"), dms_id="dms-west"), limit_w=None),
        ),
        transactional=True,
    ),
    "groups_reply": replace(
        answer(
            Result.OK,
            groups=(
                GroupDefinition(group_id="mg680", version=1, members=("mg",), configured=True),
                GroupDefinition(
                    group_id="roofs",
                    version=7,
                    members=("pv1",),
                    capability=StatedCapability(reactive_power_var=Range(-80e3, 60e3)),
                    description="Roofs",
                ),
            ),
        ),
        group_id=ANY_GROUP,
    ),
    "operations_reply": replace(
        answer(Result.PARTIAL, parts=(part(1, Result.OK, "old"), part(2, Result.FAILED, "mg680"))),
        group_id=ANY_GROUP,
    ),
    "event_status": event(
        EventKind.STATUS,
        12,
        reason="P is not good",
        present=(Present(quantity=P, value=-12_500.0, good=False, time_ms=NOON_MS - 3000),),
        ranges=(QuantityRange(quantity=P, now=None, nameplate=Range(-1.0, 1.0)),),
    ),
    "event_forecast": event(
        EventKind.FORECAST,
        1,
        forecast=Forecast(
            created_ms=NOON_MS - 1750,
            confidence_pct=90.0,
            interpolation=Interpolation.STEP,
            interval_s=900.0,
            intervals=(
                ForecastInterval(
                    start_ms=NOON_MS, quantity=P, nominal=5.0, minimum=4.0, maximum=6.0
                ),
            ),
        ),
    ),
    "event_group": event(
        EventKind.GROUP,
        2,
        reason="version 3",
        definition=GroupDefinition(group_id="mg680", version=3, members=("pv1",)),
    ),
    "event_group_removed": event(EventKind.GROUP, 3),
    "status_reply": answer(
        Result.PARTIAL,
        errors=(error("6.1", ErrorLevel.WARNING, "SoC is not known for every member"),),
        present=(
            Present(quantity=P, value=120_250.0, good=True, time_ms=NOON_MS - 2100),
            Present(quantity=Quantity.POWER_FACTOR, value=-0.98, good=True, time_ms=NOON_MS - 2100),
            Present(quantity=Quantity.STATE_OF_CHARGE, value=None, good=False, time_ms=0),
        ),
        ranges=(
            QuantityRange(quantity=P, now=Range(-200e3, 330e3), nameplate=Range(-320e3, 330e3)),
        ),
    ),
    "capability_reply": answer(
        Result.OK,
        ranges=(
            QuantityRange(quantity=Q, now=None, nameplate=Range(-300e3, 300e3)),
            QuantityRange(quantity=S, now=None, nameplate=None),
        ),
    ),
    "forecast_reply": answer(
        Result.OK,
        forecast=Forecast(
            created_ms=NOON_MS - 1749,
            confidence_pct=90.0,
            interpolation=Interpolation.STEP,
            interval_s=900.0,
            intervals=(
                ForecastInterval(
                    start_ms=NOON_MS, quantity=P, nominal=120e3, minimum=100.5e3, maximum=130e3
                ),
                ForecastInterval(
                    start_ms=NOON_MS + 900_000, quantity=P, nominal=-1.0, minimum=-2.0, maximum=-1.0
                ),
            ),
        ),
    ),
    "held_reply": answer(
        Result.PARTIAL,
        errors=(error("6.1", ErrorLevel.WARNING, "asked 400000, held 330000"),),
        held=(Held(quantity=P, requested=400e3, held=330e3, members_ok=3, members=4),),
    ),
    "ended_reply": answer(
        Result.OK,
        errors=(error("0.0", ErrorLevel.INFORM, ""),),
        held=(Held(quantity=Q, requested=None, held=None),),
    ),
    "failed_reply": answer(
        Result.FAILED,
        errors=(
            error("6.1", ErrorLevel.FATAL, "islanded"),
            error("tieline:busy", ErrorLevel.CATASTROPHIC, "x"),
        ),
    ),
}


@pytest.fixture
def golden_messages() -> dict[str, GroupRequest | GroupReply | GroupEvent]:
    return MESSAGES
