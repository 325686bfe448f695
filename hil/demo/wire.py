"""Group functions in XML as another maker would write them: from the schema, not from the gateway.

Namespace, nouns and elements are those of ``schemas/groups``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

NAMESPACE = "urn:tieline:der-group-functions:1"
_NOUNS = {
    "status": "StatusQuery",
    "capability": "CapabilityQuery",
    "forecast": "ForecastQuery",
    "limit": "RealPowerLimit",
    "dispatch-p": "RealPowerDispatch",
    "dispatch-q": "ReactivePowerDispatch",
    "pf": "PowerFactor",
    "curve": "VoltVarCurve",
    "islanding": "Islanding",
    "end-p": "RealPowerDispatch",
    "end-q": "ReactivePowerDispatch",
}
_QUERIES = frozenset({"status", "capability", "forecast"})
#: Voltage and reactive power of the demo's volt-VAR curve, % of nominal and of the POI rating.
CURVE = ((96.0, 60.0), (99.0, 10.0), (101.0, 10.0), (104.0, -40.0))
_MULTIPLIERS = {"none": 1.0, "k": 1e3, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Ask:
    """One group function to ask.

    Attributes:
        function: a key of the functions above.
        value: W or var; a limit below 0 bounds import; a power factor is signed as its
            excitation. None for queries and the curve.
        hold_s: wall seconds until the set point ends by itself; 0 for as long as nobody else asks.
        action: of islanding.
    """

    function: str
    value: float | None = None
    hold_s: float = 0.0
    action: str = ""

    @property
    def text(self) -> str:
        """What is asked, in words."""
        held = f" for {self.hold_s:g} s" if self.hold_s else ""
        return self._what() + held

    def _what(self) -> str:
        kilo = abs(self.value or 0.0) / 1e3
        sign = "-" if (self.value or 0.0) < 0 else ""
        curve = " ".join(f"({v:g} %, {q:g} %)" for v, q in CURVE)
        texts = {
            "status": "P, Q, S, SoC, Connected; read anew",
            "capability": "now and nameplate",
            "forecast": "P, 4 intervals of 15 min",
            "limit": f"{'import' if sign else 'export'} {kilo:g} kW",
            "dispatch-p": f"{sign}{kilo:g} kW",
            "dispatch-q": f"{sign}{kilo:g} kvar",
            "islanding": self.action,
            "end-p": "end",
            "end-q": "end",
            "pf": f"{abs(self.value or 0.0):g} {self._excitation}",
        }
        return texts.get(self.function, curve)

    @property
    def _excitation(self) -> str:
        return "over-excited" if (self.value or 0.0) >= 0 else "under-excited"


def request(ask: Ask, group: str, message_id: str, now: datetime, *, source: str) -> bytes:
    """A request as a document.

    Args:
        ask: what.
        group: of whom.
        message_id: comes back as the reply's correlation id.
        now: UTC.
        source: the asking DMS's id.
    """
    noun = _NOUNS[ask.function]
    root = ET.Element("RequestMessage", xmlns=NAMESPACE)
    verb = "get" if ask.function in _QUERIES else "create"
    header = _put(root, "Header")
    for tag, text in (
        ("Verb", verb),
        ("Noun", noun),
        ("Timestamp", f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"),
        ("Source", source),
        ("MessageID", message_id),
    ):
        _put(header, tag, text)
    payload = _put(_put(root, "Payload"), noun)
    _put(payload, "DMSId", source)
    _put(payload, "GroupId", group)
    _fill(payload, ask)
    document: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document


def _fill(payload: ET.Element, ask: Ask) -> None:
    value = 0.0 if ask.value is None else ask.value
    match ask.function:
        case "status":
            _put(payload, "Timing", "REFRESHED")
            for quantity in ("P", "Q", "S", "SoC", "Connected"):
                _put(payload, "Quantity", quantity)
        case "forecast":
            _put(payload, "Quantity", "P")
            _put(payload, "IntervalSeconds", "900")
            _put(payload, "Intervals", "4")
        case "limit":
            _put(payload, "Direction", "EXPORT" if value >= 0 else "IMPORT")
            _put(payload, "Limit", _kilo(abs(value)), unit="W", multiplier="k")
            _validity(payload, ask)
        case "dispatch-p" | "dispatch-q":
            unit = "W" if ask.function == "dispatch-p" else "var"
            interval = _put(_put(payload, "Schedule", unit=unit, multiplier="k"), "Interval")
            if ask.hold_s:
                _put(interval, "DurationSeconds", f"{ask.hold_s:g}")
            _put(interval, "Value", _kilo(value))
        case "islanding":
            _put(payload, "Action", ask.action)
        case "end-p" | "end-q":
            _put(payload, "End")
        case _:
            _fill_function(payload, ask, value)


def _fill_function(payload: ET.Element, ask: Ask, value: float) -> None:
    match ask.function:
        case "pf":
            _put(payload, "Excitation", "over-excited" if value >= 0 else "under-excited")
            _put(payload, "Magnitude", f"{abs(value):g}")
            _validity(payload, ask)
        case "curve":
            _put(payload, "Reference", "MAX_S")
            curve = _put(payload, "Curve")
            for voltage_pct, reactive_pct in CURVE:
                point = _put(curve, "Point")
                _put(point, "VoltagePercent", f"{voltage_pct:g}")
                _put(point, "ReactivePowerPercent", f"{reactive_pct:g}")
            _validity(payload, ask)


def _validity(payload: ET.Element, ask: Ask) -> None:
    if ask.hold_s:
        _put(_put(payload, "Validity"), "DurationSeconds", f"{ask.hold_s:g}")


def _kilo(value: float) -> str:
    return f"{value / 1e3:.3f}".rstrip("0").rstrip(".")


def _put(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text or None
    return child


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, as far as the demo shows it."""

    correlation_id: str
    result: str
    text: str


