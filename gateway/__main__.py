"""The command line: ``tieline`` or ``python -m gateway``."""

from __future__ import annotations

import typer

from gateway.commands import (
    audit,
    cert,
    demo,
    flisr,
    forecast,
    group,
    outstation,
    points,
    run,
    sep2,
    summary,
    vvo,
    vvo_day,
    vvo_table,
)

app = typer.Typer(
    name="tieline",
    help="Standards-based SCADA gateway: point maps, group functions, DMS logic.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run.run)
app.command(context_settings=demo.PASS_THROUGH, add_help_option=False)(demo.demo)
app.command(context_settings=demo.PASS_THROUGH, add_help_option=False)(demo.bench)
app.command()(points.check)
app.command()(points.points)
app.command()(points.explain)
app.command()(points.lock)
app.command()(audit.audit)
app.command()(outstation.outstation)
app.command()(summary.summary)
app.command()(forecast.forecast)
app.command()(vvo.vvo)
app.command()(flisr.flisr)
app.command("vvo-day")(vvo_day.vvo_day)
app.command("vvo-table")(vvo_table.vvo_table)
app.add_typer(group.app, name="group")
app.add_typer(cert.app, name="cert")
app.add_typer(sep2.app, name="sep2")


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
