"""Sharing a group's set point among its members, by capability and headroom."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.der import Range


def allocate(wanted: float, ranges: Mapping[str, Range]) -> dict[str, float]:
    """Give every member the same share of its own range, so that the sum is ``wanted``.

    Every member's headroom is used alike, and what the ranges together allow is met exactly;
    beyond it every member stands at its end.

    Args:
        wanted: sum asked for, W or var, or fractions for a limit.
        ranges: what each member can do now.
    """
    low = sum(own.minimum for own in ranges.values())
    high = sum(own.maximum for own in ranges.values())
    share = 0.0 if high <= low else min(max((wanted - low) / (high - low), 0.0), 1.0)
    return {name: own.minimum + share * (own.maximum - own.minimum) for name, own in ranges.items()}


def total(ranges: Mapping[str, Range]) -> Range:
    """What the members can do together."""
    low = sum(own.minimum for own in ranges.values())
    high = sum(own.maximum for own in ranges.values())
    return Range(low, high)
