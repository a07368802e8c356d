"""Backups: complete, sealed, restorable on another machine; and restoring from what an enemy wrote."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle import archive
from lifecycle.backup import backup, restore
from lifecycle.pki import ensure_certificate
from lifecycle.sealing import Identity, Passphrase, Recipients, seal, unseal
from lifecycle.tokens import issue, list_tokens
from planner.errors import DeployError, UsageError
from planner.layout import Layout
from planner.plan import TlsPlan, to_json
from tests.lifecycle.stack import PLAN, layout_in
from tests.parts import require

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = pyrage.x25519.Identity.generate()
LOCK = Recipients((str(KEY.to_public()),))
OPENS = Identity(str(KEY))
PHRASE = Passphrase("correct horse battery")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a stack as `up` leaves it, rubbish included."""
    layout = layout_in(tmp_path)
    stack = Path(layout.stack)
    ensure_certificate(TlsPlan(mode="own-authority", hostnames=("localhost",), leaf_days=30), layout, NOW)
    issue(PLAN, layout, client="alice", ttl_s=3600, scopes=("inference",), now=NOW)
    for name, text in {
        "plan.json": to_json(PLAN),
        "profile.toml": "name = 'example'\n",
        "ports.json": '{"gateway": 8443}',
        "journal.jsonl": '{"step": "network"}\n',
        "pulumi/.pulumi/stacks/example.json": "{}",
        "secrets/gateway-key": "s3cret",
        "config/traefik/traefik.yml": "rendered",
        "data/prometheus/wal": "big",
        "logs/gateway.log": "line",
        "run/supervisord.pid": "1",
    }.items():
        path = stack / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hook = stack / "secrets" / "askpass"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    return layout


def make(layout: Layout, out: Path, lock: Passphrase | Recipients = LOCK) -> archive.Manifest:
    return backup(layout, out, lock=lock, tool_version="1.2.3", now=NOW)


def elsewhere(folder: Path, machine: str = "elsewhere") -> Path:
    """Return where the stack belongs on another machine."""
    return folder / machine / "stack"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# What is in it


def test_everything_that_cannot_be_made_again_and_no_more(layout: Layout, tmp_path: Path) -> None:
    manifest = make(layout, tmp_path / "b.age")
    assert set(manifest.files) == {
        "plan.json",
        "profile.toml",
        "ports.json",
        "journal.jsonl",
        "pulumi/.pulumi/stacks/example.json",
        "secrets/gateway-key",
        "secrets/askpass",
        "secrets/ca.key",
        "secrets/ca.pem",
        "secrets/token-keys.json",
        "tls/ca.pem",
        "tls/leaf.pem",
        "tls/leaf.key",
        "identity/jwks.json",
        "identity/revoked.json",
        "identity/tokens.json",
    }
    assert (manifest.stack, manifest.tool_version, manifest.created_at) == ("stack", "1.2.3", NOW)


def test_restored_stack_is_the_same_stack(layout: Layout, tmp_path: Path) -> None:
    token = issue(PLAN, layout, client="bob", ttl_s=3600, scopes=("inference",), now=NOW)
    made = make(layout, tmp_path / "b.age")
    other = layout_in(tmp_path / "elsewhere")
    assert restore(tmp_path / "b.age", Path(other.stack), key=OPENS) == made
    before = contents(Path(layout.stack))
    assert contents(Path(other.stack)) == {name: before[name] for name in made.files}
    # The other machine takes over: same authority, same keys, and tokens that were issued before stay good.
    state = ensure_certificate(TlsPlan(mode="own-authority", hostnames=("localhost",), leaf_days=30), other, NOW)
    assert state.changes == ()
    key_set = Path(other.stack, "identity", "jwks.json").read_bytes()
    assert key_set == before["identity/jwks.json"]
    fresh = issue(PLAN, other, client="carol", ttl_s=3600, scopes=("inference",), now=NOW)
    assert fresh.token.split(".")[0] == token.token.split(".")[0], "signed by the same key"
    assert [t.client for t in list_tokens(PLAN, other)] == ["alice", "bob", "carol"]


