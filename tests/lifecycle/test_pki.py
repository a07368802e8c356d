"""Certificates: issued, kept, renewed and refused as they should be, and accepted by real clients."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from lifecycle import certificates, files
from lifecycle.certificates import Key, Pair
from lifecycle.pki import CertificateState, ensure_certificate, renewal_due
from planner.errors import DeployError, UsageError
from planner.layout import Layout
from planner.plan import TlsPlan
from tests.lifecycle.stack import layout_in
from tests.parts import require

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1", "llm.example.test", "::1")
OWN = TlsPlan(mode="own-authority", hostnames=NAMES, leaf_days=30)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_in(tmp_path)


def mode(path: str | Path) -> int:
    return Path(path).stat().st_mode & 0o777


def leaf_of(state: CertificateState) -> x509.Certificate:
    return certificates.certificates_of(Path(state.leaf_file).read_bytes())[0]


def snapshot(layout: Layout) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(layout.stack).rglob("*") if path.is_file()}


def named(changes: tuple[str, ...]) -> str:
    return "; ".join(changes)


# The stack's own authority


def test_first_call_makes_authority_and_leaf(layout: Layout) -> None:
    state = ensure_certificate(OWN, layout, NOW)
    assert "made a certificate authority" in named(state.changes)
    assert "issued a certificate: there was none" in named(state.changes)
    assert set(state.hostnames) == set(NAMES)
    assert state.not_before == NOW - timedelta(hours=1)
    assert state.not_after == NOW + timedelta(days=30)
    assert mode(state.key_file) == 0o600
    assert mode(Path(layout.secrets, "ca.key")) == 0o600
    assert mode(layout.secrets) == 0o700
    assert mode(layout.tls) == 0o700
    assert b"PRIVATE" not in Path(state.ca_file).read_bytes() + Path(state.leaf_file).read_bytes()


def test_second_call_changes_nothing(layout: Layout) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    before = snapshot(layout)
    second = ensure_certificate(OWN, layout, NOW + timedelta(days=10))
    assert second.changes == ()
    assert second.fingerprint == first.fingerprint
    assert snapshot(layout) == before


def test_leaf_is_what_servers_need_and_no_more(layout: Layout) -> None:
    leaf = leaf_of(ensure_certificate(OWN, layout, NOW))
    extensions = leaf.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert usage.digital_signature
    assert not usage.key_cert_sign
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize(("days", "renews"), [(0, False), (19, False), (21, True), (29, True), (31, True), (400, True)])
def test_renewal_when_a_third_is_left(layout: Layout, days: int, *, renews: bool) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    later = NOW + timedelta(days=days)
    assert renewal_due(first, later) is renews
    second = ensure_certificate(OWN, layout, later)
    assert (second.fingerprint != first.fingerprint) is renews
    assert second.ca_fingerprint == first.ca_fingerprint
    assert not renewal_due(second, later)


@given(
    days=st.integers(min_value=1, max_value=825),
    share=st.floats(min_value=0, max_value=1),
)
def test_renewal_due_is_the_last_third(days: int, share: float) -> None:
    lifetime = timedelta(days=days)
    state = CertificateState(
        mode="own-authority",
        ca_file="",
        leaf_file="",
        key_file="",
        hostnames=(),
        not_before=NOW,
        not_after=NOW + lifetime,
        fingerprint="",
        ca_fingerprint="",
    )
    left = lifetime * share
    assert renewal_due(state, NOW + lifetime - left) is (left <= lifetime / 3)
    assert renewal_due(state, NOW - timedelta(seconds=1))


def test_new_names_mean_a_new_leaf_under_the_same_authority(layout: Layout) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    plan = TlsPlan(mode="own-authority", hostnames=(*NAMES, "another.example.test"), leaf_days=30)
    second = ensure_certificate(plan, layout, NOW)
    assert "the names changed" in named(second.changes)
    assert "another.example.test" in second.hostnames
    assert second.ca_fingerprint == first.ca_fingerprint


def test_names_in_another_order_or_spelling_are_the_same(layout: Layout) -> None:
    ensure_certificate(OWN, layout, NOW)
    plan = TlsPlan(mode="own-authority", hostnames=("0:0::1", "LLM.example.test", *NAMES[:2]), leaf_days=30)
    assert ensure_certificate(plan, layout, NOW).changes == ()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def swap_key(path: Path) -> None:
    path.write_bytes(certificates.key_pem(ec.generate_private_key(ec.SECP256R1())))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("leaf.pem", cut),
        ("leaf.pem", empty),
        ("leaf.pem", Path.unlink),
        ("leaf.key", cut),
        ("leaf.key", empty),
        ("leaf.key", Path.unlink),
        ("leaf.key", swap_key),
    ],
)
def test_damaged_pair_is_made_again(layout: Layout, file: str, damage: Callable[[Path], None]) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    damage(Path(layout.tls, file))
    second = ensure_certificate(OWN, layout, NOW)
    assert second.changes
    assert second.ca_fingerprint == first.ca_fingerprint
    leaf = leaf_of(second)
    assert certificates.matches(leaf, certificates.key_of(Path(second.key_file).read_bytes()))
    assert ensure_certificate(OWN, layout, NOW).changes == ()


def test_lost_tls_folder_keeps_the_authority(layout: Layout) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    for path in Path(layout.tls).iterdir():
        path.unlink()
    assert ensure_certificate(OWN, layout, NOW).ca_fingerprint == first.ca_fingerprint


@pytest.mark.parametrize("damage", [cut, Path.unlink, swap_key])
def test_lost_authority_is_made_again_and_said_so(layout: Layout, damage: Callable[[Path], None]) -> None:
    first = ensure_certificate(OWN, layout, NOW)
    damage(Path(layout.secrets, "ca.key"))
    second = ensure_certificate(OWN, layout, NOW)
    assert second.ca_fingerprint != first.ca_fingerprint
    assert "clients must trust" in named(second.changes)
    assert "the authority is a new one" in named(second.changes)


def test_loose_modes_are_tightened(layout: Layout) -> None:
    state = ensure_certificate(OWN, layout, NOW)
    for path in (Path(state.key_file), Path(layout.secrets, "ca.key")):
        path.chmod(0o644)
    Path(layout.secrets).chmod(0o755)
    ensure_certificate(OWN, layout, NOW)
    assert mode(state.key_file) == mode(Path(layout.secrets, "ca.key")) == 0o600
    assert mode(layout.secrets) == 0o700


def test_clock_before_the_authority_is_refused_not_mended(layout: Layout) -> None:
    ensure_certificate(OWN, layout, NOW)
    before = snapshot(layout)
    with pytest.raises(DeployError, match="the clock says 2020-01-01") as caught:
        ensure_certificate(OWN, layout, datetime(2020, 1, 1, tzinfo=UTC))
    assert caught.value.hint
    assert snapshot(layout) == before


def test_leaf_does_not_outlive_its_authority(layout: Layout) -> None:
    ensure_certificate(OWN, layout, NOW)
    late = NOW + certificates.AUTHORITY_LIFETIME - timedelta(days=3)
    state = ensure_certificate(OWN, layout, late)
    assert state.not_after == NOW + certificates.AUTHORITY_LIFETIME
    after = ensure_certificate(OWN, layout, late + timedelta(days=4))
    assert after.ca_fingerprint != state.ca_fingerprint


def test_killed_between_the_two_renames_is_mended(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_certificate(OWN, layout, NOW)
    replace = Path.replace

    def killed_at_leaf(self: Path, target: Path) -> Path:
        if Path(target).name == "leaf.pem":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed_at_leaf)
        with pytest.raises(KeyboardInterrupt):
            ensure_certificate(OWN, layout, NOW + timedelta(days=25))
    state = ensure_certificate(OWN, layout, NOW + timedelta(days=25))
    assert certificates.matches(leaf_of(state), certificates.key_of(Path(state.key_file).read_bytes()))


def test_no_temporary_file_is_left(layout: Layout) -> None:
    ensure_certificate(OWN, layout, NOW)
    ensure_certificate(OWN, layout, NOW + timedelta(days=25))
    assert {path.name for path in Path(layout.tls).iterdir()} == {"ca.pem", "leaf.pem", "leaf.key"}
    assert {path.name for path in Path(layout.secrets).iterdir()} == {"ca.pem", "ca.key"}


@pytest.mark.parametrize("names", [(), ("not a name",), ("a..b",), ("",), ("x" * 64 + ".test",)])
def test_impossible_names_are_refused(layout: Layout, names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"certificate|host") as caught:
        ensure_certificate(TlsPlan(mode="own-authority", hostnames=names, leaf_days=30), layout, NOW)
    assert "tls.hostnames" in caught.value.hint


# A company's own authority and certificate


@dataclass
class Company:
    """A root, an issuing authority under it, where their files are, and when all this is."""

    root: Pair
    issuing: Pair
    folder: Path
    now: datetime

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        files.write(path, content, 0o600)
        return str(path)

    def authority_plan(self, *, ca: str = "", ca_key: str = "", names: tuple[str, ...] = NAMES) -> TlsPlan:
        chain = certificates.pem_of([self.issuing.certificate, self.root.certificate])
        return TlsPlan(
            mode="given-authority",
            hostnames=names,
            leaf_days=30,
            ca=ca or self.file("issuing.pem", chain),
            ca_key=ca_key or self.file("issuing.key", certificates.key_pem(self.issuing.key)),
        )

    def certificate_plan(self, leaf: Pair | None = None, **changes: str) -> TlsPlan:
        leaf = leaf or certificates.make_leaf(self.issuing, NAMES, timedelta(days=90), self.now)
        fields = {
            "certificate": self.file("leaf.pem", certificates.pem_of([leaf.certificate, self.issuing.certificate])),
            "key": self.file("leaf.key", certificates.key_pem(leaf.key)),
            "ca": self.file("root.pem", certificates.pem_of([self.root.certificate])),
        }
        return TlsPlan(mode="given-certificate", hostnames=NAMES, leaf_days=30, **{**fields, **changes})


def authority(
    name: str,
    issuer: Pair | None,
    key: Key | None = None,
    *,
    now: datetime = NOW,
    ca: bool = True,
    signs: bool | None = True,
) -> Pair:
    """Make an authority as companies have them, good or not: `signs=None` leaves the key usage out."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1000))
        .not_valid_after(now + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        builder = builder.add_extension(identifier, critical=False)
    if signs is not None:
        flags = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        usage = x509.KeyUsage(
            digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, decipher_only=False, **flags
        )
        builder = builder.add_extension(usage, critical=True)
    signer = issuer.key if issuer else key
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else SHA256()
    return Pair(builder.sign(signer, digest), key)


def make_company(tmp_path: Path, now: datetime) -> Company:
    folder = tmp_path / "company"
    folder.mkdir()
    root = authority("Company root", None, now=now)
    return Company(root, authority("Company issuing", root, now=now), folder, now)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return make_company(tmp_path, NOW)


def test_company_authority_signs_the_leaf(layout: Layout, company: Company) -> None:
    plan = company.authority_plan()
    state = ensure_certificate(plan, layout, NOW)
    chain = certificates.certificates_of(Path(state.leaf_file).read_bytes())
    assert chain[1:] == [company.issuing.certificate]
    assert certificates.is_signed_by(chain[0], company.issuing.certificate)
    assert certificates.certificates_of(Path(state.ca_file).read_bytes()) == [company.root.certificate]
    assert ensure_certificate(plan, layout, NOW).changes == ()
    assert not list(Path(layout.secrets).iterdir()), "the company's key stays where it is"


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "p384"])
def test_company_authority_of_another_kind_of_key(layout: Layout, company: Company, kind: str) -> None:
    keys: dict[str, Callable[[], Key]] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    }
    root = authority("Another root", None, keys[kind]())
    plan = Company(root, root, company.folder, NOW).authority_plan(
        ca=company.file("root.pem", certificates.pem_of([root.certificate])),
        ca_key=company.file("root.key", certificates.key_pem(root.key)),
    )
    leaf = leaf_of(ensure_certificate(plan, layout, NOW))
    assert certificates.is_signed_by(leaf, root.certificate)


