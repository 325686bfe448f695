"""The site's own certificates: made once, never overwritten, never silently wrong."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.model.errors import ConfigError
from gateway.site.pki import ensure_pki, pki_paths

NAMES = ["dms", "operator"]


@pytest.fixture
def pki(tmp_path):
    return ensure_pki(tmp_path / "pki", "gateway.example", NAMES)


def certificate(pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def snapshot(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_first_start_makes_every_file_with_keys_for_the_owner_alone(pki, tmp_path):
    folder = tmp_path / "pki"
    stems = {"ca", "server", "client-dms", "client-operator"}
    assert {p.name for p in folder.iterdir()} == {f"{s}.{e}" for s in stems for e in ("crt", "key")}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.glob("*.key"))


def test_keys_are_p256_and_bear_no_password(pki):
    for pair in (pki.ca, pki.server, *pki.clients.values()):
        key = certificate(pair).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert b"ENCRYPTED" not in pair.key.read_bytes()


def test_the_server_answers_to_loopback_and_its_configured_host(pki):
    names = (
        certificate(pki.server)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "gateway.example"}
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    }


@pytest.mark.parametrize(("which", "purpose"), [("server", "sslserver"), ("dms", "sslclient")])
def test_openssl_verifies_each_for_its_purpose_only(pki, which, purpose):
    pair = pki.server if which == "server" else pki.clients[which]
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", str(pki.ca.certificate), "-purpose"]
    other = {"sslserver": "sslclient", "sslclient": "sslserver"}[purpose]
    good = subprocess.run(
        [*verify, purpose, str(pair.certificate)], capture_output=True, check=False
    )
    bad = subprocess.run([*verify, other, str(pair.certificate)], capture_output=True, check=False)
    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0


def test_a_client_certificate_bears_its_name(pki):
    assert certificate(pki.clients["dms"]).subject.rfc4514_string() == "CN=dms"


def test_a_second_start_changes_nothing(pki, tmp_path):
    before = snapshot(tmp_path / "pki")
    assert ensure_pki(tmp_path / "pki", "gateway.example", NAMES) == pki
    assert snapshot(tmp_path / "pki") == before


def test_a_new_client_is_added_and_the_rest_kept(pki, tmp_path):
    before = snapshot(tmp_path / "pki")
    ensure_pki(tmp_path / "pki", "gateway.example", [*NAMES, "backup"])
    after = snapshot(tmp_path / "pki")
    assert {name for name in after if name not in before} == {
        "client-backup.crt",
        "client-backup.key",
    }
    assert {name: after[name] for name in before} == before


def test_a_start_that_was_cut_short_is_completed(pki, tmp_path):
    key = pki.clients["dms"].key.read_bytes()
    pki.clients["dms"].certificate.unlink()
    ensure_pki(tmp_path / "pki", "gateway.example", NAMES)
    assert pki.clients["dms"].key.read_bytes() == key


def again(tmp_path, **more):
    return ensure_pki(tmp_path / "pki", more.pop("host", "gateway.example"), NAMES, **more)


def refused(tmp_path, **more) -> str:
    with pytest.raises(ConfigError) as error:
        again(tmp_path, **more)
    (issue,) = error.value.issues
    assert issue.file
    assert issue.remedy
    assert "PRIVATE KEY" not in str(error.value)
    return f"{issue.file}: {issue.message}. {issue.remedy}"


def test_an_expired_certificate_says_which_and_what_to_do(pki, tmp_path):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1000)
    told = refused(tmp_path, now=later)
    assert "server.crt: expired on" in told
    assert "remove server.crt and server.key" in told


def test_an_expired_authority_is_said_so(pki, tmp_path):
    told = refused(tmp_path, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=4000))
    assert "ca.crt: expired on" in told


def test_a_clock_before_the_certificate_is_said_so(pki, tmp_path):
    told = refused(tmp_path, now=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    assert "check the clock" in told


def test_a_key_of_another_certificate_is_refused(pki, tmp_path):
    pki.server.key.write_bytes(pki.clients["dms"].key.read_bytes())
    assert "does not belong to server.key" in refused(tmp_path)


def test_a_certificate_of_another_authority_is_refused(pki, tmp_path):
    other = ensure_pki(tmp_path / "other", "gateway.example", NAMES)
    for name in ("certificate", "key"):
        target = getattr(pki.clients["dms"], name)
        target.write_bytes(getattr(other.clients["dms"], name).read_bytes())
    assert "was not issued by ca.crt" in refused(tmp_path)


def test_a_server_certificate_for_another_host_is_refused(pki, tmp_path):
    assert "is not for the host 'elsewhere'" in refused(tmp_path, host="elsewhere")


def test_a_key_that_others_can_read_is_refused(pki, tmp_path):
    pki.server.key.chmod(0o640)
    assert "chmod 600" in refused(tmp_path)


@pytest.mark.parametrize("name", ["server.key", "server.crt", "ca.crt", "ca.key"])
def test_rubbish_in_a_file_is_refused_and_not_told_on(pki, tmp_path, name):
    (tmp_path / "pki" / name).write_text("-----BEGIN secret hunter2")
    told = refused(tmp_path)
    assert name in told
    assert "hunter2" not in told


def test_a_missing_key_is_said_so(pki, tmp_path):
    pki.server.key.unlink()
    assert "server.key: is not there" in refused(tmp_path)


def test_without_the_authoritys_key_what_exists_works_and_nothing_new_is_issued(pki, tmp_path):
    pki.ca.key.unlink()
    assert again(tmp_path) == pki
    pki.clients["dms"].certificate.unlink()
    assert "without ca.key none can be issued" in refused(tmp_path)


@pytest.mark.parametrize("name", ["../dms", "", "a/b", "-x", "x" * 65])
def test_a_client_name_cannot_lead_out_of_the_folder(tmp_path, name):
    with pytest.raises(ConfigError, match="client name"):
        pki_paths(tmp_path, [name])
