"""Masters as utilities write them: folders, shapes, centre taps, protection, dialects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gateway.grid.dss_engine import DssEngine
from gateway.grid.topology import energised, is_radial, load_va, path
from tests.unit.grid import settings

FILES = {
    "Master.dss": """\
Clear
set defaultbasefrequency=60
// a source by position and by name
New object=circuit.village basekv=69, pu=1.03, phases=3 bus1=grid
~ mvasc3=20000
more mvasc1=21000
Redirect shapes/Curves.dss
redirect "network/Codes.dss"
Redirect network/lines.dss
REDIRECT network/Transformers.dss
Redirect loads/Loads.dss
Redirect protection.dss
Set voltagebases="69,12.47,0.48,0.208"
Calcv
Buscoords geo/Coords.csv
Solve mode=snapshot
Open line.tie term=1
""",
    "shapes/Curves.dss": """\
New Loadshape.home npts=3 interval=1 mult=(0.4, 0.6 0.8)
New loadshape.shop npts=2 interval=12 csvfile=shop.csv
""",
    "shapes/shop.csv": "0.5\n0.9\n",
    "network/Codes.dss": """\
new linecode.main nphases=3 r1=0.3 x1=0.6 r0=0.7 x0=1.9 c1=0 c0=0 units=mi normamps=390
New linecode.side nphases=1, r1=0.7 x1=0.8 r0=0.7 x0=0.8 c1=0 c0=0 units=mi ! no rating
! a triplex service: two hot legs
New Linecode.triplex nphases=2 units=kft
~ rmatrix=[.4 | .08 .4] xmatrix=(.28 | .22 .28) cmatrix={0 | 0 0}
New XfmrCode.CT25 phases=1 windings=3 kvs=[7.2 0.12 0.12] kvas=[25 25 25] xhl=2.04 xht=2.04 xlt=1.36
~ %Rs=[0.6 1.2 1.2] %noloadloss=.2
""",
    "network/lines.dss": """\
New Line.Trunk-1 bus1=sub.1.2.3 bus2=n1.1.2.3 linecode=main length=1.2 units=mi
New "Line.trunk-2" Bus1=n1 Bus2=n2 Linecode=main Length=3000 Units=ft
New Line.trunk-3 bus1=n2, bus2=n3, linecode=main, length=(2500 5280 /), units=mi
New Line.arm n2.2 a1.2 side 0.4 1 units=mi
New Line.fused phases=1 bus1=a1.2 bus2=a2.2 switch=y
New Line.tie bus1=n3 bus2=n1 linecode=main length=0.1 units=mi
New Line.spare bus1=n3 bus2=gone linecode=main length=1 units=mi enabled=no
New line.svc phases=2 bus1=h1.1.2 bus2=h2.1.2 linecode=triplex length=80 units=ft
New Reactor.limiter phases=3 bus1=n3 bus2=n4 r=0.01 x=0.2
New Capacitor.bank bus1=n3 kvar=300 kv=12.47 phases=3
""",
    "network/Transformers.dss": """\
New Transformer.main phases=3 windings=2 buses=(grid, sub) conns=(delta, wye)
~ kvs=(69, 12.47) kvas=(10000, 10000) xhl=8 %loadloss=0.6
New Transformer.home xfmrcode=CT25 buses=[a2.2 h1.1.0 h1.0.2]
New Transformer.shop phases=3 windings=2
~ wdg=1 bus=n4 conn=delta kv=12.47 kva=300
~ wdg=2 bus=shop conn=wye kv=0.48 kva=300 tap=1.0125
~ xhl=4 %r=0.8
New Regcontrol.main transformer=main winding=2 vreg=122 band=2 ptratio=60
""",
    "loads/Loads.dss": """\
/* a block
of remarks */
New Load.legs   phases=1 bus1=h2.1.2 kv=0.208 kw=6 pf=0.95 daily=home
New Load.leg    phases=1 bus1=h1.2.0 kv=0.12 kW=1.5 kvar=.4
New Load.shop   phases=3 bus1=shop kv=0.48 kw=(90 2 *) kvar=60 conn=wye yearly=shop
New Load.meterd phases=1 bus1=n1.3 kv=7.2 pf=0.9 xfkva=50 allocationfactor=0.5
New Load.away   phases=1 bus1=n1.1 kv=7.2 kw=99 enabled=no
New PVSystem.roof phases=3 bus1=n4 kv=12.47 kva=100 pmpp=90 irradiance=0.5
""",
    "protection.dss": """\
