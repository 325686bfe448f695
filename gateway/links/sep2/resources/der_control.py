"""Controls: what a DER is told to do, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import CSIP_AUS, attribute, element
from gateway.links.sep2.leaves import (
    AnyURI,
    Boolean,
    DeviceCategoryType,
    HexBinary8,
    Int16,
    OneHourRangeType,
    PerCent,
    SignedPerCent,
    String192,
    TimeType,
    UInt8,
    UInt16,
    UInt32,
)
from gateway.links.sep2.resources.base import (
    DateTimeInterval,
    Link,
    RespondableSubscribableIdentifiedObject,
    SubscribableIdentifiedObject,
    SubscribableList,
)
from gateway.links.sep2.resources.quantities import (
    ActivePower,
    ActivePowerDelta,
    FixedVar,
    PowerFactorWithExcitation,
    ReactivePower,
    ReactivePowerDelta,
    UnsignedActivePower,
    UnsignedFixedVar,
    UnsignedReactivePower,
    VoltageRMS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreqDroopType:
    """Frequency droop.

    Dead bands in thousandths of Hz, slopes in thousandths (per unit), open-loop time in
    hundredths of a second.
    """

    d_bof: Annotated[UInt32, element("dBOF")]
    d_buf: Annotated[UInt32, element("dBUF")]
    k_of: Annotated[UInt16, element("kOF")]
    k_uf: Annotated[UInt16, element("kUF")]
    open_loop_tms: Annotated[UInt16, element("openLoopTms")]
    p_min: Annotated[ActivePower | None, element("pMin", edition=2023)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERControlBase:
    """What a DER is to do; any of the modes together.

    Limits and fixed values in hundredths of a percent of the setting they refer to; ``ramp_tms`` in
    hundredths of a second. A mode the peer marks as disabled (2023) is read as absent. The last
    four are CSIP-AUS's: limits in W at the connection point (import, export) and of the device.
    """

    op_mod_connect: Annotated[Boolean | None, element("opModConnect")] = None
    op_mod_delta_var: Annotated[
        ReactivePowerDelta | None, element("opModDeltaVar", control=True, edition=2023)
    ] = None
    op_mod_delta_w: Annotated[
        ActivePowerDelta | None, element("opModDeltaW", control=True, edition=2023)
    ] = None
    op_mod_energize: Annotated[Boolean | None, element("opModEnergize")] = None
    op_mod_fixed_pf_absorb_w: Annotated[
        PowerFactorWithExcitation | None, element("opModFixedPFAbsorbW", control=True)
    ] = None
    op_mod_fixed_pf_inject_w: Annotated[
        PowerFactorWithExcitation | None, element("opModFixedPFInjectW", control=True)
    ] = None
    op_mod_fixed_v: Annotated[
        SignedPerCent | None, element("opModFixedV", control=True, edition=2023)
    ] = None
    op_mod_fixed_var: Annotated[FixedVar | None, element("opModFixedVar", control=True)] = None
    op_mod_fixed_w: Annotated[SignedPerCent | None, element("opModFixedW", control=True)] = None
    op_mod_freq_droop: Annotated[FreqDroopType | None, element("opModFreqDroop", control=True)] = (
        None
    )
    op_mod_freq_watt: Annotated[Link | None, element("opModFreqWatt", control=True)] = None
    op_mod_grid_connect_permit: Annotated[
        Boolean | None, element("opModGridConnectPermit", edition=2023)
    ] = None
    op_mod_hfrt_may_trip: Annotated[Link | None, element("opModHFRTMayTrip", control=True)] = None
    op_mod_hfrt_must_trip: Annotated[Link | None, element("opModHFRTMustTrip", control=True)] = None
    op_mod_hvrt_may_trip: Annotated[Link | None, element("opModHVRTMayTrip", control=True)] = None
    op_mod_hvrt_momentary_cessation: Annotated[
        Link | None, element("opModHVRTMomentaryCessation", control=True)
    ] = None
    op_mod_hvrt_must_trip: Annotated[Link | None, element("opModHVRTMustTrip", control=True)] = None
    op_mod_island_permit: Annotated[Boolean | None, element("opModIslandPermit", edition=2023)] = (
        None
    )
    op_mod_lfrt_may_trip: Annotated[Link | None, element("opModLFRTMayTrip", control=True)] = None
    op_mod_lfrt_must_trip: Annotated[Link | None, element("opModLFRTMustTrip", control=True)] = None
    op_mod_lvrt_may_trip: Annotated[Link | None, element("opModLVRTMayTrip", control=True)] = None
    op_mod_lvrt_momentary_cessation: Annotated[
        Link | None, element("opModLVRTMomentaryCessation", control=True)
    ] = None
    op_mod_lvrt_must_trip: Annotated[Link | None, element("opModLVRTMustTrip", control=True)] = None
    op_mod_max_lim_pct_va_absorb: Annotated[
        PerCent | None, element("opModMaxLimPctVAAbsorb", control=True, edition=2023)
    ] = None
    op_mod_max_lim_pct_va_inject: Annotated[
        PerCent | None, element("opModMaxLimPctVAInject", control=True, edition=2023)
    ] = None
    op_mod_max_lim_pct_var_absorb: Annotated[
        UnsignedFixedVar | None, element("opModMaxLimPctVarAbsorb", control=True, edition=2023)
    ] = None
    op_mod_max_lim_pct_var_inject: Annotated[
        UnsignedFixedVar | None, element("opModMaxLimPctVarInject", control=True, edition=2023)
    ] = None
    op_mod_max_lim_pct_w_absorb: Annotated[
        PerCent | None, element("opModMaxLimPctWAbsorb", control=True, edition=2023)
    ] = None
    op_mod_max_lim_var_absorb: Annotated[
        UnsignedReactivePower | None, element("opModMaxLimVarAbsorb", control=True, edition=2023)
    ] = None
    op_mod_max_lim_var_inject: Annotated[
        UnsignedReactivePower | None, element("opModMaxLimVarInject", control=True, edition=2023)
    ] = None
    op_mod_max_lim_w: Annotated[PerCent | None, element("opModMaxLimW", control=True)] = None
    op_mod_max_lim_w_absorb: Annotated[
        UnsignedActivePower | None, element("opModMaxLimWAbsorb", control=True, edition=2023)
    ] = None
    op_mod_max_lim_w_inject: Annotated[
        UnsignedActivePower | None, element("opModMaxLimWInject", control=True, edition=2023)
    ] = None
    op_mod_target_v: Annotated[
        VoltageRMS | None, element("opModTargetV", control=True, edition=2023)
    ] = None
    op_mod_target_var: Annotated[ReactivePower | None, element("opModTargetVar", control=True)] = (
        None
    )
    op_mod_target_w: Annotated[ActivePower | None, element("opModTargetW", control=True)] = None
    op_mod_volt_var: Annotated[Link | None, element("opModVoltVar", control=True)] = None
    op_mod_volt_watt: Annotated[Link | None, element("opModVoltWatt", control=True)] = None
    op_mod_watt_pf: Annotated[Link | None, element("opModWattPF", control=True)] = None
    op_mod_watt_var: Annotated[Link | None, element("opModWattVar", control=True)] = None
    ramp_tms: Annotated[UInt16 | None, element("rampTms")] = None
    op_mod_imp_lim_w: Annotated[ActivePower | None, element("opModImpLimW", namespace=CSIP_AUS)] = (
        None
    )
    op_mod_exp_lim_w: Annotated[ActivePower | None, element("opModExpLimW", namespace=CSIP_AUS)] = (
        None
    )
    op_mod_gen_lim_w: Annotated[ActivePower | None, element("opModGenLimW", namespace=CSIP_AUS)] = (
        None
    )
    op_mod_load_lim_w: Annotated[
        ActivePower | None, element("opModLoadLimW", namespace=CSIP_AUS)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStatus:
    """Where an event is in its life.

    0 scheduled, 1 active, 2 cancelled, 3 cancelled with randomisation, 4 superseded.
    """

    current_status: Annotated[UInt8, element("currentStatus")]
    date_time: Annotated[TimeType, element("dateTime")]
    potentially_superseded: Annotated[Boolean, element("potentiallySuperseded")]
    potentially_superseded_time: Annotated[
        TimeType | None, element("potentiallySupersededTime")
    ] = None
    reason: Annotated[String192 | None, element("reason")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(RespondableSubscribableIdentifiedObject):
    """Something that begins and ends."""

    creation_time: Annotated[TimeType, element("creationTime")]
    event_status: Annotated[EventStatus, element("EventStatus")]
    interval: Annotated[DateTimeInterval, element("interval")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomizableEvent(Event):
    """An event whose start and duration are moved at random by up to so many seconds."""

    randomize_duration: Annotated[OneHourRangeType | None, element("randomizeDuration")] = None
    randomize_start: Annotated[OneHourRangeType | None, element("randomizeStart")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERControl(RandomizableEvent):
    """A control for an interval."""

    der_control_base: Annotated[DERControlBase, element("DERControlBase")]
    device_category: Annotated[DeviceCategoryType | None, element("deviceCategory")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERControlList(SubscribableList):
    """Controls of a program."""

    items: Annotated[tuple[DERControl, ...], element("DERControl")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultDERControl(SubscribableIdentifiedObject):
    """What holds while no control does.

    Enter-service settings and gradients in the units of DERSettings.
    """

    reply_to: Annotated[AnyURI | None, attribute("replyTo", edition=2023)] = None
    response_required: Annotated[HexBinary8 | None, attribute("responseRequired", edition=2023)] = (
        None
    )
    der_control_base: Annotated[DERControlBase, element("DERControlBase")]
    set_es_delay: Annotated[UInt32 | None, element("setESDelay")] = None
    set_es_high_freq: Annotated[UInt16 | None, element("setESHighFreq")] = None
    set_es_high_volt: Annotated[Int16 | None, element("setESHighVolt")] = None
    set_es_low_freq: Annotated[UInt16 | None, element("setESLowFreq")] = None
    set_es_low_volt: Annotated[Int16 | None, element("setESLowVolt")] = None
    set_es_ramp_tms: Annotated[UInt32 | None, element("setESRampTms")] = None
    set_es_random_delay: Annotated[UInt32 | None, element("setESRandomDelay")] = None
    set_grad_w: Annotated[UInt16 | None, element("setGradW")] = None
    set_soft_grad_w: Annotated[UInt16 | None, element("setSoftGradW")] = None
    updated_time: Annotated[TimeType | None, element("updatedTime", edition=2023)] = None
