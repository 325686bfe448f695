"""Both engines, asked alike, must find the same of the same feeder."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from gateway.grid.dss_engine import DssEngine
from tests.unit.grid import settings

pytest.importorskip("py_dss_interface")


FEEDERS = ["ieee13_der", "ieee34", "ieee37", "ieee123", "ieee123_ties", "baran_wu_33"]
#: What either may leave open at the tolerance they solve to: pu, W, var.
WITHIN = {"voltages_pu": 1e-5, "head_p_w": 20.0, "head_q_var": 20.0, "losses_w": 20.0}


@pytest.mark.parametrize("feeder", FEEDERS)
def test_the_engines_agree_on_random_settings(feeder, tmp_path):
    master = settings.FEEDERS / f"{feeder}.dss"
    engine = DssEngine(master)
    asked = settings.draw(engine, 30, seed=7)
    question, answer = tmp_path / "question.json", tmp_path / "answer.json"
    question.write_text(json.dumps({"master": str(master), "settings": asked}))
    subprocess.run(
        [sys.executable, settings.__file__, str(question), str(answer)],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs = json.loads(answer.read_text())
    ours = settings.answers(engine, asked)
    assert len(theirs) == len(ours) == 30
    assert any(0.0 in one["voltages_pu"] for one in ours), "no setting left a bus dark"
    for one, other in zip(ours, theirs, strict=True):
        assert one["converged"] == other["converged"]
        if not one["converged"]:
            continue
        for what, within in WITHIN.items():
            assert np.array(one[what]) == pytest.approx(np.array(other[what]), rel=1e-5, abs=within)
        assert one["sources_w"] == pytest.approx(other["sources_w"], rel=1e-5, abs=20.0)
        assert one["loadings"] == pytest.approx(other["loadings"], rel=1e-4, abs=1e-4)
        for name, currents in one["currents_a"].items():
            assert currents == pytest.approx(other["currents_a"][name], rel=1e-4, abs=0.05)
