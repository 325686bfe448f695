"""A site's 2030.5 tables: every fault is located, and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.site.load import load_site

LFDI = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5"
SITE = """\
name = "south"
[links.csip]
type = "sep2"
[groups.pv]
backend = "members"
members = ["pv"]
[sep2_server]
port = 11111
"""


AGGREGATOR = '[[sep2_server.aggregator]]\nname = "a"\nlfdi = "{lfdi}"\ndevices = ["{device}"]\n'


def site(folder: Path, toml: str = SITE, *rows: str) -> Path:
    (folder / "site.toml").write_text(toml)
    lines = rows or (f"pv,sep2_inverter,csip,{LFDI}",)
    (folder / "devices.csv").write_text("\n".join(("device,profile,link,address", *lines)) + "\n")
    return folder


def faults(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_site(folder)
    assert all(issue.remedy for issue in caught.value.issues)
    return str(caught.value)


def test_a_device_is_known_by_its_lfdi_however_it_is_written(tmp_path: Path) -> None:
    written = "3e4f-45ab-31ed-fe5b-67e3-43e5-e456-2e31-984e-23e5"
    loaded = load_site(site(tmp_path, SITE, f"pv,sep2_inverter,csip,{written}"))
    assert loaded.devices["pv"].lfdi == LFDI


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (("pv,sep2_inverter,csip,3E4F",), "40 hex digits"),
        (("pv,sep2_inverter,csip,",), "40 hex digits"),
        ((f"pv,sep2_inverter,csip,{LFDI}", f"p2,sep2_inverter,csip,{LFDI}"), "this LFDI stands"),
        (("pv,sunspec_inverter,csip,127.0.0.1:502",), "speaks sunspec, link 'csip' is sep2"),
    ],
)
def test_a_faulty_device_is_located(tmp_path: Path, rows: tuple[str, ...], fault: str) -> None:
    told = faults(site(tmp_path, SITE, *rows))
    assert fault in told
    assert "devices.csv:" in told


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (SITE.partition("[sep2_server]")[0], "there is no [sep2_server]"),
        (SITE + 'xsd = "nowhere.xsd"\n', "nowhere.xsd"),
        (SITE + "pin = 111114\n", "111114 is no PIN"),
        (
            SITE
            + f'[[sep2_server.aggregator]]\nname = "a"\nlfdi = "{"B" * 40}"\ndevices = ["x"]\n',
            "there is no 2030.5 device 'x'",
        ),
        (
            SITE + AGGREGATOR.format(lfdi=LFDI, device="pv"),
            "a has the LFDI of pv",
        ),
        (
            SITE + '[sep2_client]\nurl = "https://u/dcap"\n[[sep2_client.device]]\ngroup = "x"\n',
            "there is no group 'x'",
        ),
        (
            SITE + '[sep2_client]\nurl = "http://u/dcap"\n[[sep2_client.device]]\ngroup = "pv"\n',
            "url",
        ),
    ],
)
def test_a_faulty_table_is_located(tmp_path: Path, toml: str, fault: str) -> None:
    told = faults(site(tmp_path, toml))
    assert fault in told
    assert "site.toml:" in told


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("p,AI,W,Reading,watts", "no reading of 'watts'"),
        ("p,AI,W,DERStatus,rtgMaxW", "DERStatus has no 'rtgMaxW'"),
        ("p,AO,W,DERControl,opModFixedW.half", "no 'opModFixedW.half' to command"),
        ("p,AO,W,Reading,W", "outputs are DERControl's"),
    ],
)
def test_a_profile_uses_the_standards_names(tmp_path: Path, row: str, fault: str) -> None:
    shelf = tmp_path / "profiles"
    shelf.mkdir()
    (shelf / "odd.csv").write_text(f"point,kind,unit,resource,name\n{row}\n")
    (shelf / "odd.toml").write_text(
        'name = "odd"\ntitle = "odd"\nprotocol = "sep2"\nsource = "test"\n'
        "[poll.fast]\nperiod_s = 60.0\n"
    )
    toml = SITE.replace("[links.csip]", 'profiles = ["profiles"]\n[links.csip]')
    toml = toml.replace('[groups.pv]\nbackend = "members"\nmembers = ["pv"]\n', "")
    assert fault in faults(site(tmp_path, toml, f"pv,odd,csip,{LFDI}"))
