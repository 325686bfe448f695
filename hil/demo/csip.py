"""The demo's 2030.5 inverters: a SunSpec inverter each, behind py20305, which others wrote.

That is how such inverters come to a utility's server: a gateway box on site speaks IEEE 2030.5
upwards and Modbus to the inverter. Nothing of it is Tieline's code.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.demo.errors import DemoError
from hil.demo.process import ChildProcess

_HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[2]
#: SunSpec unit of the bench's inverters; ``DERType`` of a photovoltaic system.
_UNIT, _PHOTOVOLTAIC = 1, 4
_POST_S = 1
_CERT_S = 30.0


async def issue_certificates(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Have the gateway's own command make a certificate a device; LFDI by name.

    Raises:
        DemoError: it could not.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "cert", "device", str(folder), *names, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    try:
        said, trouble = await asyncio.wait_for(process.communicate(), _CERT_S)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise DemoError("no certificates in time") from error
    if process.returncode:
        raise DemoError(f"no certificates: {trouble.decode(errors='replace').strip()}")
    return {name: str(lfdi) for name, lfdi in json.loads(said).items()}


def csip_client(
    name: str, lfdi: str, folder: Path, ports: Mapping[str, int], log: Path
) -> ChildProcess:
    """The CSIP client of one inverter, not started.

    Args:
        name: the inverter.
        lfdi: of its certificate.
        folder: where certificates are; its settings are written there as well.
        ports: ``server`` of the 2030.5 server, ``notify`` for its notifications, ``device`` of the
            inverter's Modbus.
        log: where its log goes.
    """
    settings: dict[str, Any] = {
        "server": {"url": f"https://{_HOST}:{ports['server']}", "server_2018_compat": True},
        "tls": {
            "client_cert": str(folder / f"{name}.crt"),
            "client_key": str(folder / f"{name}.key"),
            "ca_cert": str(folder / "ca.crt"),
        },
        "devices": [
            {
                "type": "sunspec",
                "lfdi": lfdi,
                "host": _HOST,
                "port": ports["device"],
                "unit_id": _UNIT,
                "der_type": _PHOTOVOLTAIC,
            }
        ],
        # signed readings: an inverter's vars change direction
        "telemetry": {"post_rate_seconds": _POST_S, "power_direction": "net"},
        "subscription": {
            "enabled": True,
            "notification_host": _HOST,
            "notification_port": ports["notify"],
            "notification_external_host": _HOST,
        },
        "connection": {"initial_delay_seconds": 0.5, "max_delay_seconds": 2.0},
        "history": {"enabled": False},
        "advertise": {"transport": "off"},
        "discovery": {"enabled": False},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return ChildProcess(("-m", "py20305", "--config", str(path)), log)
