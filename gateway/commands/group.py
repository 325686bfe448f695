"""``tieline group …``: ask one group function of a running site, or judge a message in a file.

On the command line power is in kW and reactive power in kvar, signs as everywhere: generation
and injection positive. Exit code 1 means FAILED, not reached, or not valid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import group_settings
from gateway.commands.common import fail
from gateway.commands.group_ask import Caller, ask
from gateway.commands.group_options import SITE, As, End, For, Group, Site, Xml, pairs
from gateway.groups import schema
from gateway.groups.messages import (
    POWER_QUANTITIES,
    CapabilityRequest,
    ConnectRequest,
    CurveReference,
    CurveRequest,
    Direction,
    DispatchRequest,
    ForecastRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    StatusRequest,
    Timing,
    Validity,
)
from gateway.groups.summary import message_line
from gateway.groups.xml import decode
from gateway.groups.xml_faults import InvalidMessageError
from gateway.groups.xml_guard import MAX_BYTES, parse
from gateway.model.der import Excitation
from gateway.model.errors import ConfigIssue
from gateway.model.xml_places import Fault

app = typer.Typer(
    name="group",
    help="Ask one group function of a running site. kW and kvar; generation is positive.",
    no_args_is_help=True,
)

#: Lets -100 be a value rather than an option.
_SIGNED = {"ignore_unknown_options": True}


@app.command()
def status(
    group: Group,
    quantity: Annotated[
        list[Quantity] | None, typer.Option("-q", "--quantity", help="Repeat for several.")
    ] = None,
    refreshed: Annotated[bool, typer.Option("--refreshed", help="Read anew first.")] = False,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Present values, and what the group can do."""
    timing = Timing.REFRESHED if refreshed else Timing.LATEST
    asked = tuple(quantity or POWER_QUANTITIES)
    ask(
        Caller(site, name, xml),
        group,
        lambda address: StatusRequest(address=address, quantities=asked, timing=timing),
    )


@app.command()
def capability(group: Group, site: Site = SITE, name: As = "dms", xml: Xml = False) -> None:
    """What the group can do now, and by its nameplates."""
    ask(Caller(site, name, xml), group, lambda address: CapabilityRequest(address=address))


