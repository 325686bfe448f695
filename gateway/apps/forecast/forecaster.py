"""Forecasting one source: the model that did best of late, or the source's own forecast.

Every model forecasts all the time at a few horizons, and each forecast is scored when its time has
come. A source that sends its own forecast knows its sun and its plans: it is believed unless it
was clearly worse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.apps.forecast.clear_sky import ClearSky
from gateway.apps.forecast.models import DayProfile, Model, Persistence
from gateway.apps.forecast.own import at
from gateway.apps.forecast.persistence import CONFIDENCE_PCT, History
from gateway.apps.forecast.scores import FEWEST, Claim, Key, ScoreBook, outcome
from gateway.apps.forecast.solar import Place
from gateway.groups.messages import Forecast, Quantity
from gateway.model.der import Range

#: Name under which the forecast that a source sends is scored.
OWN = "own"
#: A source's own forecast is clearly worse with an error so many times ours and so much of its
#: nameplate more, over so many samples.
CLEARLY_WORSE, CLEARLY_MORE, CLEARLY_SAMPLES = 1.2, 0.01, 40
#: What is noted of a band that no past error stands behind.
UNSEEN = "too few errors seen: all it can give"
#: Forecasts made for scoring within one horizon; those made more often say nothing new.
_PER_HORIZON = 4
_PENDING = 4 * _PER_HORIZON


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of a source.

    Attributes:
        time_ms: when, UTC ms.
        nominal: in the source's unit.
        band: where it will be with 80 % confidence; None where nothing is known of that.
        model: whose forecast it is.
        note: why not the source's own, where it sent one; or that its band is all it can give.
    """

    time_ms: int
    nominal: float
    band: Range | None
    model: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    due_ms: int
    claim: Claim


@dataclass(slots=True)
class _Horizon:
    """What is under way at one horizon."""

    made_ms: int | None = None
    pending: dict[str, deque[_Pending]] = field(default_factory=dict)


