"""From a site's feeder bindings to situational awareness, in a worker process of its own."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.apps.awareness.config import AwarenessConfig
from gateway.site.config import DmsTable
from gateway.site.cycle import ControlCycle
from gateway.site.dms import bindings, check_elements
from gateway.site.site import Site
from gateway.site.worker import Step

if TYPE_CHECKING:
    from gateway.apps.awareness.step import AwarenessState

#: A first look at once would see a field that has not answered yet.
_FIRST_LOOK_S = 10.0


def awareness_config(site: Site, dms: DmsTable) -> AwarenessConfig:
    """Bindings and band of awareness at a site."""
    return AwarenessConfig(
        bindings=bindings(site),
        excluded_buses=dms.exclude_buses,
        voltage_min_pu=dms.vvo.voltage_min_pu,
        voltage_max_pu=dms.vvo.voltage_max_pu,
        headroom_per_cycle=dms.awareness.headroom_per_cycle,
    )


def awareness_factory(site: Site, dms: DmsTable, model: str) -> partial[Step]:
    """What the worker process calls to build awareness.

    Raises:
        ConfigError: the solver is not installed, or a binding names no element of the model.
    """
    master = site.folder / model
    check_elements(site, master, dms)
    config, most = awareness_config(site, dms), dms.awareness.headroom_buses
    return partial(build_awareness, config, master, dms.head, most)


def build_awareness(
    config: AwarenessConfig, master: Path, head: tuple[str, ...], most_buses: int
) -> Step:
    """Build the application; runs in the worker process, where the model then lives.

    Headroom is found where DERs are and where the feeder's arms end, up to ``most_buses``.
    """
    from gateway.apps.awareness.step import Awareness  # noqa: PLC0415 - only a DMS box has it
    from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415 - the same
    from gateway.grid.probes import probes  # noqa: PLC0415 - the same
    from gateway.grid.topology import ends  # noqa: PLC0415 - the same

    bare = DssEngine(master, head)
    network = bare.network
    chosen = dict.fromkeys((*network.ders.values(), *ends(network)))
    buses = [bus for bus in chosen if bus not in config.excluded_buses][:most_buses]
    names, commands = probes(bare.nodes, network.base_kv, buses)
    return Awareness(config, DssEngine(master, head, commands), network, names).step


def awareness_state() -> AwarenessState:
    """The first state of awareness."""
    from gateway.apps.awareness.step import AwarenessState  # noqa: PLC0415 - as above

    return AwarenessState()


async def run_awareness(cycle: ControlCycle[AwarenessState], period_s: float) -> None:
    """Look until cancelled, first once the field has had time to answer."""
    await asyncio.sleep(min(period_s, _FIRST_LOOK_S))
    await cycle.run()
