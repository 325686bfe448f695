"""The DNP3 master: every outstation of a site, into the store and commanded from the router."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.links.dnp3.config import ChannelConfig
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.association import Association
from gateway.links.dnp3.southbound.channel import Channel
from gateway.links.dnp3.southbound.commands import CannotEncodeError, Control, encode
from gateway.links.dnp3.southbound.delivery import Delivery, Sink
from gateway.links.dnp3.southbound.device import Dnp3Device, OutputPoint, PolledPoint
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.statistics import ChannelState, DeviceState
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus

__all__ = ["Dnp3Device", "Dnp3Master", "OutputPoint", "PolledPoint"]


class Dnp3Master:
    """Polls outstations into a store and commands them.

    Args:
        channels: connections.
        devices: outstations behind them.
        store: where readings go.
        clock: both sides of time.
        rng: jitter for back-off.

    Attributes:
        states: what is known of each device, by name, live.
        channel_states: counts of each connection, by name, live.

    Raises:
        ValueError: a device refers to no channel, two share an address, a name or an output, or
            a point cannot be read or commanded.
        ConfigError: a certificate cannot be used.
    """

    def __init__(
        self,
        channels: Sequence[ChannelConfig],
        devices: Sequence[Dnp3Device],
        store: Sink,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self._outputs: dict[str, tuple[Association, Channel, OutputPoint]] = {}
        behind: dict[str, list[Association]] = {config.name: [] for config in channels}
        if len(behind) < len(channels):
            raise ValueError("two channels share a name")
        associations: dict[str, Association] = {}
        for device in devices:
            name, channel = device.config.name, device.config.channel
            if name in associations:
                raise ValueError(f"two devices are called {name!r}")
            if channel not in behind:
                raise ValueError(f"{name}: no channel is called {channel!r}")
            points = _delivery(device, store)
            associations[name] = Association(device.config, points, rng.random)
            behind[channel].append(associations[name])
        self._channels = {
            config.name: Channel(config, behind[config.name], clock, rng) for config in channels
        }
        for device in devices:
            self._add_outputs(device, associations[device.config.name])
        self.states: Mapping[str, DeviceState] = MappingProxyType(
            {name: association.state for name, association in associations.items()}
        )
        self.channel_states: Mapping[str, ChannelState] = MappingProxyType(
            {name: channel.state for name, channel in self._channels.items()}
        )

    @property
    def commandable(self) -> tuple[str, ...]:
        """Ids of the points :meth:`operate` knows."""
        return tuple(self._outputs)

    async def run(self) -> None:
        """Serve every channel until cancelled; each reconnects by itself."""
        async with asyncio.TaskGroup() as group:
            for channel in self._channels.values():
                group.create_task(channel.run())

    async def operate(self, command: Command) -> CommandResult:
        """Carry a command to its outstation: sent at most once, its end is a value."""
        known = self._outputs.get(command.point)
        if known is None:
            detail = f"{command.point} is no output of a DNP3 device"
            return CommandResult(command, CommandStatus.NOT_SUPPORTED, detail)
        association, channel, output = known
        try:
            body = encode(output, command.value)
        except CannotEncodeError as error:
            return CommandResult(command, error.status, str(error))
        end: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()

        def on_end(result: CommandResult) -> None:
            if not end.done():
                end.set_result(result)

        send_by_s = self._clock.monotonic_s() + association.config.control_wait_s
        send_by = Now(send_by_s, command.expires_ms)
        control = Control(output, command, body, send_by, on_end)
        channel.operate(association, control)
        try:
            return await end
        finally:
            control.abandoned = True

    def _add_outputs(self, device: Dnp3Device, association: Association) -> None:
        channel = self._channels[device.config.channel]
        for output in device.outputs:
            if output.point in self._outputs:
                raise ValueError(f"two outputs are called {output.point!r}")
            _check(output)
            self._outputs[output.point] = (association, channel, output)


def _delivery(device: Dnp3Device, store: Sink) -> Delivery:
    try:
        return Delivery(device.points, store)
    except ValueError as error:
        raise ValueError(f"{device.config.name}: {error}") from error


def _check(output: OutputPoint) -> None:
    """Refuse at once what could never be sent."""
    name = output.point
    if output.type not in (PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT):
        raise ValueError(f"{name}: a point of type {output.type} is no output")
    if not 0 <= output.index <= 0xFFFF or output.variation not in (1, 2, 3, 4):
        raise ValueError(f"{name}: index or variation is none")
    if not 1 <= output.count <= 0xFF or not (
        0 <= output.on_ms <= 0xFFFF_FFFF and 0 <= output.off_ms <= 0xFFFF_FFFF
    ):
        raise ValueError(f"{name}: pulse times or count cannot be sent")
    if output.scale == 0.0 or not math.isfinite(output.scale + output.offset):
        raise ValueError(f"{name}: scale or offset cannot be used")
