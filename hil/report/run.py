"""A truth log as arrays: what really was, second by second."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

#: The band every node has to be in, pu.
BAND_LOW_PU, BAND_HIGH_PU = 0.95, 1.05


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the plant.

    Attributes:
        time_s: simulated seconds, shape (steps,).
        nodes: ``bus.phase`` in the columns' order.
        voltage_pu: shape (steps, nodes).
        taps, caps: positions by name, shape (steps,) each; a closed capacitor is 1.
        power_w, reactive_power_var: injection by DER, shape (steps,) each.
        loss_w: shape (steps,).
        head_w: power into the feeder at its head, shape (steps,).
    """

    time_s: Column
    nodes: tuple[str, ...]
    voltage_pu: Column
    taps: dict[str, Column]
    caps: dict[str, Column]
    power_w: dict[str, Column]
    reactive_power_var: dict[str, Column]
    loss_w: Column
    head_w: Column

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a truth log; a last line cut off by the plant's end is left out.

        Raises:
            ValueError: it holds no step.
            OSError: it cannot be read.
        """
        return cls.of(list(read_records(path)))

    @classmethod
    def of(cls, records: list[dict[str, Any]]) -> Self:
        """Put records side by side.

        Raises:
            ValueError: there is none.
        """
        if not records:
            raise ValueError("the truth log holds no step")
        nodes = tuple(records[0]["v_pu"])

        def column(group: str, name: str) -> Column:
            return np.array([float(record[group][name]) for record in records])

        def der(name: str, field: str) -> Column:
            return np.array([record["der"][name][field] for record in records])

        ders = tuple(records[0]["der"])
        return cls(
            time_s=np.array([record["time_s"] for record in records]),
            nodes=nodes,
            voltage_pu=np.array([[record["v_pu"][n] for n in nodes] for record in records]),
            taps={name: column("taps", name) for name in records[0]["taps"]},
            caps={name: column("caps", name) for name in records[0]["caps"]},
            power_w={name: der(name, "p_w") for name in ders},
            reactive_power_var={name: der(name, "q_var") for name in ders},
            loss_w=np.array([record["loss_w"] for record in records]),
            head_w=np.array([record["head"]["p_w"] for record in records]),
        )

    @property
    def nodes_out(self) -> NDArray[np.int64]:
        """How many nodes are outside the band, shape (steps,)."""
        counted: NDArray[np.int64] = outside(self.voltage_pu).sum(axis=1, dtype=np.int64)
        return counted

    def at(self, time_s: float) -> int:
        """Position of the last step not after a time."""
        return max(int(np.searchsorted(self.time_s, time_s + 1e-9, side="right")) - 1, 0)

    def until(self, time_s: float) -> Self:
        """The run up to a time."""
        steps = self.at(time_s) + 1

        def cut(columns: dict[str, Column]) -> dict[str, Column]:
            return {name: column[:steps] for name, column in columns.items()}

        return replace(
            self,
            time_s=self.time_s[:steps],
            voltage_pu=self.voltage_pu[:steps],
            taps=cut(self.taps),
            caps=cut(self.caps),
            power_w=cut(self.power_w),
            reactive_power_var=cut(self.reactive_power_var),
            loss_w=self.loss_w[:steps],
            head_w=self.head_w[:steps],
        )

    def window(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """Which steps lie in a window, shape (steps,)."""
        return (self.time_s >= start_s) & (self.time_s <= end_s)

    def voltages_at(self, position: int) -> dict[str, float]:
        """Voltage by node at one step, pu."""
        row = self.voltage_pu[position]
        return {node: float(row[number]) for number, node in enumerate(self.nodes)}


def outside(voltage_pu: Column) -> NDArray[np.bool_]:
    """Which voltages are outside the band."""
    return (voltage_pu < BAND_LOW_PU) | (voltage_pu > BAND_HIGH_PU)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The steps of a truth log as plain data; a line cut off is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        records.append(record)
    return records
