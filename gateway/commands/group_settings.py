"""``tieline group`` regulate, watt-curve, ramp, price: settings a group keeps by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.common import fail
from gateway.commands.group_ask import Caller, ask
from gateway.commands.group_options import SITE, As, End, For, Group, Site, Xml, pairs
from gateway.groups.messages import (
    PriceRequest,
    RampRateRequest,
    Validity,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
)


def ramp(  # noqa: PLR0913, PLR0917 - one an option
    group: Group,
    up: Annotated[float | None, typer.Option(min=0, help="kW a second at most, rising.")] = None,
    down: Annotated[float | None, typer.Option(min=0, help="kW a second, falling.")] = None,
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set how fast real power may change."""
    if (up is None and down is None) != end or 0.0 in (up, down):
        fail("say --up or --down in kW a second, more than 0, or --end")
    ask(
        Caller(site, name, xml),
        group,
        lambda address: RampRateRequest(
            address=address,
            up_w_per_s=None if up is None else 1e3 * up,
            down_w_per_s=None if down is None else 1e3 * down,
            validity=Validity(duration_s=seconds),
        ),
    )


def regulate(  # noqa: PLR0913, PLR0917 - one an option
    group: Group,
    percent: Annotated[float | None, typer.Argument(min=80, max=120, help="% of nominal.")] = None,
    deadband: Annotated[float, typer.Option(min=0, max=20, help="Whole width, %.")] = 1.0,
    droop: Annotated[float, typer.Option(min=0.1, max=40, help="% to all of Q.")] = 4.0,
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Hold a voltage at the point of reference."""
    if (percent is None) != end:
        fail("say either a voltage or --end")
    ask(
        Caller(site, name, xml),
        group,
        lambda address: VoltageRegulationRequest(
            address=address,
            voltage_pct=percent,
            deadband_pct=deadband,
            droop_pct=droop,
            validity=Validity(duration_s=seconds),
        ),
    )


def watt_curve(
    group: Group,
    points: Annotated[
        str, typer.Argument(help="voltage % or Hz : power % pairs, e.g. 106:100,110:0")
    ] = "",
    kind: Annotated[WattCurve, typer.Option(case_sensitive=False)] = WattCurve.VOLT_WATT,
    end: End = False,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Set a volt-Watt or frequency-Watt curve."""
    curve_points = () if end and not points else pairs(points, "voltage % or Hz:power %")
    ask(
        Caller(site, name, xml),
        group,
        lambda address: WattCurveRequest(address=address, kind=kind, points=curve_points),
    )


def price(  # noqa: PLR0913, PLR0917 - one an option
    group: Group,
    per_kwh: Annotated[float | None, typer.Argument(help="Price of a kWh.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    end: End = False,
    seconds: For = 0.0,
    site: Site = SITE,
    name: As = "dms",
    xml: Xml = False,
) -> None:
    """Tell the price of the grid's energy."""
    if (per_kwh is None) != end:
        fail("say either a price or --end")
    schedule = () if per_kwh is None else ((seconds, per_kwh),)
    ask(
        Caller(site, name, xml),
        group,
        lambda address: PriceRequest(address=address, currency=currency, schedule=schedule),
    )
