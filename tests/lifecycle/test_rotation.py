"""`deploy rotate`: what is refused, what is under way, and that a run that is killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files, journal, tokens
from lifecycle.home import Home, StackHome
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import KeptHosts
from lifecycle.pki import ensure_certificate
from lifecycle.planning import Kept, hosts_of, keep_key
from lifecycle.profiles import load_profile
from lifecycle.rotation import authority, server_certificate, signing_key, ssh_key
from lifecycle.rotation.endpoints import NotTakenUpError
from lifecycle.rotation.turn import Turn
from lifecycle.rotation.under_way import rotations_under_way
from lifecycle.stack import Stack
from planner.errors import DeployError, UsageError
from planner.plan import Plan, to_json
from planner.progress import Silent
from tests.lifecycle.stack import make_plan

WEEK = timedelta(days=7)
SHOW = Silent()


class KilledError(BaseException):
    """Stands for a power cut."""


def keep(home: StackHome, plan: Plan) -> StackHome:
    home.create()
    files.write(home.plan, to_json(msgspec.structs.replace(plan, stack=home.name, target="sandbox")))
    return home


@pytest.fixture
def home(tmp_path: Path) -> StackHome:
    """A stack of the sandbox that does not run: what is rotated lies here alone."""
    plan = make_plan()
    tls = msgspec.structs.replace(plan.tls, mode="own-authority", hostnames=("localhost",))
    home = keep(Home(tmp_path).stack("default"), msgspec.structs.replace(plan, tls=tls))
    ensure_certificate(tls, home.layout, datetime.now(UTC))
    tokens.ensure_issuer(plan, home.layout)
    return home


def under_way(home: StackHome) -> dict[str, str]:
    return {one.what: one.next for one in rotations_under_way(Stack.load(home))}


def passing_on(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let bringing it to whoever serves fail."""

    def fail(turn: Turn) -> None:
        raise error

    monkeypatch.setattr(Turn, "pass_on", fail)