New TCC_Curve.k npts=2 c_array=[2 10] t_array=[1 .1]
New Fuse.arm monitoredobj=line.arm fusecurve=k ratedcurrent=40
New Relay.head monitoredobj=line.trunk-1 monitoredterm=1 type=current phasecurve=k phasetrip=800
New Recloser.mid monitoredobj=Line.trunk-2 monitoredterm=1 phasefast=k phasedelayed=k
New EnergyMeter.head element=line.trunk-1 terminal=1 peakcurrent=[100 110 100]
New Monitor.head element=Line.Trunk-1 terminal=1 mode=1
""",
    "geo/Coords.csv": "sub, 0, 0\nn1, 1, 0\nn2 2 0\n",
}


@pytest.fixture(scope="module")
def master(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("utility") / "a feeder, with spaces"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "Master.dss"


def test_a_master_of_many_files_is_one_network(master):
    before = Path.cwd()
    engine = DssEngine(master)
    assert Path.cwd() == before
    network = engine.network
    assert set(network.base_kv) == {
        "grid", "sub", "n1", "n2", "n3", "n4", "a1", "a2", "h1", "h2", "shop",
    }  # fmt: skip
    assert network.open_branches == {"line.tie"}
    assert is_radial(network, network.open_branches)
    assert energised(network, network.open_branches) == network.base_kv.keys()
    assert path(network, network.open_branches, "grid", "h2") == (
        "transformer.main", "line.trunk-1", "line.trunk-2", "line.arm", "line.fused",
        "transformer.home", "line.svc",
    )  # fmt: skip
    assert "line.spare" not in network.branches
    assert engine.regulators == ("main",)
    assert engine.taps["shop"] == 2
    assert network.branches["line.trunk-1"].rating_a == 390.0  # its line code's
    assert network.branches["line.arm"].rating_a == 0.0  # nobody gave one


def test_loads_are_what_the_file_says_however_it_says_it(master):
    network = DssEngine(master).network
    assert load_va(network, ["shop"]) == pytest.approx(180e3 + 60e3j)
    assert load_va(network, ["h1"]) == pytest.approx(1.5e3 + 0.4e3j)
    assert load_va(network, ["h2"]).real == pytest.approx(6e3)
    # transformer kVA times allocation factor at its power factor
    assert load_va(network, ["n1"]).real == pytest.approx(50e3 * 0.5 * 0.9)
    assert load_va(network, ["n1"]).imag == pytest.approx(50e3 * 0.5 * (1 - 0.81) ** 0.5)


def test_both_legs_behind_a_centre_tap_live_and_die_with_their_transformer(master):
    engine = DssEngine(master)
    volts = dict(zip(engine.nodes, engine.solve().voltages_pu.tolist(), strict=True))
    assert 0.9 < volts["h2.1"] < 1.1
    assert 0.9 < volts["h2.2"] < 1.1
    assert volts["h1.2"] < volts["h1.1"]  # one leg carries more
    engine.set_switch("line.fused", closed=False)
    dead = dict(zip(engine.nodes, engine.solve().voltages_pu.tolist(), strict=True))
    assert {node for node, volt in dead.items() if volt == 0.0} == {
        "a2.2", "h1.1", "h1.2", "h2.1", "h2.2",
    }  # fmt: skip
    engine.set_switch("line.fused", closed=True)
    back = dict(zip(engine.nodes, engine.solve().voltages_pu.tolist(), strict=True))
    assert back == pytest.approx(volts, abs=1e-6)


def test_its_loads_can_be_scaled_and_its_protection_never_acts_by_itself(master):
    engine = DssEngine(master)
    whole = engine.solve()
    assert whole.converged
    engine.scale_loads(np.full((3, 2), 0.5))
    half = engine.solve()
    pv_w = 45e3
    assert half.power_w - half.losses_w + pv_w == pytest.approx(
        0.5 * (whole.power_w - whole.losses_w + pv_w), rel=0.02
    )
    engine.scale_loads(np.full((3, 2), 8.0))  # far above every pickup
    assert engine.solve().losses_w > whole.losses_w
    assert engine.open_branches == {"line.tie"}


def test_the_other_engine_reads_the_same(master, tmp_path):
    pytest.importorskip("py_dss_interface")
    engine = DssEngine(master)
    asked = settings.draw(engine, 10, seed=3)
    for one in asked:
        one["fault"] = None
    question, answer = tmp_path / "question.json", tmp_path / "answer.json"
    question.write_text(json.dumps({"master": str(master), "settings": asked}))
    subprocess.run(
        [sys.executable, settings.__file__, str(question), str(answer)],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs, ours = json.loads(answer.read_text()), settings.answers(engine, asked)
    for one, other in zip(ours, theirs, strict=True):
        assert one["voltages_pu"] == pytest.approx(other["voltages_pu"], abs=1e-5)
        assert one["losses_w"] == pytest.approx(other["losses_w"], rel=1e-4, abs=20.0)