def read_answer(data: bytes) -> Answer:
    """A reply's result and what it says.

    Args:
        data: from our own gateway on loopback; bounded by the client.

    Raises:
        ValueError: it is no reply.
    """
    try:
        root = ET.fromstring(data)  # noqa: S314 - our own gateway's answer, authenticated by TLS
    except ET.ParseError as error:
        raise ValueError(f"no XML: {error}") from error
    names = {"g": NAMESPACE}
    result = root.findtext("g:Reply/g:Result", "", names)
    if not result:
        raise ValueError("no ResponseMessage with a Result")
    report = root.find("g:Payload/g:GroupReport", names)
    parts = [] if report is None else [*_values(report), *_held(report), *_forecast(report)]
    reasons = [node.text or "" for node in root.iterfind("g:Reply/g:Error/g:Reason", names)]
    correlation = root.findtext("g:Header/g:CorrelationID", "", names)
    return Answer(correlation, result, "; ".join([*parts, *reasons]))


def _values(report: ET.Element) -> list[str]:
    """Present values; capabilities where the report is about those alone."""
    names = {"g": NAMESPACE}
    parts = []
    for node in report.iterfind("g:PresentValue", names):
        mark = "" if node.get("good") == "true" else " (not good)"
        parts.append(f"{node.get('quantity')} {_number(node.find('g:Value', names))}{mark}")
    if not parts:
        for node in report.iterfind("g:Capability", names):
            low, high = node.find("g:Now/g:Minimum", names), node.find("g:Now/g:Maximum", names)
            parts.append(f"{node.get('quantity')} {_number(low)} to {_number(high)}")
    return parts


def _held(report: ET.Element) -> list[str]:
    names = {"g": NAMESPACE}
    parts = []
    for node in report.iterfind("g:Held", names):
        value = node.find("g:HeldValue", names)
        said = "taken" if value is None else f"{_number(value)} held"
        parts.append(f"{node.get('quantity')} {said}")
    return parts


def _forecast(report: ET.Element) -> list[str]:
    names = {"g": NAMESPACE}
    nodes = list(report.iterfind("g:Forecast/g:Interval", names))
    values = [_scaled(float(n.get("nominal", "nan")), n) for n in nodes]
    return [f"{len(nodes)} intervals: {', '.join(values)}"] if nodes else []


def _number(node: ET.Element | None) -> str:
    if node is None or node.text is None:
        return "unknown"
    return _scaled(float(node.text), node)


def _scaled(value: float, node: ET.Element) -> str:
    """A value with its unit, powers in kilo."""
    unit = node.get("unit", "none")
    value *= _MULTIPLIERS[node.get("multiplier", "none")]
    if unit in ("W", "var", "VA"):
        return f"{value / 1e3:.1f} k{unit}"
    return f"{value:g}" + {"none": "", "pct": " %"}.get(unit, f" {unit}")
