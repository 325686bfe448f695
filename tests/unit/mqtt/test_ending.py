"""A link ends when it is told to, even where a library swallows the first cancellation."""

from __future__ import annotations

import asyncio

import pytest

from gateway.links.mqtt.client import _first_of


async def stubborn(swallowed: list[str]) -> None:
    """What a wait_for that meets its answer does on Python 3.11."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if swallowed:
                raise
            swallowed.append("once")


async def failing() -> None:
    raise ConnectionError("lost")


async def test_a_swallowed_cancellation_is_asked_again():
    swallowed: list[str] = []
    task = asyncio.ensure_future(_first_of([asyncio.ensure_future(stubborn(swallowed))]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert swallowed == ["once"]


async def test_the_first_failure_ends_the_others_and_goes_on():
    swallowed: list[str] = []
    other = asyncio.ensure_future(stubborn(swallowed))
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(_first_of([asyncio.ensure_future(failing()), other]), 5)
    assert other.cancelled()