@app.command()
def forecast(
    group: Group,
    intervals: Annotated[int, typer.Option(min=1, max=288)] = 4,
    minutes: Annotated[float, typer.Option(min=1, max=1440, help="Of one interval.")] = 15.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Expected real power."""
    ask(
        Caller(site, name, xml),
        group,
        lambda address: ForecastRequest(
            address=address, intervals=intervals, interval_s=60.0 * minutes
        ),
    )


@app.command()
def limit(  # noqa: PLR0913, PLR0917 - one an option
    group: Group,
    kw: Annotated[float | None, typer.Argument(min=0, help="kW at most.")] = None,
    imports: Annotated[bool, typer.Option("--import", help="Limit import.")] = False,
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Limit real power."""
    limit_w = _si(kw, end=end)
    direction = Direction.IMPORT if imports else Direction.EXPORT
    ask(
        Caller(site, name, xml),
        group,
        lambda address: LimitRequest(
            address=address,
            limit_w=limit_w,
            direction=direction,
            validity=Validity(duration_s=seconds),
        ),
    )


@app.command("dispatch-p", context_settings=_SIGNED)
def dispatch_p(
    group: Group,
    kw: Annotated[float | None, typer.Argument(help="kW; negative charges.")] = None,
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set real power."""
    _dispatch(Caller(site, name, xml), group, Quantity.ACTIVE_POWER, _si(kw, end=end), seconds)


@app.command("dispatch-q", context_settings=_SIGNED)
def dispatch_q(
    group: Group,
    kvar: Annotated[float | None, typer.Argument(help="kvar; negative absorbs.")] = None,
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set reactive power."""
    _dispatch(Caller(site, name, xml), group, Quantity.REACTIVE_POWER, _si(kvar, end=end), seconds)


@app.command()
def curve(
    group: Group,
    points: Annotated[
        str, typer.Argument(help="voltage %:var % pairs, e.g. 95:44,98:0,102:0,105:-44")
    ] = "",
    reference: Annotated[CurveReference, typer.Option(help="What 100 % of var is.")] = (
        CurveReference.MAX_APPARENT_POWER
    ),
    end: End = False,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set a volt-VAR curve."""
    curve_points = () if end and not points else pairs(points, "voltage %:var %")
    ask(
        Caller(site, name, xml),
        group,
        lambda address: CurveRequest(address=address, points=curve_points, reference=reference),
    )


@app.command()
def pf(
    group: Group,
    magnitude: Annotated[float | None, typer.Argument(min=0, max=1)] = None,
    absorb: Annotated[bool, typer.Option("--absorb", help="Under-excited.")] = False,
    end: End = False,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set a constant power factor."""
    if (magnitude is None) != end:
        fail("say either a power factor or --end")
    excitation = Excitation.UNDER_EXCITED if absorb else Excitation.OVER_EXCITED
    ask(
        Caller(site, name, xml),
        group,
        lambda address: PowerFactorRequest(
            address=address, power_factor=magnitude, excitation=excitation
        ),
    )


app.command("watt-curve")(group_settings.watt_curve)
app.command()(group_settings.regulate)
app.command()(group_settings.ramp)
app.command()(group_settings.price)


@app.command()
def connect(group: Group, site: Site = SITE, name: As = "dms", xml: Xml = False) -> None:
    """Let the group's DERs connect."""
    ask(
        Caller(site, name, xml),
        group,
        lambda address: ConnectRequest(address=address, connect=True),
    )


@app.command()
def disconnect(group: Group, site: Site = SITE, name: As = "dms", xml: Xml = False) -> None:
    """Make the group's DERs cease to energise."""
    ask(
        Caller(site, name, xml),
        group,
        lambda address: ConnectRequest(address=address, connect=False),
    )


@app.command()
def island(
    group: Group,
    action: Annotated[IslandAction, typer.Option(case_sensitive=False)] = IslandAction.PLANNED,
    reason: str = "",
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Ask a microgrid to leave or rejoin the grid."""
    ask(
        Caller(site, name, xml),
        group,
        lambda address: IslandRequest(address=address, action=action, reason=reason),
    )


@app.command()
def validate(file: Path) -> None:
    """Judge a message in a file, by lxml and by xmlschema."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        fail(str(ConfigIssue(str(file), 0, 0, f"cannot be read: {error.strerror}", "check it")))
    try:
        root = parse(data)
        verdicts = {
            "xmlschema": schema.second_opinion(root, data),
            "lxml": schema.message_schema().faults(root, data),
        }
        for judge, faults in verdicts.items():
            typer.echo(f"{judge}: {'not valid' if faults else 'valid'}")
        if faults := verdicts["xmlschema"] or verdicts["lxml"]:
            _not_valid(file, faults)
        message = decode(data)
    except InvalidMessageError as error:
        _not_valid(file, error.faults)
    line = message_line(message)
    typer.echo(f"{type(message).__name__}: {line}")


def _not_valid(file: Path, faults: list[Fault] | tuple[Fault, ...]) -> None:
    remedy = "see schemas/groups/README.md"
    issues = [
        ConfigIssue(str(file), f.line, f.column, f"{f.path}: {f.reason}".lstrip(": "), remedy)
        for f in faults
    ]
    fail("\n".join(str(issue) for issue in issues))


def _dispatch(
    caller: Caller, group: str, quantity: Quantity, value: float | None, seconds: float
) -> None:
    schedule = () if value is None else ((seconds, value),)
    ask(
        caller,
        group,
        lambda address: DispatchRequest(address=address, quantity=quantity, schedule=schedule),
    )


def _si(kilo: float | None, *, end: bool) -> float | None:
    """Kilo-units as SI; None where the function is to end."""
    if (kilo is None) != end:
        fail("say either a value or --end")
    return None if kilo is None else 1e3 * kilo
