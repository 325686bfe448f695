"""A feeder with given controls on EPRI's engine; a process of its own, for what its import does.

Takes one JSON argument, writes one JSON line last to standard error.
"""

from __future__ import annotations

import json
import sys

import py_dss_interface

asked = json.loads(sys.argv[1])
dss = py_dss_interface.DSS()
for command in ("clear", f'compile "{asked["master"]}"', *asked["changes"]):
    dss.text(command)
for edit in asked["edits"]:
    dss.text(f"edit {edit}")
for command in ("set controlmode=off", "set maxiterations=100", "set tolerance=1e-8", "solve"):
    dss.text(command)
low, high = asked["band"]
names = [name.lower() for name in dss.circuit.nodes_names]
volts = dict(zip(names, dss.circuit.buses_vmag_pu, strict=True))
if asked["between"]:  # a feeder without ground: from each phase to the next
    parts = dss.circuit.buses_volts
    phasors = dict(zip(names, map(complex, parts[::2], parts[1::2]), strict=True))
    for name in names:
        bus, _, phase = name.partition(".")
        dss.circuit.set_active_bus(bus)
        other = phasors[f"{bus}.{int(phase) % 3 + 1}"]
        volts[name] = abs(phasors[name] - other) / (1e3 * 3.0**0.5 * dss.bus.kv_base)
volts = {n: volt for n, volt in volts.items() if n.partition(".")[0] not in asked["excluded"]}
found = {
    "power_kw": -dss.circuit.total_power[0],
    "losses_kw": dss.circuit.losses[0] / 1e3,
    "nodes_out": sum(not low <= volt <= high for volt in volts.values()),
}
print(json.dumps(found), file=sys.stderr)  # the engine itself writes to standard output
