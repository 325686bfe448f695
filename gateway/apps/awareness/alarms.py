"""What of a report a person should know: one alarm a kind, however many nodes it is of."""

from __future__ import annotations

from gateway.apps.awareness.report import Report
from gateway.apps.decision import Alarm
from gateway.grid.known import Basis

_MOST_NAMED = 5


def alarms(report: Report) -> tuple[Alarm, ...]:
    """Raised or ended, for every kind."""
    return (
        Alarm("awareness", "the power flow does not converge", active=not report.converged),
        Alarm("awareness:voltage", _voltage(report), active=report.nodes_out > 0),
        Alarm("awareness:loading", _loading(report), active=report.overloads > 0),
        Alarm("awareness:supply", _supply(report), active=bool(report.unsupplied)),
        Alarm("awareness:unknown", _unknown(report), active=bool(report.rests_on.get("unknown"))),
        Alarm("awareness:meters", _meters(report), active=any(m.suspect for m in report.meters)),
    )


def _voltage(report: Report) -> str:
    if not report.violations:
        return ""
    worst = report.violations[0]
    return f"{report.nodes_out} nodes out of band, worst {worst.node} at {worst.voltage_pu:.4f} pu"


def _loading(report: Report) -> str:
    if not report.loadings:
        return ""
    worst = report.loadings[0]
    return f"{report.overloads} overloaded, worst {worst.branch} at {worst.loading_pct:.0f} %"


def _supply(report: Report) -> str:
    load_kw = sum(one.load_kw for one in report.unsupplied)
    zones = ", ".join(one.zone for one in report.unsupplied[:3])
    return f"{load_kw:.0f} kW without supply, at {zones}"


def _unknown(report: Report) -> str:
    names = [str(one) for one in report.not_measured if one.basis is Basis.UNKNOWN]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"not known now: {', '.join(names[:_MOST_NAMED])}{more}"


def _meters(report: Report) -> str:
    return f"doubtful meters: {', '.join(m.node for m in report.meters if m.suspect)}"