def test_new_company_authority_means_a_new_leaf(layout: Layout, company: Company) -> None:
    first = ensure_certificate(company.authority_plan(), layout, NOW)
    other = Company(company.root, authority("Company issuing 2", company.root), company.folder, NOW)
    second = ensure_certificate(other.authority_plan(), layout, NOW)
    assert "the authority is a new one" in named(second.changes)
    assert second.fingerprint != first.fingerprint


def refused(plan: TlsPlan, layout: Layout, field: str, why: str, now: datetime = NOW) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        ensure_certificate(plan, layout, now)
    assert f"`{field}` in the profile's `[tls]`" in caught.value.message
    assert f"tls.{field}" in caught.value.hint
    assert not Path(layout.tls, "leaf.pem").exists(), "nothing was served"


def test_company_authority_that_cannot_be_used(layout: Layout, company: Company, tmp_path: Path) -> None:
    def with_issuing(pair: Pair) -> TlsPlan:
        return Company(company.root, pair, company.folder, NOW).authority_plan()

    refused(company.authority_plan(ca=str(tmp_path / "none.pem")), layout, "ca", "No such file")
    refused(company.authority_plan(ca=company.file("bad.pem", b"text")), layout, "ca", "no certificate can be read")
    refused(company.authority_plan(ca_key=company.file("bad.key", b"text")), layout, "ca_key", "no key can be read")
    other = certificates.key_pem(ec.generate_private_key(ec.SECP256R1()))
    refused(company.authority_plan(ca_key=company.file("other.key", other)), layout, "ca_key", "not the key of")
    refused(with_issuing(authority("x", company.root, ca=False)), layout, "ca", "no certificate authority")
    refused(with_issuing(authority("x", company.root, signs=False)), layout, "ca", "keyCertSign")
    refused(with_issuing(authority("x", company.root, signs=None)), layout, "ca", "keyCertSign")
    refused(company.authority_plan(), layout, "ca", "it ended on", NOW + timedelta(days=2000))
    refused(company.authority_plan(), layout, "ca", "it begins only on", NOW - timedelta(days=2000))


