"""The leaf types of 2030.5: numbers, bit maps, strings, each with its limits and its text.

The limits are those of the standard's schema. Enumerations are plain numbers there, too: which
values mean something is the reader's to know.
"""

from __future__ import annotations

import re
from typing import Annotated

from gateway.links.sep2.elements import Leaf

_BLANKS = " \t\r\n"
_BLANK_RUN = re.compile(r"[ \t\r\n]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_HEX = re.compile(r"[0-9A-Fa-f]*")


def _integer(name: str, base: str, lowest: int, highest: int, *facets: tuple[str, int]) -> Leaf:
    def parse(text: str) -> int:
        if len(text) < 20 and text.isascii() and text.isdigit():
            return check(int(text))
        stripped = text.strip(_BLANKS)
        if not _INTEGER.fullmatch(stripped):
            raise ValueError("not a whole number")
        return check(int(stripped))

    def check(value: int) -> int:
        if not lowest <= value <= highest:
            raise ValueError(f"not from {lowest} to {highest}")
        return value

    return Leaf(name, base, facets, parse, lambda value: str(check(int(value))))


def _renamed(name: str, leaf: Leaf) -> Leaf:
    return Leaf(name, leaf, (), leaf.parse, leaf.format)


def _bits(name: str, octets: int, *, full_width: bool = False) -> Leaf:
    """Hexadecimal digits as a number: leading zeros do not count, clients leave them out."""
    digits = 2 * octets

    def parse(text: str) -> int:
        return int(_hex_digits(text, digits) or "0", 16)

    def form(value: int) -> str:
        if not 0 <= value < 1 << (4 * digits):
            raise ValueError(f"not from 0 to {digits} hexadecimal digits")
        return f"{value:0{digits}X}" if full_width else _even(f"{value:X}")

    return Leaf(name, "xs:hexBinary", (("maxLength", octets),), parse, form)


def _hex_digits(text: str, digits: int) -> str:
    stripped = text.strip(_BLANKS)
    if not _HEX.fullmatch(stripped) or len(stripped) % 2:
        raise ValueError("not an even number of hexadecimal digits")
    if len(stripped) > digits:
        raise ValueError(f"more than {digits} hexadecimal digits")
    return stripped


def _even(digits: str) -> str:
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def _string(name: str, longest: int) -> Leaf:
    def check(text: str) -> str:
        if len(text) > longest:
            raise ValueError(f"longer than {longest} characters")
        return text

    return Leaf(name, "xs:string", (("maxLength", longest),), check, check)


def _parse_boolean(text: str) -> bool:
    match text.strip(_BLANKS):
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise ValueError("neither true nor false")


def _collapse(text: str) -> str:
    return " ".join(_BLANK_RUN.split(text.strip(_BLANKS)))


def _parse_lfdi(text: str) -> str:
    return _hex_digits(text, 40).upper().zfill(40)


_U8 = _integer("UInt8", "xs:unsignedByte", 0, 2**8 - 1)
_U16 = _integer("UInt16", "xs:unsignedShort", 0, 2**16 - 1)
_U32 = _integer("UInt32", "xs:unsignedInt", 0, 2**32 - 1)
# The standard's schema caps its 40-bit type at 48 bits; a verdict of ours must equal its own.
_U40 = _integer("UInt40", "xs:unsignedLong", 0, 2**48 - 1, ("maxInclusive", 2**48 - 1))
_U48 = _integer("UInt48", "xs:unsignedLong", 0, 2**48 - 1, ("maxInclusive", 2**48 - 1))
_I8 = _integer("Int8", "xs:byte", -(2**7), 2**7 - 1)
_I16 = _integer("Int16", "xs:short", -(2**15), 2**15 - 1)
_I32 = _integer("Int32", "xs:int", -(2**31), 2**31 - 1)
# Its own limits, too, are as the standard's schema has them: 2 ** 47 is not one less.
_I48 = _integer(
    "Int48",
    "xs:long",
    -(2**47),
    2**47,
    ("minInclusive", -(2**47)),
    ("maxInclusive", 2**47),
)
_I64 = _integer("Int64", "xs:long", -(2**63), 2**63 - 1)

_H16 = _bits("HexBinary16", 2)
_H32 = _bits("HexBinary32", 4)

UInt8 = Annotated[int, _U8]
UInt16 = Annotated[int, _U16]
UInt32 = Annotated[int, _U32]
UInt48 = Annotated[int, _U48]
Int16 = Annotated[int, _I16]
Int32 = Annotated[int, _I32]
Int48 = Annotated[int, _I48]
HexBinary8 = Annotated[int, _bits("HexBinary8", 1)]
HexBinary16 = Annotated[int, _H16]
HexBinary32 = Annotated[int, _H32]
HexBinary64 = Annotated[int, _bits("HexBinary64", 8)]
String6 = Annotated[str, _string("String6", 6)]
String16 = Annotated[str, _string("String16", 16)]
String32 = Annotated[str, _string("String32", 32)]
String192 = Annotated[str, _string("String192", 192)]
Boolean = Annotated[
    bool,
    Leaf("xs:boolean", "", (), _parse_boolean, lambda value: "true" if value else "false"),
]
#: A URI reference; its syntax is the schema's to judge, not the codec's.
AnyURI = Annotated[str, Leaf("xs:anyURI", "", (), _collapse, _collapse)]
#: An LFDI: 40 upper-case hexadecimal digits.
LFDI = Annotated[
    str, Leaf("HexBinary160", "xs:hexBinary", (("maxLength", 20),), _parse_lfdi, _parse_lfdi)
]

#: Seconds since 1970-01-01 UTC.
TimeType = Annotated[int, _renamed("TimeType", _I64)]
#: Seconds.
TimeOffsetType = Annotated[int, _renamed("TimeOffsetType", _I32)]
#: Seconds; the standard means -3600 to 3600, its schema takes any Int16.
OneHourRangeType = Annotated[int, _renamed("OneHourRangeType", _I16)]
#: Hundredths of a percent.
PerCent = Annotated[int, _renamed("PerCent", _U16)]
#: Hundredths of a percent.
SignedPerCent = Annotated[int, _renamed("SignedPerCent", _I16)]
#: Exponent of ten.
PowerOfTenMultiplierType = Annotated[int, _renamed("PowerOfTenMultiplierType", _I8)]
#: Compared as a number: peers shorten it.
MRIDType = Annotated[int, _renamed("mRIDType", _bits("HexBinary128", 16, full_width=True))]
VersionType = Annotated[int, _renamed("VersionType", _U16)]
SFDIType = Annotated[int, _renamed("SFDIType", _U40)]
PINType = Annotated[int, _renamed("PINType", _U32)]
PENType = Annotated[int, _renamed("PENType", _U32)]
#: Lower wins.
PrimacyType = Annotated[int, _renamed("PrimacyType", _U8)]
RoleFlagsType = Annotated[int, _renamed("RoleFlagsType", _H16)]
DeviceCategoryType = Annotated[int, _renamed("DeviceCategoryType", _H32)]
DERControlType = Annotated[int, _renamed("DERControlType", _H32)]
DERControlType2 = Annotated[int, _renamed("DERControlType2", _H32)]
DefaultDERControlType = Annotated[int, _renamed("DefaultDERControlType", _H32)]
AccumulationBehaviourType = Annotated[int, _renamed("AccumulationBehaviourType", _U8)]
AggregationDistributionType = Annotated[int, _renamed("AggregationDistributionType", _U8)]
CommodityType = Annotated[int, _renamed("CommodityType", _U8)]
ConsumptionBlockType = Annotated[int, _renamed("ConsumptionBlockType", _U8)]
DataQualifierType = Annotated[int, _renamed("DataQualifierType", _U8)]
DERCurveType = Annotated[int, _renamed("DERCurveType", _U8)]
DERType = Annotated[int, _renamed("DERType", _U8)]
DERUnitRefType = Annotated[int, _renamed("DERUnitRefType", _U8)]
FlowDirectionType = Annotated[int, _renamed("FlowDirectionType", _U8)]
KindType = Annotated[int, _renamed("KindType", _U8)]
PhaseCode = Annotated[int, _renamed("PhaseCode", _U8)]
PowerSourceType = Annotated[int, _renamed("PowerSourceType", _U8)]
ServiceKind = Annotated[int, _renamed("ServiceKind", _U8)]
TOUType = Annotated[int, _renamed("TOUType", _U8)]
UomType = Annotated[int, _renamed("UomType", _U8)]
