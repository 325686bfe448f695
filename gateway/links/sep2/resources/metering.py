"""Readings as a server publishes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    LFDI,
    AccumulationBehaviourType,
    Boolean,
    CommodityType,
    ConsumptionBlockType,
    DataQualifierType,
    FlowDirectionType,
    HexBinary16,
    Int48,
    KindType,
    PhaseCode,
    PowerOfTenMultiplierType,
    RoleFlagsType,
    ServiceKind,
    TOUType,
    UInt8,
    UInt32,
    UInt48,
    UomType,
)
from gateway.links.sep2.resources.base import (
    DateTimeInterval,
    IdentifiedObject,
    Link,
    ListLink,
    Resource,
    SubscribableList,
)
from gateway.links.sep2.resources.quantities import UnitValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBase(Resource):
    """A value of its ReadingType, and for which time."""

    consumption_block: Annotated[ConsumptionBlockType | None, element("consumptionBlock")] = None
    quality_flags: Annotated[HexBinary16 | None, element("qualityFlags")] = None
    time_period: Annotated[DateTimeInterval | None, element("timePeriod")] = None
    tou_tier: Annotated[TOUType | None, element("touTier")] = None
    value: Annotated[Int48 | None, element("value")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(ReadingBase):
    """A reading."""

    subscribable: Annotated[UInt8 | None, attribute("subscribable")] = None
    local_id: Annotated[HexBinary16 | None, element("localID")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingList(SubscribableList):
    """Readings of a set."""

    items: Annotated[tuple[Reading, ...], element("Reading")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSetBase(IdentifiedObject):
    """Readings taken over one time."""

    time_period: Annotated[DateTimeInterval, element("timePeriod")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSet(ReadingSetBase):
    """A set of readings."""

    reading_list_link: Annotated[ListLink | None, element("ReadingListLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSetList(SubscribableList):
    """The sets of readings of a meter reading."""

    items: Annotated[tuple[ReadingSet, ...], element("ReadingSet")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingType(Resource):
    """What the values of a reading are: quantity, unit, power of ten, phase; lengths in s."""

    accumulation_behaviour: Annotated[
        AccumulationBehaviourType | None, element("accumulationBehaviour")
    ] = None
    calorific_value: Annotated[UnitValueType | None, element("calorificValue")] = None
    commodity: Annotated[CommodityType | None, element("commodity")] = None
    conversion_factor: Annotated[UnitValueType | None, element("conversionFactor")] = None
    data_qualifier: Annotated[DataQualifierType | None, element("dataQualifier")] = None
    flow_direction: Annotated[FlowDirectionType | None, element("flowDirection")] = None
    interval_length: Annotated[UInt32 | None, element("intervalLength")] = None
    kind: Annotated[KindType | None, element("kind")] = None
    max_number_of_intervals: Annotated[UInt8 | None, element("maxNumberOfIntervals")] = None
    number_of_consumption_blocks: Annotated[UInt8 | None, element("numberOfConsumptionBlocks")] = (
        None
    )
    number_of_tou_tiers: Annotated[UInt8 | None, element("numberOfTouTiers")] = None
    phase: Annotated[PhaseCode | None, element("phase")] = None
    power_of_ten_multiplier: Annotated[
        PowerOfTenMultiplierType | None, element("powerOfTenMultiplier")
    ] = None
    sub_interval_length: Annotated[UInt32 | None, element("subIntervalLength")] = None
    supply_limit: Annotated[UInt48 | None, element("supplyLimit")] = None
    tiered_consumption_blocks: Annotated[Boolean | None, element("tieredConsumptionBlocks")] = None
    uom: Annotated[UomType | None, element("uom")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReadingBase(IdentifiedObject):
    """What meter readings have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading(MeterReadingBase):
    """Readings of one type at a usage point."""

    rate_component_list_link: Annotated[ListLink | None, element("RateComponentListLink")] = None
    reading_link: Annotated[Link | None, element("ReadingLink")] = None
    reading_set_list_link: Annotated[ListLink | None, element("ReadingSetListLink")] = None
    reading_type_link: Annotated[Link, element("ReadingTypeLink")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReadingList(SubscribableList):
    """The meter readings of a usage point."""

    items: Annotated[tuple[MeterReading, ...], element("MeterReading")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePointBase(IdentifiedObject):
    """What usage points have in common."""

    role_flags: Annotated[RoleFlagsType, element("roleFlags")]
    service_category_kind: Annotated[ServiceKind, element("serviceCategoryKind")]
    status: Annotated[UInt8, element("status")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePoint(UsagePointBase):
    """Where something is measured."""

    device_lfdi: Annotated[LFDI | None, element("deviceLFDI")] = None
    meter_reading_list_link: Annotated[ListLink | None, element("MeterReadingListLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePointList(SubscribableList):
    """The usage points a client may see."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[UsagePoint, ...], element("UsagePoint")] = ()
