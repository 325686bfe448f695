"""The running DMS looks ahead once it knows more than the present; forecasts of a whole site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.apps.forecast.forecaster import OWN
from gateway.groups.messages import (
    Forecast,
    ForecastInterval,
    ForecastRequest,
    Interpolation,
    Quantity,
    Result,
)
from gateway.groups.replies import failed, reply
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from gateway.points.arbiter import Arbiter
from gateway.points.interlock import Interlock
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.forecasts import LOAD, SiteForecasts
from gateway.site.groups import point_groups
from gateway.site.load import load_site
from gateway.site.outlook import Outlook

SITE = """\
name = "s1"
[links.lan]
type = "modbus-tcp"
[groups.mg]
backend = "plc"
device = "mg"
[dms]
[dms.forecast]
spacing_s = 3600
horizon_s = 28800
"""
DEVICES = """\
device,profile,link,address,unit
mg,mc_plc,lan,127.0.0.1:502,54
pv,sunspec_inverter,lan,127.0.0.1:503,1
"""
NETWORK = """\
role,element,source,command
head_p,1,mg.p_max,
der,der_pv,pv,
group,der_mg,mg,
"""


class Field:
    """A site whose points are set by hand, in virtual time."""

    def __init__(self, folder, clock) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "site.toml").write_text(SITE)
        (folder / "devices.csv").write_text(DEVICES)
        (folder / "maps").mkdir(exist_ok=True)
        (folder / "maps" / "network.csv").write_text(NETWORK)
        site = load_site(folder)
        site.data_folder.mkdir(exist_ok=True)
        self.clock = clock
        specs = [replace(point.spec, max_age_s=1e9) for point in site.points]
        self.store = PointStore(specs, clock)
        router = Router(self.store, Arbiter(), Interlock({}), {}, None, clock)
        self.groups = point_groups(site, self.store, router)
        self.asked: list[ForecastRequest] = []
        self.answer_w: float | None = None
        self.forecasts = SiteForecasts(
            site, site.file.dms, self.store, self.groups, self.ask, clock
        )
        self.outlook = Outlook(self.forecasts, 4, 3600.0)
        for point, value in (("p_max_rtg", 200e3), ("s_max_rtg", 200e3), ("q_inj_rtg", 1e5)):
            self.show(f"pv.{point}", value)
        self.show("pv.q", 0.0)
        self.show("pv.q_abs_rtg", 1e5)

    def show(self, point: str, value: float, quality: Quality = Quality.ONLINE) -> None:
        self.store.update(point, Measurement(value, quality, self.clock.utc_ms()))

    async def ask(self, request):
        self.asked.append(request)
        if self.answer_w is None:
            return failed(request.address, self.clock.utc_ms(), "nothing to say")
        intervals = tuple(
            ForecastInterval(
                start_ms=self.clock.utc_ms() + round(1000 * request.interval_s * number),
                quantity=Quantity.ACTIVE_POWER, nominal=self.answer_w,
                minimum=self.answer_w - 1e3, maximum=self.answer_w + 1e3,
            )
            for number in range(request.intervals)
        )  # fmt: skip
        forecast = Forecast(
            created_ms=self.clock.utc_ms(), confidence_pct=80.0, interval_s=request.interval_s,
            interpolation=Interpolation.STEP, intervals=intervals,
        )  # fmt: skip
        done = reply(request.address, self.clock.utc_ms(), Result.OK)
        return replace(done, forecast=forecast)

    def live(self, hours: int, lost: range = range(0)):
        """So many hours of a head that shows the hour's number, and a PV plant by day."""
        for hour in range(hours):
            quality = Quality.COMM_LOST if hour in lost else Quality.ONLINE
            self.show("mg.p_max", 900e3 + 10e3 * (hour % 24), quality)
            self.show("mg.poi_p", 50e3)
            self.show("mg.poi_q", 0.0)
            self.show("pv.p", 100e3 if 6 <= hour % 24 < 18 else 0.0, quality)
            for _ in self.forecasts.sample():
                pass
            horizon = self.outlook(self.store.freeze())
            self.clock.advance(3600.0)
        return horizon


@pytest.fixture
def field(tmp_path, clock):
    made = Field(tmp_path, clock)
    yield made
    made.forecasts.scores.close()


def test_before_a_day_has_been_seen_nothing_is_looked_ahead_to(field):
    assert field.live(24).steps == ()


def test_yesterdays_course_is_what_is_expected(field):
    horizon = field.live(24 + 5).steps  # it is four o'clock
    assert len(horizon) == 4
    assert [step.powers_w["der_pv"] for step in horizon] == [0.0, 100e3, 100e3, 100e3]
    # a load is what the head shows and what DERs and groups give beside it
    assert horizon[0].load == pytest.approx((950.0 + 50.0) / (940.0 + 50.0))
    assert horizon[1].load == pytest.approx((960.0 + 100.0 + 50.0) / (940.0 + 50.0))


def test_a_gap_yesterday_forecasts_nothing(field):
    assert field.live(24 + 5, lost=range(6, 8)).steps == ()


async def test_what_a_group_says_of_itself_is_what_counts(field):
    field.live(3)
    await field.forecasts.ask_groups()
    (request,) = field.asked
    assert (request.address.group_id, request.quantities) == ("mg", (Quantity.ACTIVE_POWER,))
    assert request.interval_s * request.intervals >= 28_800
    assert field.forecasts.predict("mg", field.clock.utc_ms(), 3600).model != OWN
    field.answer_w = 70e3
    await field.forecasts.ask_groups()
    found = field.forecasts.predict("mg", field.clock.utc_ms(), 3600)
    assert (found.model, found.nominal) == (OWN, 70e3)
    assert field.forecasts.least_w("der_mg", 7200.0) == 69e3


def test_of_what_is_not_bound_or_not_known_no_least_is_told(field):
    assert field.forecasts.least_w("der_pv", 3600.0) is None
    assert field.forecasts.least_w("no_such", 3600.0) is None
    field.live(2)
    assert field.forecasts.least_w("der_pv", 3600.0) == 0.0  # no scores yet: it may go


async def test_scores_outlive_the_process(field, tmp_path, clock):
    field.live(40)
    before = await field.forecasts.report()
    assert {row["source"] for row in before["scores"]} == {"pv.p", "mg", LOAD}
    assert before["forecasts"]["mg"][0]["nominal"] == pytest.approx(50e3)
    field.forecasts.scores.close()
    again = Field(tmp_path, clock)
    assert (await again.forecasts.report())["scores"] == before["scores"]
    again.forecasts.scores.close()
