"""Where a device's points lie: a model's definition laid over the registers it really has.

Pure. Source: the SunSpec Device Information Model Specification as far as public (edition not
verified) and pysunspec2's definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.links.sunspec.models import GroupDefinition, ModelDefinition, PointDefinition
from gateway.model.errors import RemoteProtocolError
from gateway.profiles.registers import SCALE_FACTOR_LIMIT, RegisterField, RegisterType

#: "SunS", the mark at the map's beginning, and where it may stand.
MARK = (0x5375, 0x6E53)
BASE_ADDRESSES = (40_000, 50_000, 0)
END_MODEL = 0xFFFF
#: More models or repetitions than any device has: a map that claims them is nonsense.
MAX_MODELS, MAX_REPEATS = 100, 1000


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """One entry of the model chain.

    Attributes:
        id: model id.
        address: register of the ID point.
        length: registers after ID and L.
    """

    id: int
    address: int
    length: int

    @property
    def words(self) -> int:
        """Registers with ID and L."""
        return self.length + 2


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point of a device.

    Attributes:
        path: name, in repeated groups with its 1-based number: ``Crv.2.Pt.1.V``.
        address: first register.
        scale_factor_at: register of its scale factor; None where it has none or a fixed one.
        exponent: its scale factor when the model was read; None where the device states none,
            and then nothing may be scaled by it.
    """

    path: str
    address: int
    definition: PointDefinition
    scale_factor_at: int | None
    exponent: int | None

    @property
    def scale(self) -> float | None:
        """Raw to engineering units; None where the scale factor is absent or nonsense."""
        return None if self.exponent is None else float(f"1e{self.exponent}")

    def field(self) -> RegisterField | None:
        """How to decode it, at its own address; None where it is no number."""
        if self.definition.type is None:
            return None
        fixed = self.scale_factor_at is None and self.exponent is not None
        return RegisterField(
            at=self.address,
            type=self.definition.type,
            scale=float(f"1e{self.exponent}") if fixed else 1.0,
            scale_factor_at=self.scale_factor_at,
            sunspec=True,
        )


def lay_out(
    definition: ModelDefinition, header: ModelHeader, words: Sequence[int]
) -> dict[str, PlacedPoint]:
    """Every point of a model by path.

    Args:
        definition: the model.
        header: where it stands.
        words: its registers, ID and L included.

    Raises:
        RemoteProtocolError: the registers end before the model does, or repeat without end.
    """
    if len(words) < header.words:
        raise RemoteProtocolError(f"model {header.id}: {len(words)} of {header.words} registers")
    walk = _Walk(header, words)
    points = {point.path: point for point in walk.group(definition.top, "", {})}
    return {path: point for path, point in points.items() if _inside(point, header)}


def _inside(point: PlacedPoint, header: ModelHeader) -> bool:
    """Older devices end a model early: what they leave out does not exist there."""
    return point.address + point.definition.words <= header.address + header.words


class _Walk:
    """Goes through a model's groups in order, reading counts and scale factors on the way."""

    def __init__(self, header: ModelHeader, words: Sequence[int]) -> None:
        self._header = header
        self._words = words
        self._at = 0

    def group(
        self, group: GroupDefinition, prefix: str, outer: Mapping[str, int]
    ) -> Iterator[PlacedPoint]:
        """Points of one repetition; ``outer`` has the registers of the groups around it."""
        here = dict(outer)
        starts: list[tuple[PointDefinition, int]] = []
        for point in group.points:
            here[point.name] = self._at
            starts.append((point, self._at))
            self._at += point.words
        for point, at in starts:
            yield self._place(point, at, prefix, here)
        for inner in group.groups:
            count = self._count(inner, here)
            for number in range(1, count + 1):
                name = inner.name if inner.count == 1 else f"{inner.name}.{number}"
                yield from self.group(inner, f"{prefix}{name}.", here)

    def _place(
        self, point: PointDefinition, at: int, prefix: str, here: Mapping[str, int]
    ) -> PlacedPoint:
        factor_at, exponent = None, 0
        if isinstance(point.scale_factor, int):
            exponent = point.scale_factor
        elif point.scale_factor is not None and point.scale_factor in here:
            factor_at = here[point.scale_factor]
            exponent = self._signed(factor_at)
        sane = abs(exponent) <= SCALE_FACTOR_LIMIT
        return PlacedPoint(
            path=f"{prefix}{point.name}",
            address=self._header.address + at,
            definition=point,
            scale_factor_at=None if factor_at is None else self._header.address + factor_at,
            exponent=exponent if sane else None,
        )

    def _count(self, group: GroupDefinition, here: Mapping[str, int]) -> int:
        if isinstance(group.count, int) and group.count:
            return group.count
        if isinstance(group.count, str):
            told = self._word(here[group.count]) if group.count in here else 0
            count = 0 if told == 0xFFFF else told
        else:
            size = _size(group)
            count = (self._header.words - self._at) // size if size else 0
        if count > MAX_REPEATS:
            raise RemoteProtocolError(f"model {self._header.id}: {group.name} {count} times")
        return count

    def _word(self, at: int) -> int:
        return int(self._words[at]) if at < len(self._words) else 0

    def _signed(self, at: int) -> int:
        word = self._word(at)
        return word - 0x10000 if word & 0x8000 else word


def _size(group: GroupDefinition) -> int:
    return sum(point.words for point in group.points) + sum(_size(g) for g in group.groups)


def is_scale_factor(point: PlacedPoint) -> bool:
    """Whether a point is itself a scale factor."""
    return point.definition.type is RegisterType.SUNSSF
