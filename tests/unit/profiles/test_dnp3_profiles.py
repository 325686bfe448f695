"""The DER profiles over DNP3: every point the functions need, at the application note's indices."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.profiles.load import load_profile

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT.parent / "shared" / "data" / "dnp3-an2018"

AN2018 = load_profile(ROOT / "devices", "dnp3_der_an2018")
IEEE_1815_2 = load_profile(ROOT / "devices", "dnp3_der_1815_2")
#: The points that DER group functions stand on, by kind.
NEEDED = {
    "BI": [*range(31, 52), *range(18, 26), 15, 16, 69, 70, 79, 80, 81],
    "AI": [
        *range(4, 16), *range(32, 38), *range(43, 47), 47, 48, 537, 541, 546, 545, 536, 547, 549,
        551, 148, 149, 154, 281, 288, 289, 297,
    ],
    "AO": [84, 87, 88, 93, 203, 210, 211, 217, *range(244, 257)],
    "BO": [2, 3, 5, 6, 10, 11, 17, 18, 27, 28, 29],
}  # fmt: skip


@pytest.mark.parametrize("profile", [AN2018, IEEE_1815_2], ids=lambda p: p.name)
@pytest.mark.parametrize("kind", NEEDED)
def test_every_point_the_functions_need_is_there(profile, kind):
    assert set(NEEDED[kind]) <= {p.index for p in profile.points if p.kind == kind}


@pytest.mark.parametrize("profile", [AN2018, IEEE_1815_2], ids=lambda p: p.name)
def test_the_edition_is_explicit(profile):
    assert profile.dnp3.edition


def test_the_editions_differ_in_the_active_power_limit_and_nowhere_else():
    def places(profile):
        return {p.point: (p.kind, p.index, p.scale) for p in profile.points}

    old, new = places(AN2018), places(IEEE_1815_2)
    moved = {name for name in old if old[name] != new[name]}
    assert moved == {"p_limit", "p_limit_charge", "p_limit_held", "p_limit_charge_held"}
    # AN2018: 87 charging, 88 generation; 1815.2: 87 the maximum, 88 the minimum (so negative)
    assert (old["p_limit_charge"][1], old["p_limit"][1]) == (87, 88)
    assert (new["p_limit"][1], new["p_limit_charge"][1]) == (87, 88)
    assert new["p_limit_charge"][2] == -0.1


def table(kind: str) -> dict[int, dict[str, str]]:
    with (TABLES / f"an2018_{kind}Points.csv").open() as file:
        return {int(row["index"]): row for row in csv.DictReader(file)}


if TABLES.is_dir():
    WORDS = {"AI": "mapped_ai", "BI": "mapped_bi"}

    @pytest.mark.parametrize("profile", [AN2018, IEEE_1815_2], ids=lambda p: p.name)
    def test_read_backs_are_those_of_the_application_notes_tables(profile):
        index_of = {point.point: point.index for point in profile.points}
        for kind, column in (("AO", "mapped_ai"), ("BO", "mapped_bi")):
            rows = table(kind)
            for point in profile.points:
                told = int(rows[point.index][column]) if point.kind == kind else 65535
                if told != 65535 and point.feedback is not None:
                    assert index_of[point.feedback] == told, point.point

    @pytest.mark.parametrize("kind", ["AI", "AO"])
    def test_limits_lie_within_the_application_notes(kind):
        rows = table(kind)
        for point in AN2018.points:
            if point.kind == kind and point.minimum is not None:
                low, high = float(rows[point.index]["min"]), float(rows[point.index]["max"])
                assert low <= (point.minimum - point.offset) / point.scale + 1e-9, point.point
                if point.maximum is not None and high > 0:
                    raw = (point.maximum - point.offset) / point.scale
                    assert raw <= high + 1e-9, point.point


TOML = """\
name = "x"
title = "x"
protocol = "dnp3"
source = "test"

[poll.fast]
period_s = 1.0
{classes}
"""
CSV = """\
point,kind,index,type,mode,feedback
a,AI,0,,,
b,AI,0,,,
c,AO,0,latch,,
d,BO,0,latch,,nothing
e,BI,0,,direct-operate,
"""


def test_faults_of_a_dnp3_profile_are_all_found_and_located(tmp_path):
    (tmp_path / "x.toml").write_text(TOML.format(classes=""))
    (tmp_path / "x.csv").write_text(CSV)
    with pytest.raises(ConfigError) as caught:
        load_profile(tmp_path, "x")
    found = [f"{Path(i.file).name}:{i.line}:{i.column} {i.message}" for i in caught.value.issues]
    assert found == [
        "x.csv:3:6 AI 0 is taken by line 2",
        "x.csv:4:8 AO has no type 'latch'",
        "x.csv:5:15 feedback names no point 'nothing'",
        "x.csv:6:9 BI takes no commands",
        "x.toml:6:2 [poll.fast] of a DNP3 profile names no classes",
    ]