def test_company_key_that_is_encrypted_is_explained(layout: Layout, company: Company) -> None:
    locked = company.issuing.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    refused(company.authority_plan(ca_key=company.file("l.key", locked)), layout, "ca_key", "encrypted")


def test_company_certificate_is_served_as_it_is(layout: Layout, company: Company) -> None:
    plan = company.certificate_plan()
    state = ensure_certificate(plan, layout, NOW)
    assert Path(state.leaf_file).read_bytes() == Path(plan.certificate).read_bytes()
    assert Path(state.key_file).read_bytes() == Path(plan.key).read_bytes()
    assert Path(state.ca_file).read_bytes() == Path(plan.ca).read_bytes()
    assert mode(state.key_file) == 0o600
    assert ensure_certificate(plan, layout, NOW).changes == ()


def test_replaced_company_certificate_is_taken_over(layout: Layout, company: Company) -> None:
    first = ensure_certificate(company.certificate_plan(), layout, NOW)
    second = ensure_certificate(company.certificate_plan(), layout, NOW)
    assert second.fingerprint != first.fingerprint
    assert second.changes == ("took over the given certificate",)


def test_public_certificate_needs_no_ca(layout: Layout, company: Company) -> None:
    ensure_certificate(OWN, layout, NOW)
    state = ensure_certificate(company.certificate_plan(ca=""), layout, NOW)
    assert state.ca_file == state.ca_fingerprint == ""
    assert not Path(layout.tls, "ca.pem").exists(), "clients must not be shown an authority that is not the issuer"