class Forecaster:
    """One source.

    Args:
        source: its name in the scores.
        quantity: what is forecast.
        spacing_s: time between samples.
        horizons_s: at which forecasts are scored, ascending.
        book: where scores are kept.
        place: of a source that may be PV; None where it is not, or not known where.
        sensor: of the irradiance measured for it; its own plane where None.

    Attributes:
        history: its samples; a gap where a limit hid what it could give.
        present: the newest measured value, whatever held it; None where that was not good.
    """

    def __init__(
        self,
        source: str,
        quantity: Quantity,
        spacing_s: float,
        horizons_s: Sequence[int],
        book: ScoreBook,
        place: Place | None = None,
        sensor: Place | None = None,
    ) -> None:
        self.source = source
        self.history = History(spacing_s)
        self.present: float | None = None
        self.own: Forecast | None = None
        self.bounds: Range | None = None
        self._quantity = quantity
        self._spacing_s = spacing_s
        self._book = book
        self._horizons = {horizon_s: _Horizon() for horizon_s in horizons_s}
        # the first that answers is taken until it has scores to be judged by
        self._sky = None if place is None else ClearSky(place, spacing_s, sensor)
        sky: list[Model] = [] if self._sky is None else [self._sky]
        self._models = [*sky, DayProfile(self.history), Persistence(self.history)]

    def observe(
        self,
        now_ms: int,
        value: float | None,
        bounds: Range | None,
        irradiance_w_per_m2: float | None = None,
        *,
        limited: bool = False,
    ) -> None:
        """Take the sample of now, score what has come true, and forecast anew for scoring.

        While irradiance says what a limited source could give, its power says nothing: forecasts
        then are of what it gives if it is let, and none is scored.

        Args:
            now_ms: UTC ms; called every ``spacing_s``.
            value: in the source's unit; None where nothing good was measured.
            bounds: what the source can give at all; None where that is not known.
            irradiance_w_per_m2: in the sensor's plane; None where nothing good was measured.
            limited: whether something but the sun holds the value.
        """
        self.present, self.bounds = value, bounds or self.bounds
        free = None if limited else value
        if lit := self._lit(now_ms, irradiance_w_per_m2, free):
            value = free
        self.history.add(value)
        for model in self._models:
            if model is not self._sky or not lit:
                model.observe(now_ms, value)
        for horizon_s, under_way in self._horizons.items():
            self._settle(now_ms, value, horizon_s, under_way)
            every_ms = 1000.0 * max(self._spacing_s, horizon_s / _PER_HORIZON)
            made_ms = under_way.made_ms
            if made_ms is None or not 0 <= now_ms - made_ms < every_ms:
                under_way.made_ms = now_ms
                self._make(now_ms, horizon_s, under_way)

    def predict(self, now_ms: int, ahead_s: float) -> Prediction | None:
        """The forecast for so many seconds ahead; None while nothing is known."""
        horizon_s = self._horizon_of(ahead_s)
        at_ms = now_ms + round(1000 * ahead_s)
        claims = dict(self._claims(now_ms, at_ms, horizon_s))
        if not claims:
            return None
        model, note = self._choose(list(claims), horizon_s)
        claim = claims[model]
        band = claim.band if horizon_s is not None else None
        if band is None and self.bounds is not None:
            band, note = self.bounds, note or UNSEEN
        return Prediction(at_ms, claim.value, band, model, note)

    def knows_more(self, now_ms: int, ahead_s: float) -> bool:
        """Whether anything but the present's going on can be said of then."""
        at_ms = now_ms + round(1000 * ahead_s)
        claims = self._claims(now_ms, at_ms, None)
        return any(model != Persistence.name for model, _ in claims)

    def least(self, now_ms: int, seconds: float) -> float | None:
        """The least that is expected between now and then, at the lower end of every band.

        None where nothing is known, or for some of it no band.
        """
        steps = [0.0, *(float(h) for h in self._horizons if h < seconds), seconds]
        ends = []
        for ahead_s in steps:
            found = self.predict(now_ms, max(ahead_s, self._spacing_s))
            if found is None or found.band is None:
                return None
            ends.append(found.band.minimum)
        return min(ends)

    def _lit(self, now_ms: int, irradiance_w_per_m2: float | None, free: float | None) -> bool:
        """Whether irradiance said how clear it is; what can absorb is no PV plant."""
        sky, bounds = self._sky, self.bounds
        if sky is None or irradiance_w_per_m2 is None or (bounds and bounds.minimum < 0.0):
            return False
        rating_w = 0.0 if bounds is None else bounds.maximum
        return sky.observe_sun(now_ms, irradiance_w_per_m2, free, rating_w)

    def _claims(
        self, now_ms: int, at_ms: int, horizon_s: int | None
    ) -> Iterator[tuple[str, Claim]]:
        told = None if self.own is None else at(self.own, self._quantity, at_ms)
        if told is not None:
            yield OWN, told
        for model in self._models:
            if model.name == ClearSky.name and self.bounds and self.bounds.minimum < 0.0:
                continue  # what can absorb is no PV plant
            guess = model.guess(now_ms, at_ms)
            if guess is None:
                continue
            bare = Claim(self._clip(guess.value), guess.scale, None, CONFIDENCE_PCT / 100.0)
            band = None
            if horizon_s is not None:
                band = self._book[self._key(model.name, horizon_s)].band(bare)
            if band is not None:
                band = Range(self._clip(band.minimum), self._clip(band.maximum))
            yield model.name, Claim(bare.value, bare.scale, band, bare.confidence)

    def _choose(self, models: Sequence[str], horizon_s: int | None) -> tuple[str, str]:
        """Whose forecast counts, and why not the source's own."""
        ours = [model for model in models if model != OWN]
        if horizon_s is None or not ours:
            return models[0], ""
        scored = {model: self._book[self._key(model, horizon_s)] for model in models}
        known = [model for model in ours if len(scored[model]) >= FEWEST]
        best = min(known, key=lambda model: scored[model].mae) if ours[0] in known else ours[0]
        if OWN not in scored:
            return best, ""
        own, other = scored[OWN], scored[best]
        samples = min(len(own), len(other))
        span = 0.0 if self.bounds is None else self.bounds.maximum - self.bounds.minimum
        endured = max(CLEARLY_WORSE * other.mae, other.mae + CLEARLY_MORE * span)
        if samples < CLEARLY_SAMPLES or own.mae <= endured:
            return OWN, ""
        note = f"its own was off by {own.mae:g}, ours by {other.mae:g}, over {samples} samples"
        return best, note

    def _settle(
        self, now_ms: int, value: float | None, horizon_s: int, under_way: _Horizon
    ) -> None:
        latest_ms = now_ms + 2000 * horizon_s
        for model, waiting in under_way.pending.items():
            kept: deque[_Pending] = deque(maxlen=_PENDING)
            for one in waiting:
                if one.due_ms > now_ms:
                    # a stamp far ahead is the clock's that stepped back: it would wait for ever
                    if one.due_ms <= latest_ms:
                        kept.append(one)
                elif value is not None and now_ms - one.due_ms < 1000 * self._spacing_s:
                    key = self._key(model, horizon_s)
                    self._book.add(key, outcome(one.claim, value, now_ms))
            under_way.pending[model] = kept

    def _make(self, now_ms: int, horizon_s: int, under_way: _Horizon) -> None:
        due_ms = now_ms + 1000 * horizon_s
        for model, claim in self._claims(now_ms, due_ms, horizon_s):
            waiting = under_way.pending.setdefault(model, deque(maxlen=_PENDING))
            waiting.append(_Pending(due_ms, claim))

    def _horizon_of(self, ahead_s: float) -> int | None:
        """The nearest scored horizon that is not shorter; None beyond the longest."""
        return next((h for h in self._horizons if h >= ahead_s), None)

    def _key(self, model: str, horizon_s: int) -> Key:
        return Key(self.source, self._quantity, model, horizon_s)

    def _clip(self, value: float) -> float:
        return value if self.bounds is None else self.bounds.clip(value)


def table(book: ScoreBook) -> Iterator[Mapping[str, object]]:
    """Every score, a row each, one after the other so that whoever asks may pause between."""
    for key in sorted(book.keys(), key=lambda one: (one.source, one.horizon_s, one.model)):
        figures = book[key].figures()
        yield {
            "source": key.source,
            "quantity": key.quantity.value,
            "model": key.model,
            "horizon_s": key.horizon_s,
            "samples": figures.samples,
            "mae": figures.mae,
            "bias": figures.bias,
            "coverage": figures.coverage,
            "pinball": figures.pinball,
        }
