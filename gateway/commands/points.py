"""``tieline check | points | explain``: looking at a site without running it."""

from __future__ import annotations

import csv
import math
import sys
from typing import Annotated

import typer
from rich.table import Table

from gateway.commands.common import SiteArgument, console, fail, site_or_exit
from gateway.site.describe import describe_point, place, reads_of, where
from gateway.site.dnp3_map import release, unreleased
from gateway.site.site import Site, SitePoint


def check(folder: SiteArgument) -> None:
    """Check a site: every fault at once and exit 1, or what it amounts to."""
    site = site_or_exit(folder)
    out = console()
    table = Table(title=f"{site.file.name}: {site.file.title}", title_justify="left")
    for heading in ("device", "profile", "link", "address", "unit"):
        table.add_column(heading)
    for heading in ("points", "outputs", "act", "reads a cycle"):
        table.add_column(heading, justify="right")
    for device in site.devices.values():
        points = [point for point in site.points if point.device is device]
        outputs = [point for point in points if point.spec.kind.is_output]
        table.add_row(
            device.name,
            device.profile.name,
            device.row.link,
            device.link.address or place(device),
            "" if device.lfdi else str(device.unit),
            str(len(points)),
            str(len(outputs)),
            str(sum(point.spec.act for point in outputs)),
            str(reads_of(device)),
        )
    out.print(table)
    out.print(
        f"valid: {len(site.file.links)} links, {len(site.devices)} devices, "
        f"{len(site.points)} points, {len(site.file.groups)} groups, "
        f"{len(site.modbus_map) + len(site.dnp3_map)} points northbound"
    )
    outstation = site.file.dnp3_outstation
    if outstation is not None:
        new = unreleased(site.folder / outstation.lock, site.dnp3_map)
        if new:
            out.print(
                f"{len(new)} DNP3 indices may still move: tieline lock {folder} releases them"
            )


def lock(folder: SiteArgument) -> None:
    """Release the DNP3 map's indices: from then on they belong to their points for good."""
    site = site_or_exit(folder)
    outstation = site.file.dnp3_outstation
    if outstation is None:
        fail("the site has no [dnp3_outstation]. What to do: add it, with its map")
    path = site.folder / outstation.lock
    added = release(path, site.dnp3_map)
    console().print(f"{path}: {added} indices released, {len(site.dnp3_map)} in the map")


def points(
    folder: SiteArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, for a file.")] = False,
) -> None:
    """List every point of a site."""
    site = site_or_exit(folder)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_HEADINGS)
        writer.writerows(_cells(point) for point in site.points)
        return
    table = Table(*_HEADINGS)
    for point in site.points:
        table.add_row(*_cells(point))
    console().print(table)


def explain(
    folder: SiteArgument,
    point: Annotated[str, typer.Argument(help="Point id: device.point")],
) -> None:
    """Show the way of one point: device, register, type, scale, group, northbound."""
    site = site_or_exit(folder)
    found = site.by_id.get(point)
    if found is None:
        fail(f"there is no point {point!r}. What to do: {_nearest(site, point)}")
    table = Table(title=point, title_justify="left", show_header=False)
    for name, text in describe_point(site, found):
        table.add_row(name, text)
    console().print(table)


_HEADINGS = ("point", "kind", "unit", "min", "max", "where", "act", "max_age_s", "description")


def _cells(point: SitePoint) -> tuple[str, ...]:
    spec = point.spec
    bounds = ("" if math.isinf(x) else f"{x:g}" for x in (spec.minimum, spec.maximum))
    act = ("act" if spec.act else "advise") if spec.kind.is_output else ""
    age = f"{spec.max_age_s:g}"
    return (
        spec.id, spec.kind, spec.unit, *bounds, where(point), act, age, point.source.description
    )  # fmt: skip


def _nearest(site: Site, wanted: str) -> str:
    device, _, name = wanted.partition(".")
    if device not in site.devices:
        return f"name a device of this site first: {', '.join(site.devices)}"
    of_device = [p.source.point for p in site.points if p.device.name == device]
    alike = sorted(of_device, key=lambda known: -len(set(known) & set(name)))[:5]
    return f"tieline points {site.folder} lists them; near it: {', '.join(alike)}"