GIVEN: dict[str, tuple[dict[str, Any], Callable[[StackHome], object], str, str]] = {
    "an authority that was given": (
        {"mode": "given-authority", "ca": "/ca.pem", "ca_key": "/ca.key"},
        lambda home: authority.begin(home, WEEK, SHOW),
        "given_authority",
        "`tls.ca` and `tls.ca_key`",
    ),
    "the authority of a certificate that was given": (
        {"mode": "given-certificate", "certificate": "/c.pem", "key": "/c.key"},
        lambda home: authority.finish(home, SHOW, early=True),
        "given_authority",
        "`tls.certificate`, `tls.key` and `tls.ca`",
    ),
    "a certificate that was given": (
        {"mode": "given-certificate", "certificate": "/c.pem", "key": "/c.key"},
        lambda home: server_certificate.rotate_certificate(home, SHOW),
        "given_certificate",
        "`tls.certificate` and `tls.key`",
    ),
    "an issuer that is found by its address": (
        {"issuer": "https://id.example.test", "jwks": "", "built_in": False},
        lambda home: signing_key.begin(home, SHOW),
        "foreign_issuer",
        "asks for its key set again by itself",
    ),
    "an issuer whose keys were given as a file": (
        {"issuer": "https://id.example.test", "jwks": "/keys.json", "built_in": False},
        lambda home: signing_key.finish(home, SHOW, early=True),
        "foreign_issuer",
        "into /keys.json, run `deploy up`",
    ),
    "hosts that there are not": ({}, lambda home: ssh_key.rotate_ssh_key(home, SHOW), "not_on_hosts", "target metal"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_not_the_stacks_own_is_refused_with_what_to_do_instead(home: StackHome, name: str) -> None:
    fields, run, code, told = GIVEN[name]
    plan = Stack.load(home).plan
    part = "tls" if "mode" in fields else "identity"
    keep(home, msgspec.structs.replace(plan, **{part: msgspec.structs.replace(getattr(plan, part), **fields)}))
    with pytest.raises(UsageError) as refused:
        run(home)
    assert refused.value.code == code
    assert told in refused.value.hint
    assert not home.journal.exists()
    assert under_way(home) == {}


def test_an_authority_is_announced_and_then_takes_the_others_place(home: StackHome) -> None:
    announced = authority.begin(home, WEEK, SHOW)
    assert (announced.state, len(announced.retiring)) == ("under-way", 1)
    assert authority.begin(home, 2 * WEEK, SHOW) == announced
    assert under_way(home) == {"ca": "deploy rotate ca --finish"}
    with pytest.raises(DeployError, match="clients have time to take the new authority until") as early:
        authority.finish(home, SHOW, early=False)
    assert early.value.code == "overlap"
    done = authority.finish(home, SHOW, early=True)
    assert (done.state, done.new, done.removed) == ("done", announced.new, (announced.retiring[0].id,))
    assert under_way(home) == {}
    with pytest.raises(UsageError, match="no rotation of the authority"):
        authority.finish(home, SHOW, early=True)


def test_an_overlap_that_is_over_needs_no_hurry(home: StackHome) -> None:
    announced = authority.begin(home, timedelta(0), SHOW)
    assert authority.finish(home, SHOW, early=False).new == announced.new


def test_both_are_trusted_until_every_host_has_the_new_one(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = authority.begin(home, WEEK, SHOW)
    with monkeypatch.context() as broken:
        passing_on(broken, DeployError("a host is away"))
        with pytest.raises(DeployError, match="a host is away"):
            authority.finish(home, SHOW, early=True)
    ca_file = Path(Stack.load(home).ca_file)
    assert ca_file.read_text().count("BEGIN CERTIFICATE") == 2
    assert "signs" in rotations_under_way(Stack.load(home))[0].phase
    assert authority.finish(home, SHOW, early=False).new == announced.new  # it had begun: nothing to wait for
    assert ca_file.read_text().count("BEGIN CERTIFICATE") == 1


def test_going_back_leaves_the_old_authority(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(Stack.load(home).ca_file).read_text()
    announced = authority.begin(home, WEEK, SHOW)
    with monkeypatch.context() as broken:
        passing_on(broken, KilledError())
        with pytest.raises(KilledError):
            authority.finish(home, SHOW, early=True)
    cancelled = authority.cancel(home, SHOW)
    assert (cancelled.state, cancelled.removed) == ("cancelled", (announced.new,))
    assert Path(cancelled.file).read_text() == before
    assert under_way(home) == {}


def test_a_killed_run_goes_on_with_the_certificate_that_it_issued(
    home: StackHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = Path(home.layout.tls, "leaf.pem")
    old = leaf.read_bytes()
    with monkeypatch.context() as broken:
        passing_on(broken, KilledError())
        with pytest.raises(KilledError):
            server_certificate.rotate_certificate(home, SHOW)
    issued = leaf.read_bytes()
    assert issued != old
    assert under_way(home) == {"cert": "deploy rotate cert"}
    first = server_certificate.rotate_certificate(home, SHOW)
    assert leaf.read_bytes() == issued
    assert under_way(home) == {}
    second = server_certificate.rotate_certificate(home, SHOW)
    assert second.removed == (first.new,)
    assert leaf.read_bytes() != issued


def test_a_key_that_not_every_endpoint_knows_signs_nothing(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Stack.load(home).plan
    old = tokens.signing_key(plan, home.layout)

    def unknown(*_: object) -> None:
        raise NotTakenUpError("a host knows the key not yet")

    with monkeypatch.context() as broken:
        broken.setattr(signing_key, "wait_for_answer", unknown)
        with pytest.raises(NotTakenUpError):
            signing_key.begin(home, SHOW)
    assert tokens.signing_key(plan, home.layout) == old
    waiting = tokens.waiting_key(plan, home.layout)
    assert under_way(home) == {"jwks": "deploy rotate jwks"}
    rotated = signing_key.begin(home, SHOW)
    assert (rotated.new, [one.id for one in rotated.retiring]) == (waiting, [old])
    assert tokens.signing_key(plan, home.layout) == waiting


def test_the_old_key_is_removed_when_its_tokens_have_expired_or_at_once(home: StackHome) -> None:
    plan = Stack.load(home).plan
    old = tokens.signing_key(plan, home.layout)
    rotated = signing_key.begin(home, SHOW)
    longest = timedelta(seconds=plan.identity.max_lifetime_s)
    assert rotated.retiring[0].until > datetime.now(UTC) + longest - timedelta(minutes=1)
    assert under_way(home) == {"jwks": "deploy rotate jwks --finish"}
    with pytest.raises(DeployError) as early:
        signing_key.finish(home, SHOW, early=False)
    assert early.value.code == "overlap"
    assert signing_key.finish(home, SHOW, early=True).removed == (old,)
    published = json.loads(Path(home.layout.stack, "identity/jwks.json").read_text())["keys"]
    assert [key["kid"] for key in published] == [rotated.new]
    assert signing_key.finish(home, SHOW, early=False).removed == ()  # a run that was killed here goes on


def test_every_step_stands_in_the_journal_before_it_happens(home: StackHome, monkeypatch: pytest.MonkeyPatch) -> None:
    passing_on(monkeypatch, KilledError())
    with pytest.raises(KilledError):
        signing_key.begin(home, SHOW)
    entries, _ = journal.read(home.journal)
    told = [(entry.verb, entry.step, entry.phase) for entry in entries]
    assert told[:3] == [
        ("rotate", "rotate", "begin"),
        ("rotate", "new key published", "begin"),
        ("rotate", "new key published", "done"),
    ]
    assert told[-1] == ("rotate", "rotate", "failed")


# The key that logs in on hosts


@pytest.fixture
def on_hosts(home: StackHome, tmp_path: Path) -> StackHome:
    """The same stack, as if it were on a host."""
    host = Host(name="h", address="192.0.2.1", user="ops")
    kept = KeptHosts(inventory=Inventory(host=(host,)), key="", owner="x", plans=())
    request = Kept(profile=load_profile("poc"), upstream=None, target="metal", hosts=kept)
    files.write(home.folder / "request.json", msgspec.json.encode(request))
    return home


def test_a_key_that_is_not_known_is_asked_for(on_hosts: StackHome) -> None:
    with pytest.raises(UsageError) as refused:
        ssh_key.rotate_ssh_key(on_hosts, SHOW)
    assert (refused.value.code, "deploy up --key FILE" in refused.value.hint) == ("key_unknown", True)


def test_the_key_in_use_is_no_new_key(on_hosts: StackHome, tmp_path: Path) -> None:
    key = tmp_path / "key"
    ssh_key.ensure_key(key)
    keep_key(on_hosts, str(key))
    with pytest.raises(UsageError, match="logs in already"):
        ssh_key.rotate_ssh_key(on_hosts, SHOW, key)
    (tmp_path / "text").write_text("no key")
    with pytest.raises(UsageError, match="cannot be read as a private key"):
        ssh_key.rotate_ssh_key(on_hosts, SHOW, tmp_path / "text")
    kept = hosts_of(on_hosts)
    assert kept
    assert kept.key == str(key)
    assert under_way(on_hosts) == {}


def test_keys_that_are_made_are_ours_alone(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "one"
    public = ssh_key.ensure_key(key)
    assert ssh_key.public_half(key) == public
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert key.with_name("one.pub").read_text().startswith(public)
    assert ssh_key.ensure_key(key) == public


def changing(home: StackHome, tmp_path: Path, phase: str) -> None:
    """Leave what a run that was killed leaves."""
    key = tmp_path / "key"
    public = ssh_key.ensure_key(key)
    keep_key(home, str(key))
    left = {"began": datetime.now(UTC), "phase": phase, "old": public, "old_file": str(key)}
    made = {"new_file": str(tmp_path / "new"), "made": True}
    files.write(Path(home.layout.secrets, "rotation-ssh-key.json"), msgspec.json.encode({**left, **made}))


def test_a_change_of_keys_that_was_begun_is_gone_on_with_or_ended(on_hosts: StackHome, tmp_path: Path) -> None:
    changing(on_hosts, tmp_path, "placing")
    assert under_way(on_hosts) == {"ssh-key": "deploy rotate ssh-key"}
    with pytest.raises(UsageError, match="new is under way"):
        ssh_key.rotate_ssh_key(on_hosts, SHOW, tmp_path / "another")
    assert ssh_key.cancel(on_hosts, SHOW).state == "cancelled"  # the new key was not made yet: it is on no host
    assert under_way(on_hosts) == {}
    with pytest.raises(UsageError, match="no rotation of the SSH key"):
        ssh_key.cancel(on_hosts, SHOW)


def test_a_key_that_is_the_only_one_on_some_hosts_is_not_taken_away(on_hosts: StackHome, tmp_path: Path) -> None:
    changing(on_hosts, tmp_path, "removing")
    with pytest.raises(DeployError) as refused:
        ssh_key.cancel(on_hosts, SHOW)
    assert refused.value.code == "too_late"


def test_a_damaged_note_is_not_passed_over(on_hosts: StackHome, tmp_path: Path) -> None:
    changing(on_hosts, tmp_path, "placing")
    Path(on_hosts.layout.secrets, "rotation-ssh-key.json").write_text("{")
    with pytest.raises(DeployError) as refused:
        ssh_key.rotate_ssh_key(on_hosts, SHOW)
    assert refused.value.code == "rotation_damaged"
