"""Runs GridAPPS-D's 2030.5 server (gridappsd-2030-5, Flask), which we did not write, headless.

Started by the tests with the Python of ``.venv-peers``; its own entry point wants a GridAPPS-D
platform, so its parts are put together here. Takes one argument: a JSON file with ``port``,
``folder`` (its certificate repository), ``device`` (name of a certificate there), ``start`` and
``duration`` of the one control. Prints what clients PUT and POST as a line of JSON each.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until killed."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    unused = types.ModuleType("flask_session")  # imported there, and never called
    unused.Session = object  # type: ignore[attr-defined]
    sys.modules[unused.__name__] = unused
    import flask
    from ieee_2030_5 import adapters, config, hrefs
    from ieee_2030_5 import models as m
    from ieee_2030_5.certs import TLSRepository
    from ieee_2030_5.flask_server import run_server
    from ieee_2030_5.server import server_constructs

    folder = Path(settings["folder"])
    host = f"127.0.0.1:{settings['port']}"
    cfg = config.ServerConfiguration(
        openssl_cnf=str(folder / "template.cnf"),
        tls_repository=str(folder),
        server="127.0.0.1",
        port=settings["port"],
        storage_path=str(folder / "data"),
        cleanse_storage=False,
        default_program={
            "description": "feeder",
            "primacy": 10,
            "DefaultDERControl": {"DERControlBase": {"opModMaxLimW": 9000}},
        },
        devices=[{"id": settings["device"], "pin": 111115, "fsas": ["fsa"], "ders": ["der"]}],
    )
    repository = TLSRepository(str(folder), str(folder / "template.cnf"), host)
    server_constructs.initialize_2030_5(cfg, repository)

    programs = adapters.ListAdapter.get_list(hrefs.DEFAULT_DERP_ROOT)
    program = programs[-1]
    control = m.DERControl(
        href=f"{program.href}_derc_0",
        mRID="0A" * 16,
        description="curtail",
        creationTime=settings["start"] - 5,
        EventStatus=m.EventStatus(
            currentStatus=0, dateTime=settings["start"] - 5, potentiallySuperseded=False
        ),
        interval=m.DateTimeInterval(start=settings["start"], duration=settings["duration"]),
        DERControlBase=m.DERControlBase(opModMaxLimW=4000),
    )
    adapters.ListAdapter.append(program.DERControlListLink.href, control)

    def told(response: flask.Response) -> flask.Response:
        request = flask.request
        if request.method in ("PUT", "POST"):
            line = [request.method, request.path, response.status_code, request.data.decode()]
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        return response

    build = flask.Flask.__init__

    def watched(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self.after_request(told)

    flask.Flask.__init__ = watched  # type: ignore[method-assign]
    run_server(cfg, repository, debug=False, use_reloader=False, threaded=False)


if __name__ == "__main__":
    main()