def test_company_certificate_that_cannot_be_used(layout: Layout, company: Company) -> None:
    def leaf(names: tuple[str, ...] = NAMES) -> Pair:
        return certificates.make_leaf(company.issuing, names, timedelta(days=90), NOW)

    other_key = company.file("other.key", certificates.key_pem(ec.generate_private_key(ec.SECP256R1())))
    refused(company.certificate_plan(key=other_key), layout, "key", "not the key of the first certificate")
    refused(company.certificate_plan(key=""), layout, "key", "no path")
    refused(company.certificate_plan(), layout, "certificate", "it ended on", NOW + timedelta(days=91))
    refused(company.certificate_plan(), layout, "certificate", "it begins only", NOW - timedelta(days=91))
    refused(company.certificate_plan(leaf(NAMES[:2])), layout, "certificate", r"not for llm.example.test, ::1 \(it is")
    alone = company.file("alone.pem", certificates.pem_of([leaf().certificate]))
    refused(company.certificate_plan(certificate=alone), layout, "certificate", "do not lead")
    stranger = company.file("stranger.pem", certificates.pem_of([authority("Stranger", None).certificate]))
    refused(company.certificate_plan(ca=stranger), layout, "certificate", "do not lead")
    serverless = authority("llm.example.test", company.issuing, ca=False, signs=False)
    refused(company.certificate_plan(serverless), layout, "certificate", "it is for no name at all")