def test_modes(layout: Layout, tmp_path: Path) -> None:
    out, into = tmp_path / "b.age", elsewhere(tmp_path)
    Path(layout.stack, "secrets", "gateway-key").chmod(0o666)
    make(layout, out)
    assert mode(out) == 0o600
    umask = os.umask(0)
    try:
        restore(out, into, key=OPENS)
    finally:
        os.umask(umask)
    assert mode(into) == 0o700
    for path in into.rglob("*"):
        expected = 0o700 if path.is_dir() or path.name == "askpass" else 0o600
        assert mode(path) == expected, path


def test_nothing_is_readable_without_the_key(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    sealed = (tmp_path / "b.age").read_bytes()
    for clear in (b"s3cret", b"PRIVATE KEY", b"gateway-key", b"manifest", b"stack"):
        assert clear not in sealed
    assert PHRASE.text not in repr(PHRASE)
    assert OPENS.text not in repr(OPENS)


def test_links_sockets_and_locks_are_left_out(layout: Layout, tmp_path: Path) -> None:
    stack = Path(layout.stack)
    (stack / "link").symlink_to("/etc/passwd")
    (stack / "loop").symlink_to(stack)
    (stack / "stack.lock").write_text("")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stack / "s"))
        names = set(make(layout, tmp_path / "b.age").files)
    assert not {"link", "s", "stack.lock", "identity/tokens.lock"} & names
    assert not any(name.startswith("loop/") for name in names)


def test_a_stack_file_may_be_called_manifest(layout: Layout, tmp_path: Path) -> None:
    Path(layout.stack, "manifest.json").write_text("mine")
    make(layout, tmp_path / "b.age")
    restore(tmp_path / "b.age", elsewhere(tmp_path), key=OPENS)
    assert (elsewhere(tmp_path) / "manifest.json").read_text() == "mine"


