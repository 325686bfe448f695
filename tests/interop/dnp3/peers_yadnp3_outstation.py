"""opendnp3's outstation (yadnp3), in threads of its own."""

from __future__ import annotations

import opendnp3


class _YadnpCommands(opendnp3.ICommandHandler):
    def __init__(self, controls: list[tuple[str, int, float]], count: int) -> None:
        super().__init__()
        self._controls = controls
        self._count = count

    def Begin(self) -> None:  # noqa: N802 - theirs
        pass

    def End(self) -> None:  # noqa: N802
        pass

    def Select(self, command, index):  # noqa: N802
        return self._note("select", command, index)

    def Operate(self, command, index, handler, kind):  # noqa: N802
        direct = kind == opendnp3.OperateType.DirectOperate
        return self._note("direct_operate" if direct else "operate", command, index)

    def _note(self, function, command, index):
        if index >= self._count:
            return opendnp3.CommandStatus.NOT_SUPPORTED
        if isinstance(command, opendnp3.ControlRelayOutputBlock):
            code = int(command.opType) | int(command.tcc) << 6
            self._controls.append((function, index, float(code)))
        else:
            self._controls.append((function, index, float(command.value)))
        return opendnp3.CommandStatus.SUCCESS


class _YadnpApplication(opendnp3.IOutstationApplication):
    def __init__(self, times: list[int]) -> None:
        super().__init__()
        self._times = times
        self.needs_time = False

    def SupportsWriteAbsoluteTime(self) -> bool:  # noqa: N802
        return True

    def WriteAbsoluteTime(self, stamp) -> bool:  # noqa: N802
        self._times.append(stamp.msSinceEpoch)
        self.needs_time = False
        return True

    def GetApplicationIIN(self):  # noqa: N802
        iin = opendnp3.ApplicationIIN()
        iin.needTime = self.needs_time
        return iin


class _Quiet(opendnp3.IChannelListener):
    def OnStateChange(self, state) -> None:  # noqa: N802
        pass


class YadnpPeer:
    """An outstation of yadnp3 (opendnp3), in threads of its own."""

    name = "yadnp3"
    lacks = frozenset({"event time"})

    def __init__(self, count: int, port: int, address: int, tls: object | None) -> None:
        self.count, self.address, self.port = count, address, port
        self.controls: list[tuple[str, int, float]] = []
        self.times: list[int] = []
        # kept here: the library holds no reference of its own
        self._listener = _Quiet()
        self._commands = _YadnpCommands(self.controls, count)
        self.application = _YadnpApplication(self.times)
        self._manager = opendnp3.DNP3Manager(1)
        endpoint = opendnp3.IPEndpoint("127.0.0.1", port)
        mode, levels = opendnp3.ServerAcceptMode.CloseExisting, opendnp3.levels.NOTHING
        if tls is None:
            self._channel = self._manager.AddTCPServer(
                "peer", levels, mode, endpoint, self._listener
            )
        else:
            self._channel = self._manager.AddTLSServer(
                "peer", levels, mode, endpoint, tls, self._listener
            )
        config = opendnp3.OutstationStackConfig(opendnp3.DatabaseConfig(count))
        config.link.LocalAddr, config.link.RemoteAddr = address, 1
        config.outstation.eventBufferConfig = opendnp3.EventBufferConfig.AllTypes(1000)
        config.outstation.params.allowUnsolicited = True
        self._outstation = self._channel.AddOutstation(
            "peer", self._commands, self.application, config
        )
        updates = opendnp3.UpdateBuilder()
        suppress_events = opendnp3.EventMode.Suppress
        online = opendnp3.Flags(1)
        for index in range(count):
            updates.Update(opendnp3.Analog(float(index), online), index, suppress_events)
            updates.Update(opendnp3.Binary(index % 2 == 1, online), index, suppress_events)
        self._outstation.Apply(updates.Build())
        self._outstation.Enable()

    def _apply(self, measurement: object, index: int) -> None:
        updates = opendnp3.UpdateBuilder()
        updates.Update(measurement, index)
        self._outstation.Apply(updates.Build())

    def set_analog(self, index: int, value: float, time_ms: int) -> None:
        stamp = opendnp3.DNPTime(time_ms, opendnp3.TimestampQuality.SYNCHRONIZED)
        self._apply(opendnp3.Analog(value, opendnp3.Flags(1), stamp), index)

    def set_binary(self, index: int, value: bool, time_ms: int) -> None:
        stamp = opendnp3.DNPTime(time_ms, opendnp3.TimestampQuality.SYNCHRONIZED)
        self._apply(opendnp3.Binary(value, opendnp3.Flags(1), stamp), index)

    def restart(self) -> None:
        self._outstation.SetRestartIIN()

    def stop(self) -> None:
        self._manager.Shutdown()
