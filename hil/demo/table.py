"""The live table: what the DMS sees, what is true, what was asked and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.demo.setpoints import asked
from hil.report.record import Exchange, Northbound
from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU
from hil.scenario import Der, Scenario

_ONLINE_ONLY = 1  # IEEE 1815 flags: ONLINE and nothing else
_PHASES = {"1": "A", "2": "B", "3": "C"}
#: Lines that are always there; the rest of the screen is shared by the three lists.
_FIXED_LINES, _LEAST_ROWS = 29, 3
#: What a DER speaks where the scenario says nothing else.
_PROTOCOLS = {"pv": "SunSpec", "battery": "SunSpec", "microgrid": "Modbus"}
_RESULT_STYLE = {"OK": "green", "PARTIAL": "yellow", "FAILED": "bold red"}


@dataclass(frozen=True, slots=True)
class View:
    """Everything one drawing of the table shows.

    Attributes:
        scenario: names and ratings.
        voltages: node to the point that measures it.
        status: the gateway's latest.
        truth: the plant's latest step.
        without_out: nodes out now in the run without control.
        exchanges: the operator's requests so far.
        time_s: simulated now.
        end_s: simulated at the end.
        fault: why the status is old; empty when it is not.
        northbound: what the utility's master has seen; None where there is none.
    """

    scenario: Scenario
    voltages: Mapping[str, str]
    status: Mapping[str, Any]
    truth: Mapping[str, Any]
    without_out: int | None
    exchanges: Sequence[Exchange]
    time_s: float
    end_s: float
    fault: str = ""
    northbound: Northbound | None = None

    def value(self, point: str) -> float | None:
        """A point's value where it is good."""
        value, flags, _ = self.status.get("points", {}).get(point, (None, 0, 0))
        return value if flags == _ONLINE_ONLY else None


def draw(view: View, height: int = 40) -> RenderableType:
    """The whole table.

    Args:
        view: what to show.
        height: lines of the screen; 40 and 100 columns show everything.
    """
    spare = max(height - _FIXED_LINES, 3 * _LEAST_ROWS)
    requests, messages = (spare + 2) // 3, (spare + 1) // 3
    upper = Table.grid(expand=True, padding=(0, 1))
    upper.add_column(ratio=4)
    upper.add_column(ratio=5)
    upper.add_row(_voltages(view), Group(_equipment(view), _dms(view)))
    return Group(
        _head(view),
        upper,
        _ders(view),
        _requests(view, requests),
        _messages(view, messages),
        _commands(view, spare // 3),
    )


def _head(view: View) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=max(view.end_s, 1.0), completed=view.time_s)
    line.add_row(
        Text(f"Tieline  {view.scenario.title}", style="bold"),
        bar,
        f"{view.time_s:4.0f} / {view.end_s:.0f} s",
    )
    return line


def _voltages(view: View) -> Table:
    table = _table(f"Voltages, pu ({BAND_LOW_PU:.2f} to {BAND_HIGH_PU:.2f})")
    table.add_column("bus")
    buses: dict[str, dict[str, str]] = {}
    for node, point in view.voltages.items():
        bus, _, phase = node.partition(".")
        buses.setdefault(bus, {})[phase] = point
    for letter in _PHASES.values():
        table.add_column(letter, justify="right")
    for bus, points in buses.items():
        table.add_row(bus, *(_voltage(view, points.get(phase)) for phase in _PHASES))
    return table


def _voltage(view: View, point: str | None) -> Text:
    if point is None:
        return Text("")
    value = view.value(point)
    if value is None:
        return Text("lost", style="yellow")
    if value > BAND_HIGH_PU:
        return Text(f"{value:.4f} ▲", style="bold red")
    if value < BAND_LOW_PU:
        return Text(f"{value:.4f} ▼", style="bold magenta")
    return Text(f"{value:.4f}  ", style="green")


def _equipment(view: View) -> Table:
    table = _table("Taps and capacitors")
    names = [*(r.name for r in view.scenario.regulator), *(c.name for c in view.scenario.capacitor)]
    for name in names:
        table.add_column(name.upper() if len(name) == 1 else name, justify="right")
    taps = [
        _moving(view, f"reg_{r.name}.tap", f"reg_{r.name}.tap_cmd") for r in view.scenario.regulator
    ]
    caps = [_switch(view.value(f"{c.name}.closed")) for c in view.scenario.capacitor]
    table.add_row(*taps, *caps)
    return table


def _moving(view: View, shown: str, asked: str) -> str:
    position, target = view.value(shown), view.value(asked)
    if position is None:
        return "lost"
    if target is None or target == position:
        return f"{position:+.0f}"
    return f"{position:+.0f} → {target:+.0f}"


def _switch(closed: float | None) -> str:
    return "lost" if closed is None else "closed" if closed else "open"


