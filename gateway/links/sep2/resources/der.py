"""A DER: what it is rated for, what is set, what is available."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import CSIP_AUS, attribute, element
from gateway.links.sep2.leaves import (
    DERControlType,
    DERControlType2,
    DERType,
    HexBinary8,
    Int16,
    PerCent,
    TimeType,
    UInt8,
    UInt16,
    UInt32,
)
from gateway.links.sep2.resources.base import Link, List, ListLink, Resource, SubscribableResource
from gateway.links.sep2.resources.quantities import (
    ActivePower,
    AmpereHour,
    ApparentPower,
    CurrentRMS,
    PowerFactor,
    ReactivePower,
    ReactiveSusceptance,
    UnsignedActivePower,
    UnsignedReactivePower,
    VoltageRMS,
    WattHour,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DER(SubscribableResource):
    """A distributed energy resource of an EndDevice."""

    associated_der_program_list_link: Annotated[
        ListLink | None, element("AssociatedDERProgramListLink")
    ] = None
    associated_usage_point_link: Annotated[Link | None, element("AssociatedUsagePointLink")] = None
    current_der_controls_link: Annotated[
        Link | None, element("CurrentDERControlsLink", edition=2023)
    ] = None
    current_der_program_link: Annotated[Link | None, element("CurrentDERProgramLink")] = None
    der_availability_link: Annotated[Link | None, element("DERAvailabilityLink")] = None
    der_capability_link: Annotated[Link | None, element("DERCapabilityLink")] = None
    der_component_list_link: Annotated[
        ListLink | None, element("DERComponentListLink", edition=2023)
    ] = None
    der_settings_link: Annotated[Link | None, element("DERSettingsLink")] = None
    der_status_link: Annotated[Link | None, element("DERStatusLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERList(List):
    """The DERs of an EndDevice."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[DER, ...], element("DER")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DERCapability(Resource):
    """Nameplate ratings of a DER."""

    modes_supported: Annotated[DERControlType, element("modesSupported")]
    modes_supported2: Annotated[
        DERControlType2 | None, element("modesSupported2", edition=2023)
    ] = None
    rtg_abnormal_category: Annotated[UInt8 | None, element("rtgAbnormalCategory")] = None
    rtg_max_a: Annotated[CurrentRMS | None, element("rtgMaxA")] = None
    rtg_max_ah: Annotated[AmpereHour | None, element("rtgMaxAh")] = None
    rtg_max_charge_rate_va: Annotated[ApparentPower | None, element("rtgMaxChargeRateVA")] = None
    rtg_max_charge_rate_w: Annotated[ActivePower | None, element("rtgMaxChargeRateW")] = None
    rtg_max_discharge_rate_va: Annotated[ApparentPower | None, element("rtgMaxDischargeRateVA")] = (
        None
    )
    rtg_max_discharge_rate_w: Annotated[ActivePower | None, element("rtgMaxDischargeRateW")] = None
    rtg_max_v: Annotated[VoltageRMS | None, element("rtgMaxV")] = None
    rtg_max_va: Annotated[ApparentPower | None, element("rtgMaxVA")] = None
    rtg_max_var: Annotated[ReactivePower | None, element("rtgMaxVar")] = None
    rtg_max_var_neg: Annotated[ReactivePower | None, element("rtgMaxVarNeg")] = None
    rtg_max_w: Annotated[ActivePower, element("rtgMaxW")]
    rtg_max_wh: Annotated[WattHour | None, element("rtgMaxWh")] = None
    rtg_min_pf_over_excited: Annotated[PowerFactor | None, element("rtgMinPFOverExcited")] = None
    rtg_min_pf_under_excited: Annotated[PowerFactor | None, element("rtgMinPFUnderExcited")] = None
    rtg_min_v: Annotated[VoltageRMS | None, element("rtgMinV")] = None
    rtg_normal_category: Annotated[UInt8 | None, element("rtgNormalCategory")] = None
    rtg_over_excited_pf: Annotated[PowerFactor | None, element("rtgOverExcitedPF")] = None
    rtg_over_excited_w: Annotated[ActivePower | None, element("rtgOverExcitedW")] = None
    rtg_reactive_susceptance: Annotated[
        ReactiveSusceptance | None, element("rtgReactiveSusceptance")
    ] = None
    rtg_under_excited_pf: Annotated[PowerFactor | None, element("rtgUnderExcitedPF")] = None
    rtg_under_excited_w: Annotated[ActivePower | None, element("rtgUnderExcitedW")] = None
    rtg_v_nom: Annotated[VoltageRMS | None, element("rtgVNom")] = None
    type: Annotated[DERType, element("type")]
    doe_modes_supported: Annotated[
        HexBinary8 | None, element("doeModesSupported", namespace=CSIP_AUS)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERSettings(SubscribableResource):
    """Settings of a DER, which may be below its ratings.

    Enter-service: delays and ramp time in hundredths of a second, frequencies in hundredths of Hz,
    voltages in hundredths of a percent; ``set_grad_w`` and ``set_soft_grad_w`` in hundredths of a
    percent of set_max_w a second, 0 is no limit.
    """

    modes_enabled: Annotated[DERControlType | None, element("modesEnabled")] = None
    modes_enabled2: Annotated[DERControlType2 | None, element("modesEnabled2", edition=2023)] = None
    set_es_delay: Annotated[UInt32 | None, element("setESDelay")] = None
    set_es_high_freq: Annotated[UInt16 | None, element("setESHighFreq")] = None
    set_es_high_volt: Annotated[Int16 | None, element("setESHighVolt")] = None
    set_es_low_freq: Annotated[UInt16 | None, element("setESLowFreq")] = None
    set_es_low_volt: Annotated[Int16 | None, element("setESLowVolt")] = None
    set_es_ramp_tms: Annotated[UInt32 | None, element("setESRampTms")] = None
    set_es_random_delay: Annotated[UInt32 | None, element("setESRandomDelay")] = None
    set_grad_w: Annotated[UInt16, element("setGradW")]
    set_max_a: Annotated[CurrentRMS | None, element("setMaxA")] = None
    set_max_ah: Annotated[AmpereHour | None, element("setMaxAh")] = None
    set_max_charge_rate_va: Annotated[ApparentPower | None, element("setMaxChargeRateVA")] = None
    set_max_charge_rate_w: Annotated[ActivePower | None, element("setMaxChargeRateW")] = None
    set_max_discharge_rate_va: Annotated[ApparentPower | None, element("setMaxDischargeRateVA")] = (
        None
    )
    set_max_discharge_rate_w: Annotated[ActivePower | None, element("setMaxDischargeRateW")] = None
    set_max_v: Annotated[VoltageRMS | None, element("setMaxV")] = None
    set_max_va: Annotated[ApparentPower | None, element("setMaxVA")] = None
    set_max_var: Annotated[ReactivePower | None, element("setMaxVar")] = None
    set_max_var_neg: Annotated[ReactivePower | None, element("setMaxVarNeg")] = None
    set_max_w: Annotated[ActivePower, element("setMaxW")]
    set_max_wh: Annotated[WattHour | None, element("setMaxWh")] = None
    set_min_pf_over_excited: Annotated[PowerFactor | None, element("setMinPFOverExcited")] = None
    set_min_pf_under_excited: Annotated[PowerFactor | None, element("setMinPFUnderExcited")] = None
    set_min_v: Annotated[VoltageRMS | None, element("setMinV")] = None
    set_soft_grad_w: Annotated[UInt16 | None, element("setSoftGradW")] = None
    set_v_nom: Annotated[VoltageRMS | None, element("setVNom")] = None
    set_v_ref: Annotated[VoltageRMS | None, element("setVRef")] = None
    set_v_ref_ofs: Annotated[VoltageRMS | None, element("setVRefOfs")] = None
    updated_time: Annotated[TimeType, element("updatedTime")]
    doe_modes_enabled: Annotated[
        HexBinary8 | None, element("doeModesEnabled", namespace=CSIP_AUS)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DERAvailability(SubscribableResource):
    """What a DER could still give: durations in s, shares in hundredths of a percent."""

    availability_duration: Annotated[UInt32 | None, element("availabilityDuration")] = None
    max_charge_duration: Annotated[UInt32 | None, element("maxChargeDuration")] = None
    reading_time: Annotated[TimeType, element("readingTime")]
    reserve_charge_percent: Annotated[PerCent | None, element("reserveChargePercent")] = None
    reserve_percent: Annotated[PerCent | None, element("reservePercent")] = None
    stat_var_absorb_avail: Annotated[
        UnsignedReactivePower | None, element("statVarAbsorbAvail", edition=2023)
    ] = None
    stat_var_avail: Annotated[ReactivePower | None, element("statVarAvail")] = None
    stat_w_absorb_avail: Annotated[
        UnsignedActivePower | None, element("statWAbsorbAvail", edition=2023)
    ] = None
    stat_w_avail: Annotated[ActivePower | None, element("statWAvail")] = None