@pytest.mark.parametrize(
    ("names", "hostname", "covered"),
    [
        (("*.example.test",), "llm.example.test", True),
        (("*.example.test",), "LLM.Example.Test", True),
        (("*.example.test",), "a.b.example.test", False),
        (("*.example.test",), "example.test", False),
        (("*.test",), "example.test", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("10.0.0.1",), "10.0.0.2", False),
        (("fd00::1",), "FD00:0::1", True),
        (("bücher.example",), "xn--bcher-kva.example", True),
    ],
)
def test_names_cover_hosts_as_clients_see_it(names: tuple[str, ...], hostname: str, *, covered: bool) -> None:
    authority_ = certificates.make_authority("x", NOW)
    leaf = certificates.make_leaf(authority_, names, timedelta(days=1), NOW).certificate
    assert certificates.covers(leaf, hostname) is covered


# Real clients


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["own", "company authority", "company certificate"])
def served(request: pytest.FixtureRequest, layout: Layout, tmp_path: Path) -> Iterator[tuple[CertificateState, int]]:
    now = datetime.now(UTC)  # real clients look at the real clock
    company = make_company(tmp_path, now)
    plans = {
        "own": lambda: OWN,
        "company authority": company.authority_plan,
        "company certificate": company.certificate_plan,
    }
    state = ensure_certificate(plans[request.param](), layout, now)
    server = HTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.leaf_file, state.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_httpx_and_strict_ssl_accept_it(served: tuple[CertificateState, int]) -> None:
    state, port = served
    context = ssl.create_default_context(cafile=state.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        assert httpx.get(f"https://{host}:{port}/", verify=context, trust_env=False).text == "ok"


def test_httpx_refuses_it_without_the_authority(served: tuple[CertificateState, int]) -> None:
    _, port = served
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{port}/", verify=ssl.create_default_context(), trust_env=False)


@pytest.mark.parametrize("kind", ["own", "company"])
def test_openssl_accepts_it(layout: Layout, tmp_path: Path, kind: str) -> None:
    now = datetime.now(UTC)
    company = make_company(tmp_path, now)
    state = ensure_certificate(OWN if kind == "own" else company.authority_plan(), layout, now)
    command = [
        require("openssl"), "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "llm.example.test",
        "-CAfile", state.ca_file, "-untrusted", state.leaf_file, state.leaf_file,
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().endswith("OK")
