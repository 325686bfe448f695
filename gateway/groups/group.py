"""What every group shows of itself, wherever its members are."""

from __future__ import annotations

from typing import Protocol

from gateway.groups.messages import Present, Quantity, QuantityRange


class Group(Protocol):
    """A group of DERs or a microgrid as the gateway sees it now."""

    @property
    def group_id(self) -> str:
        """Its id in messages."""

    @property
    def islanded(self) -> bool:
        """Whether it is a microgrid that is not connected."""

    def present(self, quantity: Quantity) -> Present:
        """Its present value of one quantity, and whether control logic may use it."""

    def ranges(self, quantity: Quantity) -> QuantityRange | None:
        """Capability now and nameplate of P, Q or S; None for other quantities, and unknown."""
