"""One authority follows another: clients that were given both accept what is served, wherever a run is killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle import certificates, files, succession
from lifecycle.pki import ensure_certificate
from planner.errors import DeployError
from planner.layout import Layout
from planner.plan import TlsPlan
from tests.lifecycle.stack import layout_in

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
OWN = TlsPlan(mode="own-authority", hostnames=("localhost",), leaf_days=30)


class KilledError(BaseException):
    """Stands for a power cut."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = layout_in(tmp_path)
    ensure_certificate(OWN, layout, NOW)
    return layout


def authorities(layout: Layout) -> list[str]:
    """Return what clients are given, the one that signs first."""
    return [certificates.fingerprint(one) for one in certificates.certificates_of(ca_file(layout))]


def ca_file(layout: Layout) -> bytes:
    return Path(layout.tls, "ca.pem").read_bytes()


def signer(layout: Layout, among: bytes) -> str:
    """Return which of these authorities has signed what is served."""
    (leaf,) = certificates.certificates_of(Path(layout.tls, "leaf.pem").read_bytes())
    signers = [one for one in certificates.certificates_of(among) if certificates.is_signed_by(leaf, one)]
    return certificates.fingerprint(signers[0]) if signers else ""


def ensure(layout: Layout) -> tuple[str, ...]:
    return ensure_certificate(OWN, layout, NOW).changes


def let_sign(layout: Layout, *, signs: bool = True) -> None:
    coming = succession.succession_of(layout)
    assert coming
    succession.let_sign(layout, coming, signs=signs)


def settle(layout: Layout) -> None:
    coming = succession.succession_of(layout)
    assert coming
    succession.settle(layout, coming)
    ensure(layout)
    succession.forget(layout)


def test_an_announced_authority_is_trusted_and_signs_nothing(layout: Layout) -> None:
    (old,) = authorities(layout)
    coming = succession.announce(layout, NOW, WEEK)
    assert ensure(layout) == ()
    new = certificates.fingerprint(coming.pair.certificate)
    assert authorities(layout) == [old, new]
    assert signer(layout, ca_file(layout)) == old
    assert coming.until == NOW + WEEK
    assert succession.announce(layout, NOW + WEEK, WEEK) == coming
    assert Path(layout.secrets, "ca-next.json").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(coming) + ca_file(layout).decode()


def test_one_that_signs_is_first_and_the_old_one_is_trusted_still(layout: Layout) -> None:
    succession.announce(layout, NOW, WEEK)
    ensure(layout)
    given = ca_file(layout)
    old, new = authorities(layout)
    let_sign(layout)
    assert "the authority is a new one" in "; ".join(ensure(layout))
    assert authorities(layout) == [new, old]
    assert signer(layout, given) == new
    assert ensure(layout) == ()


def test_of_the_old_one_nothing_is_left(layout: Layout) -> None:
    old_key = Path(layout.secrets, "ca.key").read_text()
    succession.announce(layout, NOW, WEEK)
    ensure(layout)
    _, new = authorities(layout)
    let_sign(layout)
    ensure(layout)
    settle(layout)
    assert ensure(layout) == ()
    assert authorities(layout) == [new]
    everything = "".join(path.read_text() for path in Path(layout.stack).rglob("*") if path.is_file())
    assert old_key.splitlines()[1] not in everything
    assert succession.succession_of(layout) is None


def test_it_can_go_back_as_long_as_both_are_there(layout: Layout) -> None:
    before = ca_file(layout)
    succession.announce(layout, NOW, WEEK)
    ensure(layout)
    let_sign(layout)
    ensure(layout)
    let_sign(layout, signs=False)
    ensure(layout)
    assert signer(layout, before) == authorities(layout)[0]
    succession.forget(layout)
    ensure(layout)
    assert ca_file(layout) == before


def killed_at(write: int, monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> bool:
    """Run something that loses power before its n-th file is written; return whether it came to that."""
    numbers, real = itertools.count(), files.write

    def failing(path: Path, content: bytes | str, mode: int = files.PRIVATE) -> None:
        if next(numbers) == write:
            raise KilledError
        real(path, content, mode)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write", failing)
        try:
            what()
        except KilledError:
            return True
    return False


@pytest.mark.parametrize("write", range(12))
def test_wherever_it_is_killed_clients_that_have_both_are_served(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    succession.announce(layout, NOW, WEEK)
    ensure(layout)
    given, (_, new) = ca_file(layout), authorities(layout)

    def finish() -> None:
        if succession.succession_of(layout):
            let_sign(layout)
            ensure(layout)
            settle(layout)

    killed = killed_at(write, monkeypatch, finish)
    assert killed == (write < 7)
    ensure(layout)  # whatever comes next: `up`, or the renewer
    assert signer(layout, given), "clients are shown what they cannot accept"
    assert set(authorities(layout)) <= {certificates.fingerprint(one) for one in certificates.certificates_of(given)}
    finish()
    assert authorities(layout) == [new]
    assert signer(layout, given) == new


def test_a_damaged_file_is_not_passed_over(layout: Layout) -> None:
    Path(layout.secrets, "ca-next.json").write_text("{}")
    with pytest.raises(DeployError, match="cannot be read"):
        ensure(layout)