def _dms(view: View) -> Panel:
    vvo = view.status.get("vvo") or {}
    notes = vvo.get("notes", {})
    out = sum(not BAND_LOW_PU <= v <= BAND_HIGH_PU for v in view.truth.get("v_pu", {}).values())
    lines = [
        Text.assemble(
            "nodes outside in truth: ",
            (f"{out}", "bold red" if out else "bold green"),
            "" if view.without_out is None else f"   without control: {view.without_out}",
        ),
        Text(
            f"DMS cycle {vvo.get('cycles', 0)}: {notes.get('v_min_pu', '-')} to "
            f"{notes.get('v_max_pu', '-')} pu, losses {notes.get('losses_kw', '-')} kW"
        ),
        Text(
            f"meters {notes.get('meters', 0):.0f}, solves {notes.get('solves', 0):.0f}, "
            f"late {vvo.get('late', 0)}"
            if isinstance(notes.get("meters", 0), float | int)
            else "-"
        ),
    ]
    if view.northbound is not None:
        lines.append(_above(view.northbound))
    trouble = [*vvo.get("alarms", ()), vvo.get("fault") or "", view.fault]
    lines += [Text(text, style="yellow", overflow="ellipsis") for text in trouble if text][:2]
    return Panel(Group(*lines), title="DMS", title_align="left", box=box.SIMPLE, padding=(0, 1))


def _above(seen: Northbound) -> Text:
    """The utility's master in one line."""
    if not seen.polls:
        return Text(f"utility, DNP3: {seen.fault or 'connecting'}", style="yellow")
    newest = f", lag {seen.lags_s[-1]:.1f} s" if seen.lags_s else ""
    text = f"utility, DNP3: {sum(seen.points.values())} points, "
    return Text(text + f"{seen.events} events{newest}", overflow="ellipsis", no_wrap=True)


def _ders(view: View) -> Table:
    table = _table("DERs (injection positive)")
    for name in ("DER", "over", "P, kW", "Q, kvar", "P asked", "Q asked", "limit", "state"):
        table.add_column(name, justify="left" if name in ("DER", "over", "state") else "right")
    for der in view.scenario.der:
        table.add_row(
            der.name,
            _protocol(view.scenario, der),
            *(_microgrid if der.kind == "microgrid" else _inverter)(view, der.name),
        )
    return table


def _protocol(scenario: Scenario, der: Der) -> str:
    if der.name in scenario.csip:
        return "2030.5"
    return "DNP3" if der.name in scenario.dnp3 else _PROTOCOLS[der.kind]


def _inverter(view: View, name: str) -> tuple[str, ...]:
    power, reactive = view.value(f"{name}.p"), view.value(f"{name}.q")
    state = "" if power is not None else "lost"
    return _kilo(power), _kilo(reactive), *_asked(view, name), "", state


def _microgrid(view: View, name: str) -> tuple[str, ...]:
    state = {1.0: "grid-connected", 2.0: "islanded"}.get(view.value(f"{name}.state") or 0.0, "")
    soc = view.value(f"{name}.soc")
    return (
        _kilo(view.value(f"{name}.poi_p")),
        _kilo(view.value(f"{name}.poi_q")),
        *_asked(view, name),
        _kilo(view.value(f"{name}.held_limit")) if view.value(f"{name}.held_limit_active") else "",
        "lost" if soc is None else f"{state}, SoC {soc:.0f} %",
    )


def _asked(view: View, name: str) -> tuple[str, str]:
    """P and Q set points in force."""
    power_w = asked(view.scenario, name, "p", view.value)
    reactive_power_var = asked(view.scenario, name, "q", view.value)
    return (
        "" if power_w is None else _kilo(power_w),
        "" if reactive_power_var is None else _kilo(reactive_power_var),
    )


def _kilo(value: float | None) -> str:
    return "lost" if value is None else f"{value / 1e3:.1f}"


def _requests(view: View, rows: int) -> Table:
    table = _table("The operator's side asks")
    _columns(table, {"at, s": 5, "request": 14, "asked": 0, "result": 7, "reply": 0})
    for exchange in list(view.exchanges)[-rows:]:
        table.add_row(
            f"{exchange.sent_s:.0f}",
            exchange.title,
            exchange.asked,
            Text(exchange.result, style=_RESULT_STYLE.get(exchange.result, "")),
            exchange.answer,
        )
    return table


def _messages(view: View, rows: int) -> Table:
    messages = view.status.get("messages", [])
    table = _table(f"Group messages ({len(messages)})")
    _columns(table, {"from": 9, "group": 7, "function": 11, "request -> reply": 0})
    for entry in messages[-rows:]:
        table.add_row(entry["peer"], entry["group_id"], entry["function"], entry["summary"])
    return table


def _commands(view: View, rows: int) -> Table:
    lost = view.status.get("comm_lost_points", 0)
    title = Text.assemble(
        f"Commands taken: {view.status.get('commands_sent', 0)}   ",
        (f"points lost: {lost}", "bold yellow" if lost else "green"),
    )
    table = _table(title)
    _columns(table, {"point": 22, "value": 10, "outcome": 18, "why": 0})
    results = (view.status.get("vvo") or {}).get("results", [])
    for point, value, outcome, detail in results[-rows:]:
        table.add_row(point, f"{value:g}", outcome, detail)
    return table


def _columns(table: Table, widths: dict[str, int]) -> None:
    """Columns that never wrap; a width of 0 shares what is left."""
    for name, width in widths.items():
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            width=width or None,
            ratio=None if width else 1,
        )


def _table(title: str | Text) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        expand=True,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
