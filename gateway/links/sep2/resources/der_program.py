"""Programs and the curves their controls refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    Boolean,
    DERCurveType,
    DERUnitRefType,
    Int32,
    PerCent,
    PowerOfTenMultiplierType,
    PrimacyType,
    TimeType,
    UInt16,
    UInt32,
)
from gateway.links.sep2.resources.base import (
    IdentifiedObject,
    Link,
    List,
    ListLink,
    SubscribableIdentifiedObject,
    SubscribableList,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DERProgram(SubscribableIdentifiedObject):
    """A program: its controls, curves and default; lower ``primacy`` wins."""

    active_der_control_list_link: Annotated[
        ListLink | None, element("ActiveDERControlListLink")
    ] = None
    default_der_control_link: Annotated[Link | None, element("DefaultDERControlLink")] = None
    der_control_list_link: Annotated[ListLink | None, element("DERControlListLink")] = None
    der_curve_list_link: Annotated[ListLink | None, element("DERCurveListLink")] = None
    primacy: Annotated[PrimacyType, element("primacy")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DERProgramList(SubscribableList):
    """The programs of a group of function sets."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[DERProgram, ...], element("DERProgram")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveData:
    """A point of a curve; ``excitation`` only where y is a power factor, true is under-excited."""

    excitation: Annotated[Boolean | None, element("excitation")] = None
    xvalue: Annotated[Int32, element("xvalue")]
    yvalue: Annotated[Int32, element("yvalue")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DERCurve(IdentifiedObject):
    """A curve of up to ten points; values times ten to the multipliers.

    Times in hundredths of a second; ``v_ref`` in hundredths of a percent of nominal.
    """

    autonomous_v_ref_enable: Annotated[Boolean | None, element("autonomousVRefEnable")] = None
    autonomous_v_ref_time_constant: Annotated[
        UInt32 | None, element("autonomousVRefTimeConstant")
    ] = None
    creation_time: Annotated[TimeType, element("creationTime")]
    curve_data: Annotated[tuple[CurveData, ...], element("CurveData", least=1, most=10)]
    curve_type: Annotated[DERCurveType, element("curveType")]
    open_loop_tms: Annotated[UInt16 | None, element("openLoopTms")] = None
    ramp_dec_tms: Annotated[UInt16 | None, element("rampDecTms")] = None
    ramp_inc_tms: Annotated[UInt16 | None, element("rampIncTms")] = None
    ramp_pt1_tms: Annotated[UInt16 | None, element("rampPT1Tms")] = None
    v_ref: Annotated[PerCent | None, element("vRef")] = None
    x_multiplier: Annotated[PowerOfTenMultiplierType, element("xMultiplier")]
    y_multiplier: Annotated[PowerOfTenMultiplierType, element("yMultiplier")]
    y_ref_type: Annotated[DERUnitRefType, element("yRefType")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DERCurveList(List):
    """The curves of a program."""

    items: Annotated[tuple[DERCurve, ...], element("DERCurve")] = ()
