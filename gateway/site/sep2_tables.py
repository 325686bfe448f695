"""The site's IEEE 2030.5 tables, as written by the engineer; unknown keys refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.links.sep2.identity import parse_lfdi, pin_is_valid
from gateway.profiles.validate import Strict
from gateway.site.names import Name, Port

Lfdi = Annotated[str, AfterValidator(parse_lfdi)]
Rate = Annotated[int, Field(ge=1, le=86_400)]
Percent = Annotated[float, Field(ge=0, le=100)]


def _pin(pin: int) -> int:
    if not pin_is_valid(pin):
        raise ValueError(f"{pin} is no PIN: five digits and their check digit, e.g. 111115")
    return pin


Pin = Annotated[int, AfterValidator(_pin)]


class Sep2AggregatorTable(Strict):
    """``[[sep2_server.aggregator]]``: a client that acts for several devices.

    ``lfdi`` is its own certificate's; ``devices`` are the site's that it may register and post
    for.
    """

    name: Name
    lfdi: Lfdi
    devices: tuple[Name, ...]


class Sep2DefaultTable(Strict):
    """``[sep2_server.default]``: what DERs do while no control is in force (DefaultDERControl).

    ``limit_pct`` is opModMaxLimW, ``ramp_pct_per_s`` setGradW; both of the DER's own setting.
    """

    limit_pct: Percent | None = None
    ramp_pct_per_s: Annotated[float, Field(gt=0, le=100)] | None = None


class Sep2ServerTable(Strict):
    """``[sep2_server]``: the IEEE 2030.5 server that the site's ``sep2`` devices come to.

    ``pki`` holds ``ca.crt``, ``server.crt`` and ``server.key`` (``tieline cert`` makes them).
    With ``registration = "in-band"`` a listed device posts its own EndDevice; else all are there
    from the start. ``poll_s`` is how often devices are to ask for programs and controls,
    ``post_s`` how often they are to post readings. ``notify_hosts`` are hosts, beside a client's
    own address, that it may have itself notified at. ``xsd`` names the genuine schema where the
    operator has it.
    """

    host: str = "127.0.0.1"
    port: Port = 11111
    pki: str = "sep2"
    pin: Pin = 111_115
    registration: Literal["closed", "in-band"] = "closed"
    poll_s: Rate = 300
    post_s: Rate = 300
    primacy: Annotated[int, Field(ge=0, le=255)] = 10
    default: Sep2DefaultTable = Sep2DefaultTable()
    aggregator: tuple[Sep2AggregatorTable, ...] = ()
    notify_hosts: tuple[str, ...] = ()
    pen: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 0
    retain_s: Annotated[float, Field(ge=0, le=31 * 86_400)] = 86_400.0
    xsd: str | None = None


class Sep2EndDeviceTable(Strict):
    """``[[sep2_client.device]]``: a group of the site as one of the utility's EndDevices.

    ``lfdi`` is its identity; without one it gets one made of site and group that stays the same.
    ``pin`` is what its Registration must say, ``category`` its deviceCategory.
    """

    group: Name
    lfdi: Lfdi | None = None
    pin: Pin | None = None
    category: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] | None = None


class Sep2ClientTable(Strict):
    """``[sep2_client]``: the utility's (or DERMS's) IEEE 2030.5 server, which commands groups here.

    ``url`` is its DeviceCapability; ``pki`` holds ``ca.crt`` (the server's roots), ``client.crt``
    and ``client.key``. ``registration`` says who makes the EndDevices: we (``in-band``) or the
    utility. With ``notify_port`` it is subscribed to, and reaches us at ``notify_host``. After
    ``comm_loss_s`` of silence known events still run to their end, then defaults hold.
    """

    name: Name = "utility"
    url: Annotated[str, Field(pattern=r"^https://[^/]+/.*$")]
    pki: str = "sep2-utility"
    check_hostname: bool = False
    server_lfdi: Lfdi | None = None
    registration: Literal["in-band", "out-of-band"] = "out-of-band"
    device: Annotated[tuple[Sep2EndDeviceTable, ...], Field(min_length=1)]
    notify_host: str = "127.0.0.1"
    notify_port: Port | None = None
    poll_min_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    comm_loss_s: Annotated[float, Field(ge=10, le=86_400)] = 3600.0
    run_known_events: bool = True
    pen: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 0
