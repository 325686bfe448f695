"""Numbers, units, times and texts on the wire. SI inside; multipliers exist out here only."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

from lxml import etree

from gateway.groups.messages import Quantity
from gateway.groups.schema import NAMESPACE
from gateway.model.errors import LocalProtocolError

#: Multiplier to its power of ten.
MULTIPLIERS = {"none": 0, "k": 3, "M": 6}
#: The unit that goes with each quantity; nothing else is taken.
UNITS = {
    Quantity.ACTIVE_POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
    Quantity.VOLTAGE: "V",
    Quantity.FREQUENCY: "Hz",
    Quantity.POWER_FACTOR: "none",
    Quantity.STATE_OF_CHARGE: "pct",
    Quantity.STATE: "none",
    Quantity.CONNECTED: "none",
}
#: Digits after the point, in the unit as written: finer than anything measured.
DECIMALS = 9
#: Longest text; a longer reason is cut and says so.
MAX_TEXT = 300

#: Magnitude a number may have as written.
_LARGEST = 10**9
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_END_MS = 64_060_588_800_000  # year 4000
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class WireError(ValueError):
    """A value that satisfies the schema and still makes no sense; says which element."""

    def __init__(self, element: etree._Element, reason: str) -> None:
        self.element = element
        self.reason = reason
        super().__init__(reason)


def tag(name: str) -> str:
    """The name of one of our elements as lxml knows it."""
    return f"{{{NAMESPACE}}}{name}"


def document(root: str) -> etree._Element:
    """The root of a new document, our namespace its default one."""
    return etree.fromstring(f'<{root} xmlns="{NAMESPACE}"/>')


def add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    """A child element at the end."""
    child = etree.SubElement(parent, tag(name))
    child.text = text
    return child


def child(element: etree._Element, name: str) -> etree._Element:
    """A child that the schema demands."""
    found = element.find(tag(name))
    if found is None:
        raise WireError(element, f"{name} is missing")
    return found


def text_of(element: etree._Element, name: str, default: str = "") -> str:
    """The text of a child, or ``default`` where there is no such child."""
    return element.findtext(tag(name), default).strip()


def multiplier_for(*values: float) -> str:
    """The smallest multiplier with which the largest of these numbers can be written.

    Raises:
        LocalProtocolError: there is none, or one of them is not finite.
    """
    if not all(math.isfinite(value) for value in values):
        raise LocalProtocolError(f"{values} cannot be written: not finite")
    largest = max(abs(value) for value in values)
    for name, exponent in MULTIPLIERS.items():
        if largest <= _LARGEST * 10**exponent:
            return name
    raise LocalProtocolError(f"{largest:g} cannot be written: too large")


def number_text(value: float, multiplier: str = "none") -> str:
    """A number as decimal digits, rounded to ``DECIMALS``.

    Raises:
        LocalProtocolError: not finite or too large.
    """
    if multiplier == "none":
        multiplier_for(value)
    scaled = round(Decimal(repr(float(value))).scaleb(-MULTIPLIERS[multiplier]), DECIMALS)
    digits = format(scaled, "f").rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def number(text: str, multiplier: str | None = None) -> float:
    """The number in SI; ``text`` is a decimal as the schema allows it."""
    return float(Decimal(text.strip()).scaleb(MULTIPLIERS[(multiplier or "none").strip()]))


def put_value(
    parent: etree._Element, name: str, quantity: Quantity, value: float
) -> etree._Element:
    """``<name unit= multiplier=>value</name>`` in the quantity's unit."""
    multiplier = multiplier_for(value)
    element = add(parent, name, number_text(value, multiplier))
    element.set("unit", UNITS[quantity])
    element.set("multiplier", multiplier)
    return element


def value_in(element: etree._Element | None, quantity: Quantity) -> float | None:
    """The SI value of an element with unit and multiplier; None where there is no element.

    Raises:
        WireError: the unit is not the quantity's.
    """
    if element is None:
        return None
    check_unit(element, quantity)
    return number(element.text or "", element.get("multiplier"))


def check_unit(element: etree._Element, quantity: Quantity) -> None:
    """Make sure that an element's unit is its quantity's.

    Raises:
        WireError: it is another.
    """
    unit = element.get("unit", "").strip()
    if unit != UNITS[quantity]:
        raise WireError(element, f"{quantity} is in {UNITS[quantity]}, not in {unit}")


def time_text(time_ms: int) -> str:
    """UTC milliseconds as ``2026-01-31T12:00:00.000Z``.

    Raises:
        LocalProtocolError: before 1970 or after 3999.
    """
    if not 0 <= time_ms < _END_MS:
        raise LocalProtocolError(f"{time_ms} ms is no time to be written")
    moment = _EPOCH + dt.timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_ms(text: str) -> int:
    """UTC milliseconds of a time; 0 where ``text`` is empty, which is how "now" is written."""
    if not text:
        return 0
    return (dt.datetime.fromisoformat(text.strip()) - _EPOCH) // dt.timedelta(milliseconds=1)


def put_time(element: etree._Element, name: str, moment_ms: int) -> None:
    """A time as a child; none where it is 0, which is "now"."""
    if moment_ms:
        add(element, name, time_text(moment_ms))


def clean(text: str) -> str:
    """Free text as XML can carry it: no control characters, not longer than ``MAX_TEXT``."""
    kept = _NOT_XML.sub("?", text)
    return kept if len(kept) <= MAX_TEXT else f"{kept[: MAX_TEXT - 3]}..."
