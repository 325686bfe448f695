"""What a site's tables make of its DERs and groups for volt-VAR optimisation."""

from __future__ import annotations

import pytest

from gateway.site.dms import bindings, vvo_config
from gateway.site.load import load_site

SITE = """\
name = "s1"
[links.lan]
type = "modbus-tcp"
[groups.mg]
backend = "plc"
device = "mg"
[groups.pv]
backend = "members"
members = ["pv1", "pv2"]
[dms]
"""
DEVICES = """\
device,profile,link,address,unit
mg,mc_plc,lan,127.0.0.1:502,54
pv1,sunspec_inverter,lan,127.0.0.1:503,1
pv2,sunspec_inverter,lan,127.0.0.1:504,1
"""
NETWORK = """\
role,element,source,command,curtail
group,der_mg,mg,,{mg}
group,der_pv,pv,,true
"""


def site(folder, acts: tuple[str, ...], mg: str = "true"):
    (folder / "site.toml").write_text(SITE)
    (folder / "devices.csv").write_text(DEVICES)
    rows = [f"{point},true" for point in acts]
    (folder / "points.csv").write_text("\n".join(["point,act", *rows]) + "\n")
    (folder / "maps").mkdir()
    (folder / "maps" / "network.csv").write_text(NETWORK.format(mg=mg))
    return load_site(folder)


LIMITS = ("mg.req_limit", "mg.req_limit_active")
OF_PV1 = ("pv1.p_limit_pct", "pv1.p_limit_ena")


@pytest.mark.parametrize(
    ("acts", "mg", "expected"),
    [
        (LIMITS, "true", [True, False]),
        (LIMITS, "false", [False, False]),
        (LIMITS[:1], "true", [False, False]),
        ((*LIMITS, *OF_PV1), "true", [True, False]),
        (OF_PV1 + tuple(p.replace("pv1", "pv2") for p in OF_PV1), "true", [False, True]),
    ],
)
def test_a_group_is_limited_where_its_row_and_every_member_let_it(tmp_path, acts, mg, expected):
    loaded = site(tmp_path, acts, mg)
    config = vvo_config(loaded, loaded.file.dms)
    assert [group.curtail for group in config.groups] == expected


def test_a_group_is_what_its_members_give_together(tmp_path):
    mg, pv = bindings(site(tmp_path, ())).injections
    assert (mg.power, mg.reactive_power) == (("mg.poi_p",), ("mg.poi_q",))
    assert (pv.power, pv.reactive_power) == (("pv1.p", "pv2.p"), ("pv1.q", "pv2.q"))
