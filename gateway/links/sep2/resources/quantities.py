"""Quantities as a number and a power of ten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    Boolean,
    DERUnitRefType,
    Int16,
    Int32,
    PerCent,
    PowerOfTenMultiplierType,
    SignedPerCent,
    UInt8,
    UInt16,
    UInt48,
    UomType,
)
from gateway.links.sep2.scaling import Displacement, SignedQuantity, UnsignedQuantity, displaced


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePower(SignedQuantity):
    """Watts; signed."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[Int16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePowerDelta(ActivePower):
    """A change in watts; whether it goes both ways."""

    bidirectional: Annotated[UInt8 | None, attribute("bidirectional")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivePower(SignedQuantity):
    """Vars; signed."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[Int16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivePowerDelta(ReactivePower):
    """A change in vars; whether it goes both ways."""

    bidirectional: Annotated[UInt8 | None, attribute("bidirectional")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApparentPower(UnsignedQuantity):
    """Volt-amperes."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRMS(UnsignedQuantity):
    """Amperes, RMS."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageRMS(UnsignedQuantity):
    """Volts, RMS."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmpereHour(UnsignedQuantity):
    """Ampere-hours."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WattHour(UnsignedQuantity):
    """Watt-hours."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealEnergy:
    """Watt-hours, of more digits."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt48, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactiveSusceptance(UnsignedQuantity):
    """Siemens."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedActivePower(UnsignedQuantity):
    """Watts, never negative."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedReactivePower(UnsignedQuantity):
    """Vars, never negative."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    value: Annotated[UInt16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """Degrees Celsius; what is measured is said by ``subject``."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    subject: Annotated[UInt8, element("subject")]
    value: Annotated[Int16, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFactor(Displacement):
    """A displacement power factor, without its sign."""

    displacement: Annotated[UInt16, element("displacement")]
    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]

    @classmethod
    def of(cls, power_factor: float) -> PowerFactor:
        """The nearest there is to a power factor.

        Raises:
            ValueError: it is not from 0 to 1.
        """
        displacement, multiplier = displaced(power_factor)
        return cls(displacement=displacement, multiplier=multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFactorWithExcitation(Displacement):
    """x."""

    displacement: Annotated[UInt16, element("displacement")]
    excitation: Annotated[Boolean, element("excitation")]
    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]

    @classmethod
    def of(cls, power_factor: float, *, excitation: bool) -> PowerFactorWithExcitation:
        """The nearest there is to a power factor.

        Raises:
            ValueError: it is not from 0 to 1.
        """
        displacement, multiplier = displaced(power_factor)
        return cls(displacement=displacement, excitation=excitation, multiplier=multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedVar:
    """Vars as hundredths of a percent of what ``ref_type`` says."""

    ref_type: Annotated[DERUnitRefType, element("refType")]
    value: Annotated[SignedPerCent, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedFixedVar:
    """Vars as hundredths of a percent of what ``ref_type`` says, never negative."""

    ref_type: Annotated[DERUnitRefType, element("refType")]
    value: Annotated[PerCent, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitValueType:
    """A value and its unit."""

    multiplier: Annotated[PowerOfTenMultiplierType, element("multiplier")]
    unit: Annotated[UomType, element("unit")]
    value: Annotated[Int32, element("value")]
