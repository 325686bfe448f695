"""Machines with moving parts: they take time to get where they are told to."""

from __future__ import annotations

from dataclasses import dataclass

TAP_LOW, TAP_HIGH = -16, 16


@dataclass(slots=True)
class TapChanger:
    """A regulator's tap changer: one position each ``step_s`` of simulated time.

    Attributes:
        position: present tap.
        target: tap asked for.
        operations: steps made since start.
    """

    position: int
    step_s: float
    target: int = 0
    operations: int = 0
    _waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.target = self.position

    def aim(self, target: int) -> None:
        """Ask for a tap; outside -16..16 the end stop is meant."""
        self.target = min(max(target, TAP_LOW), TAP_HIGH)

    def advance(self, elapsed_s: float) -> None:
        """Let time pass."""
        if self.position == self.target:
            self._waited_s = 0.0
            return
        self._waited_s += elapsed_s
        while self._waited_s >= self.step_s and self.position != self.target:
            self._waited_s -= self.step_s
            self.position += 1 if self.target > self.position else -1
            self.operations += 1


@dataclass(slots=True)
class Contact:
    """A switch: moves ``switch_s`` after it was told to.

    Attributes:
        closed: present position.
        target: position asked for.
        operations: movements made since start.
    """

    closed: bool
    switch_s: float
    target: bool = False
    operations: int = 0
    _waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.target = self.closed

    def aim(self, *, closed: bool) -> None:
        """Ask for a position."""
        self.target = closed

    def advance(self, elapsed_s: float) -> None:
        """Let time pass."""
        if self.closed == self.target:
            self._waited_s = 0.0
            return
        self._waited_s += elapsed_s
        if self._waited_s >= self.switch_s:
            self._waited_s = 0.0
            self.closed = self.target
            self.operations += 1
