"""What every room of the client stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.links.sep2.client_config import Sep2ClientConfig
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.server_time import ServerTime
from gateway.links.sep2.northbound.statistics import ClientStatistics, EndDeviceState
from gateway.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Ground:
    """What every room stands on.

    Attributes:
        config: settings.
        clock: our time, which paces.
        time: the server's, in which events are.
        memory: what outlives a restart.
        statistics: what is counted.
        states: what is known of each device, by LFDI.
    """

    config: Sep2ClientConfig
    clock: Clock
    time: ServerTime
    memory: Memory
    statistics: ClientStatistics
    states: Mapping[str, EndDeviceState]


def back_off_s(config: Sep2ClientConfig, failures: int) -> float:
    """How long to wait after so many failures in a row, s."""
    return min(config.retry_max_s, config.retry_min_s * 2.0 ** min(max(failures - 1, 0), 30))
