"""What an answer holds, delivered in order; what cannot be read is asked for in another way."""

from __future__ import annotations

import math

from gateway.links.dnp3.codec import Block, Fragment, Iin, ObjectError, walk
from gateway.links.dnp3.objects import OBJECTS, OCTET_STRING_EVENT, Use
from gateway.links.dnp3.southbound.delivery import Delivery, newest_ms
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.statistics import DeviceState
from gateway.links.dnp3.values import CommonTime, common_time, decode

_COMMON_TIME = 51


class Intake:
    """Takes the fragments of one outstation.

    Args:
        points: where its points go.
        state: where it is counted.
    """

    def __init__(self, points: Delivery, state: DeviceState) -> None:
        self._points = points
        self._state = state

    def take(self, fragment: Fragment, now: Now) -> bool:
        """Deliver a fragment; False where it is to be left unconfirmed, to come again by group.

        What stands behind an object of unknown size cannot be found. Static values before it
        are good; events before it come again with those behind it, so none is delivered twice.
        """
        blocks, error = _walk(fragment.body)
        whole = error is None or self._state.by_group
        if error is not None:
            self._state.by_group = True
            self._count(error)
        if whole or not any(_is_event(block) for block in blocks):
            self._deliver(blocks, fragment, now)
        return whole

    def count_malformed(self, error: Exception) -> None:
        """Note what made no sense."""
        self._state.malformed += 1
        self._state.last_error = str(error)

    def _deliver(self, blocks: list[Block], fragment: Fragment, now: Now) -> None:
        base: CommonTime | None = None
        clock_set = not (fragment.iin or Iin.NONE) & Iin.NEED_TIME
        newest = -math.inf
        for block in blocks:
            if block.group == _COMMON_TIME:
                base = common_time(block)
                continue
            points = decode(block, base)
            if points is None:
                continue
            if points.kind.use is Use.EVENT:
                self._state.events += len(points.indices)
                newest = max(newest, newest_ms(points))
            self._points.deliver(points, now.utc_ms, clock_set=clock_set)
        if math.isfinite(newest):
            self._state.clock_offset_ms = now.utc_ms - int(newest)

    def _count(self, error: ObjectError) -> None:
        if error.iin is Iin.OBJECT_UNKNOWN:
            self._state.unknown_objects += 1
            self._state.last_error = str(error)
        else:
            self.count_malformed(error)


def _walk(body: bytes) -> tuple[list[Block], ObjectError | None]:
    """The blocks that can be read, and why no more."""
    blocks: list[Block] = []
    try:
        for block in walk(body, carries_objects=True):
            blocks.append(block)  # noqa: PERF402 - those before an error are wanted
    except ObjectError as error:
        return blocks, error
    return blocks, None


def _is_event(block: Block) -> bool:
    kind = OBJECTS.get((block.group, block.variation))
    return block.group == OCTET_STRING_EVENT or (kind is not None and kind.use is Use.EVENT)