def test_odd_but_honest_names_survive(layout: Layout, tmp_path: Path) -> None:
    names = ["with space", "ünïcode", "-dash", "a" * 120, ".hidden", "..dots..", "d/" * 20 + "deep"]
    for name in names:
        path = Path(layout.stack, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    make(layout, tmp_path / "b.age")
    restore(tmp_path / "b.age", elsewhere(tmp_path), key=OPENS)
    assert all((elsewhere(tmp_path) / name).read_text() == name for name in names)


# Making it


def test_no_backup_is_overwritten_or_put_into_the_stack(layout: Layout, tmp_path: Path) -> None:
    out = tmp_path / "b.age"
    out.write_text("precious")
    with pytest.raises(UsageError, match="exists"):
        make(layout, out)
    assert out.read_text() == "precious"
    with pytest.raises(UsageError, match="own folder"):
        make(layout, Path(layout.stack, "secrets", "b.age"))
    with pytest.raises(UsageError, match="no stack"):
        make(layout_in(tmp_path / "none"), tmp_path / "c.age")


def test_a_place_that_cannot_be_written(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="cannot be written") as caught:
        make(layout, tmp_path / "none" / "b.age")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lock", "why"),
    [
        (Passphrase("short"), "at least 12"),
        (Passphrase(""), "at least 12"),
        (Recipients(()), "nobody"),
        (Recipients(("age1nonsense",)), "no public key"),
        (Recipients(("ssh-ed25519 AAAA",)), "no public key"),
        (Recipients(("someone@example.test",)), "no public key"),
    ],
)
def test_locks_that_cannot_be_used(layout: Layout, tmp_path: Path, lock: Passphrase | Recipients, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make(layout, tmp_path / "b.age", lock)
    assert not (tmp_path / "b.age").exists()
    assert list(tmp_path.iterdir()) == [Path(layout.stack)], "no temporary file is left"


# Opening it


@pytest.mark.slow  # guessing passphrases is made to cost a second each
def test_passphrase_opens_and_another_does_not(layout: Layout, tmp_path: Path) -> None:
    out = tmp_path / "b.age"
    make(layout, out, PHRASE)
    with pytest.raises(UsageError, match="this passphrase does not open") as caught:
        restore(out, elsewhere(tmp_path), key=Passphrase("another horse battery"))
    assert PHRASE.text not in str(caught.value)
    with pytest.raises(UsageError, match="opens with a passphrase"):
        restore(out, elsewhere(tmp_path), key=OPENS)
    assert not (elsewhere(tmp_path)).exists()
    restore(out, elsewhere(tmp_path), key=PHRASE)
    assert (elsewhere(tmp_path) / "plan.json").exists()


def test_keys_that_do_not_open(layout: Layout, tmp_path: Path) -> None:
    out = tmp_path / "b.age"
    make(layout, out)
    stranger = Identity(str(pyrage.x25519.Identity.generate()))
    for key, why in (
        (stranger, "this private key does not open"),
        (PHRASE, "opens with a private key"),
        (Identity("nonsense"), "no private key"),
        (Identity("-----BEGIN OPENSSH PRIVATE KEY-----\nzz\n"), "no private key"),
        (Identity("# only a comment"), "does not open"),
    ):
        with pytest.raises(UsageError, match=why):
            restore(out, elsewhere(tmp_path), key=key)
    assert not (elsewhere(tmp_path)).exists()


def test_identity_files_may_have_comments_and_several_keys(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    text = f"# created: today\n{pyrage.x25519.Identity.generate()}\n\n{KEY}\n"
    assert restore(tmp_path / "b.age", elsewhere(tmp_path), key=Identity(text)).stack == "stack"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys(layout: Layout, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "id"
    subprocess.run([require("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", key], check=True)
    make(layout, tmp_path / "b.age", Recipients((key.with_suffix(".pub").read_text(), *LOCK.keys)))
    assert restore(tmp_path / "b.age", elsewhere(tmp_path), key=Identity(key.read_text())).stack == "stack"
    assert restore(tmp_path / "b.age", elsewhere(tmp_path, "second"), key=OPENS).stack == "stack"


def test_the_age_program_opens_it(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    (tmp_path / "key").write_text(OPENS.text)
    ran = subprocess.run(
        [require("age"), "-d", "-i", tmp_path / "key", tmp_path / "b.age"], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as opened:
        assert opened.getnames()[0] == "manifest.json"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut_at=st.floats(min_value=0, max_value=0.999))
def test_cut_off_files_restore_nothing(layout: Layout, tmp_path: Path, cut_at: float) -> None:
    out, into = tmp_path / "b.age", elsewhere(tmp_path)
    if not out.exists():
        make(layout, out)
    sealed = out.read_bytes()
    (tmp_path / "cut.age").write_bytes(sealed[: int(len(sealed) * cut_at)])
    with pytest.raises(DeployError, match=r"cut off|not made by"):
        restore(tmp_path / "cut.age", into, key=OPENS)
    assert not into.exists()


@settings(max_examples=30)
@given(at=st.integers(min_value=0, max_value=10**6), bit=st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_is_found(at: int, bit: int) -> None:
    sealed = bytearray(SEALED)
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(DeployError):
        unseal(bytes(sealed), OPENS)


SEALED = seal(b"content" * 100, Recipients((str(KEY.to_public()),)))


def test_other_files_are_no_backups(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="not made by"):
        restore(tmp_path / "x", elsewhere(tmp_path), key=OPENS)
    with pytest.raises(UsageError, match="cannot be read"):
        restore(tmp_path / "none", elsewhere(tmp_path), key=OPENS)
    with pytest.raises(UsageError, match="cannot be read"):
        restore(tmp_path, elsewhere(tmp_path), key=OPENS)


# Where it goes


def test_a_stack_in_the_way_stays_unless_told(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    stack = Path(layout.stack)
    Path(layout.logs, "gateway.log").write_text("mine")
    with pytest.raises(UsageError, match="there is a stack already"):
        restore(tmp_path / "b.age", stack, key=OPENS)
    assert Path(layout.logs, "gateway.log").read_text() == "mine"
    restore(tmp_path / "b.age", stack, key=OPENS, replace=True)
    assert not Path(layout.logs, "gateway.log").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"b.age", "stack"}


def test_a_stack_in_the_way_comes_back_when_restoring_fails(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(layout, tmp_path / "b.age")
    stack, before = Path(layout.stack), contents(Path(layout.stack))
    rename = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if ".restoring." in self.name:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(DeployError, match="No space left"):
        restore(tmp_path / "b.age", stack, key=OPENS, replace=True)
    assert contents(stack) == before
    assert {p.name for p in tmp_path.iterdir()} == {"b.age", "stack"}


def test_another_stack_is_not_put_in_its_place(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    with pytest.raises(UsageError, match="backup of stack 'stack', not of 'prod'") as caught:
        restore(tmp_path / "b.age", tmp_path / "prod", key=OPENS)
    assert "--stack stack" in caught.value.hint
    assert not (tmp_path / "prod").exists()


def test_an_empty_folder_is_not_in_the_way_but_a_link_is(layout: Layout, tmp_path: Path) -> None:
    make(layout, tmp_path / "b.age")
    elsewhere(tmp_path).mkdir(parents=True)
    restore(tmp_path / "b.age", elsewhere(tmp_path), key=OPENS)
    link = elsewhere(tmp_path, "linked")
    link.parent.mkdir()
    link.symlink_to(tmp_path / "victim")
    for replace in (False, True):
        with pytest.raises(UsageError, match="not a folder"):
            restore(tmp_path / "b.age", link, key=OPENS, replace=replace)
    assert not (tmp_path / "victim").exists()


# What an enemy wrote: anybody who knows a public key can make a file that opens


def member(name: str, content: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def manifest_of(*members: tuple[tarfile.TarInfo, bytes], **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    entries = {
        info.name.removeprefix("stack/"): {"sha256": archive.sha256(content), "executable": False}
        for info, content in members
    }
    record = {
        "schema": 1,
        "stack": "stack",
        "tool_version": "1",
        "created_at": "2026-03-01T00:00:00Z",
        "files": entries,
    }
    return member("manifest.json", json.dumps({**record, **changes}).encode())


def packed(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002 - tarfile's word
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as opened:
        for info, content in members:
            opened.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def with_manifest(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return packed(manifest_of(*members), *members)


GOOD = member("stack/plan.json")

ATTACKS: dict[str, Callable[[], bytes]] = {
    "a path upwards": lambda: with_manifest(member("stack/../../evil")),
    "a path upwards in the middle": lambda: with_manifest(member("stack/a/../../../evil")),
    "an absolute path": lambda: with_manifest(member("/tmp/evil")),
    "an absolute path inside": lambda: with_manifest(member("stack//tmp/evil")),
    "a path beside the stack": lambda: with_manifest(member("other/evil")),
    "the folder itself": lambda: with_manifest(member("stack/")),
    "a dot": lambda: with_manifest(member("stack/.")),
    "a path with a dot": lambda: with_manifest(member("stack/./evil")),
    "a backslash": lambda: with_manifest(member("stack/..\\evil")),
    "a control character": lambda: with_manifest(member("stack/a\nb")),
    "a symbolic link": lambda: with_manifest(member("stack/a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "a hard link": lambda: with_manifest(
        GOOD, member("stack/a", b"", type=tarfile.LNKTYPE, linkname="stack/plan.json")
    ),
    "a link, then a file through it": lambda: with_manifest(
        member("stack/a", b"", type=tarfile.SYMTYPE, linkname="/tmp"), member("stack/a/evil")
    ),
    "a device": lambda: with_manifest(member("stack/a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "a pipe": lambda: with_manifest(member("stack/a", b"", type=tarfile.FIFOTYPE)),
    "a folder": lambda: with_manifest(member("stack/a", b"", type=tarfile.DIRTYPE)),
    "a file with holes": lambda: with_manifest(
        member("stack/a", b"", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 50)})
    ),
    "a negative size": lambda: with_manifest(member("stack/a", b"x", pax_headers={"size": "-1024"})),
    "a name in extended headers": lambda: with_manifest(member("stack/a", pax_headers={"path": "stack/../../evil"})),
    "one file twice": lambda: packed(manifest_of(GOOD), GOOD, GOOD),
    "a file that no manifest names": lambda: packed(manifest_of(GOOD), GOOD, member("stack/evil")),
    "a file that is not there": lambda: packed(manifest_of(GOOD, member("stack/b")), GOOD),
    "another content": lambda: packed(manifest_of(GOOD), member("stack/plan.json", b"y")),
    "a file and a folder of one name": lambda: with_manifest(member("stack/a"), member("stack/a/b")),
    "no manifest": lambda: packed(GOOD),
    "a manifest that is not first": lambda: packed(GOOD, manifest_of(GOOD)),
    "a manifest that is a link": lambda: packed(member("manifest.json", b"", type=tarfile.SYMTYPE, linkname="x")),
    "a manifest with more fields": lambda: packed(manifest_of(GOOD, extra=1), GOOD),
    "a manifest that is no object": lambda: packed(member("manifest.json", b"[]")),
    "a manifest that is not JSON": lambda: packed(member("manifest.json", b"{")),
    "nothing at all": lambda: b"",
    "no tar": lambda: b"text" * 1000,
    "a tar that is cut off": lambda: with_manifest(GOOD)[:1000],
}


@pytest.mark.parametrize("attack", ATTACKS, ids=list(ATTACKS))
@pytest.mark.parametrize("replace", [False, True], ids=["new", "replace"])
def test_attack_restores_nothing(tmp_path: Path, attack: str, *, replace: bool) -> None:
    folder = tmp_path / "state"
    into = folder / "stack"
    into.mkdir(parents=True)
    if replace:
        (into / "plan.json").write_text("mine")
    before = contents(tmp_path)
    (folder / "b.age").write_bytes(seal(ATTACKS[attack](), LOCK))
    with pytest.raises(DeployError, match="damaged or was tampered with") as caught:
        restore(folder / "b.age", into, key=OPENS, replace=replace)
    assert "nothing was restored" in caught.value.message
    assert contents(tmp_path).keys() - before.keys() == {"state/b.age"}
    assert {path.name for path in folder.iterdir()} == {"b.age", "stack"}


def test_the_attacks_are_attacks_because_of_what_they_change(tmp_path: Path) -> None:
    (tmp_path / "b.age").write_bytes(seal(with_manifest(GOOD), LOCK))
    restore(tmp_path / "b.age", tmp_path / "stack", key=OPENS)
    assert (tmp_path / "stack" / "plan.json").read_bytes() == b"x"


def test_set_user_id_and_looser_modes_are_not_restored(tmp_path: Path) -> None:
    (tmp_path / "b.age").write_bytes(seal(with_manifest(member("stack/a", mode=0o6777)), LOCK))
    restore(tmp_path / "b.age", tmp_path / "stack", key=OPENS)
    assert mode(tmp_path / "stack" / "a") == 0o600


def test_newer_format_is_explained(tmp_path: Path) -> None:
    (tmp_path / "b.age").write_bytes(seal(packed(manifest_of(GOOD, schema=2, more="fields"), GOOD), LOCK))
    with pytest.raises(DeployError, match="format 2") as caught:
        restore(tmp_path / "b.age", tmp_path / "stack", key=OPENS)
    assert "version" in caught.value.hint
    assert not (tmp_path / "stack").exists()


@settings(max_examples=30)
@given(noise=st.binary(max_size=2000))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(DeployError):
        archive.unpack(noise)


@settings(max_examples=60)
@given(at=st.integers(min_value=0, max_value=4000), value=st.integers(min_value=0, max_value=255))
def test_any_changed_byte_is_refused_or_harmless(at: int, value: int) -> None:
    changed = bytearray(with_manifest(GOOD))
    changed[at % len(changed)] = value
    try:
        _, files = archive.unpack(bytes(changed))
    except DeployError:
        return
    assert files == {"plan.json": b"x"}
