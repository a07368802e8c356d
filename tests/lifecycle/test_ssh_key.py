"""`deploy rotate ssh-key` never locks itself out, over hosts that let in whom their files name, killed at every point.

The hosts here are texts; a booted one is rotated in `tests/hosts/test_rotate.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files
from lifecycle.home import Home, StackHome
from lifecycle.hosts.authorized import AuthorizedFile, lets_in
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import KeptHosts
from lifecycle.hosts.session import HostSession
from lifecycle.hosts.ssh import Login, LoginRefusedError, Ran
from lifecycle.planning import Kept, hosts_of
from lifecycle.profiles import load_profile
from lifecycle.rotation import ssh_key
from lifecycle.rotation.ssh_key import NewKeyRefusedError, ensure_key, public_half, rotate_ssh_key
from planner.errors import DeployError
from planner.plan import to_json
from planner.progress import Silent
from tests.lifecycle.stack import make_plan

SHOW = Silent()
JUMP = Host(name="jump", address="192.0.2.1", user="ops", roles=("jump",))
BEHIND = Host(name="behind", address="10.0.0.1", user="ops", jump="jump")
DIRECT = Host(name="direct", address="192.0.2.2", user="root")
INVENTORY = Inventory(host=(JUMP, BEHIND, DIRECT))
SOMEBODYS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAItheirs somebody\n"


class KilledError(BaseException):
    """Stands for a power cut."""


class Connected:
    """A login."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run_as_root(self, command: str) -> Ran:
        del command
        return Ran(code=0, stdout="", stderr="")


class Fleet:
    """Hosts that let in whom their files name.

    Attributes:
        texts: host -> its authorized_keys.
        deaf: hosts that let the new key in under no circumstances.
        on_write: is called after a file was replaced.
        steps: how many logins and writes may still happen before the power goes.

    """

    def __init__(self, home: StackHome, old: str) -> None:
        self.home = home
        self.old = old
        self.texts = {host.name: f"{SOMEBODYS}no-pty {old} me\n" for host in INVENTORY.host}
        self.deaf: set[str] = set()
        self.on_write: Callable[[str], None] = lambda _name: None
        self.steps = 10**6

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise KilledError

    @contextlib.contextmanager
    def connect(self, way: tuple[Host, ...], login: Login) -> Iterator[Connected]:
        self.step()
        assert login.key_file
        self.let_in(way, public_half(login.key_file))
        yield Connected(way[-1])

    def let_in(self, way: tuple[Host, ...], key: str) -> None:
        for host in way:
            if not lets_in(self.texts[host.name], key) or (host.name in self.deaf and key != self.old):
                raise LoginRefusedError(f"{host.name}: {host.user} is not let in")

    def files_of(self, connection: Connected) -> tuple[AuthorizedFile, ...]:
        return (AuthorizedFile(path="keys", text=self.texts[connection.host.name]),)

    def replace(self, connection: Connected, file: AuthorizedFile, text: str) -> None:
        self.step()
        name = connection.host.name
        assert file.text == self.texts[name]
        self.texts[name] = text
        self.on_write(name)

    @contextlib.contextmanager
    def session(self, _home: StackHome, kept: KeptHosts, _verb: str, _progress: Any, login: Login) -> Iterator[None]:
        for host in kept.inventory.serving:
            with self.connect(kept.inventory.way_to(host), login):
                pass
        yield

    def lets_in_everywhere(self, key: str) -> bool:
        try:
            for host in INVENTORY.host:
                self.let_in(INVENTORY.way_to(host), key)
        except LoginRefusedError:
            return False
        return True


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    home = Home(tmp_path).stack("default")
    home.create()
    files.write(home.plan, to_json(msgspec.structs.replace(make_plan(), stack="default", target="metal")))
    key = tmp_path / "mine"
    fleet = Fleet(home, ensure_key(key))
    kept = KeptHosts(inventory=INVENTORY, key=str(key), owner="x", plans=())
    request = Kept(profile=load_profile("poc"), upstream=None, target="metal", hosts=kept)
    files.write(home.folder / "request.json", msgspec.json.encode(request))
    monkeypatch.setattr(ssh_key, "connect", fleet.connect)
    monkeypatch.setattr(ssh_key, "authorized_files", fleet.files_of)
    monkeypatch.setattr(ssh_key, "replace", fleet.replace)
    monkeypatch.setattr(HostSession, "open", fleet.session)
    return fleet


def key_of(home: StackHome) -> Path:
    """Return the key that the stack logs in with."""
    kept = hosts_of(home)
    assert kept
    return Path(kept.key)


def test_the_new_key_takes_the_old_ones_place_and_options(fleet: Fleet) -> None:
    report = rotate_ssh_key(fleet.home, SHOW)
    new = public_half(Path(report.file))
    assert fleet.texts == dict.fromkeys(fleet.texts, f"{SOMEBODYS}no-pty {new} cloister\n")
    assert key_of(fleet.home) == Path(report.file)
    assert Path(report.file).parent == fleet.home.home.keys
    assert (fleet.home.home.root / "mine").is_file()  # it was the person's own
    again = rotate_ssh_key(fleet.home, SHOW)
    assert sorted(path.name for path in fleet.home.home.keys.iterdir()) == [
        Path(again.file).name,
        f"{Path(again.file).name}.pub",
    ]


@pytest.mark.slow
def test_wherever_it_is_killed_one_key_logs_in_everywhere_and_it_goes_on(fleet: Fleet) -> None:
    for allowed in range(200):
        fleet.steps = allowed
        before = public_half(key_of(fleet.home))
        try:
            report = rotate_ssh_key(fleet.home, SHOW)
        except KilledError:
            made = fleet.home.home.keys.glob("*[0-9]") if fleet.home.home.keys.is_dir() else ()
            keys = {before, public_half(key_of(fleet.home)), *map(public_half, made)}
            fleet.steps = 10**6
            assert any(map(fleet.lets_in_everywhere, keys)), allowed
            assert fleet.lets_in_everywhere(public_half(key_of(fleet.home))), allowed
            report = rotate_ssh_key(fleet.home, SHOW)
        else:
            break
        new = public_half(Path(report.file))
        assert fleet.texts == dict.fromkeys(fleet.texts, f"{SOMEBODYS}no-pty {new} cloister\n"), allowed
    assert 20 < allowed < 199


@pytest.mark.parametrize("deaf", [host.name for host in INVENTORY.host])
def test_a_host_that_takes_no_new_key_ends_it_everywhere(fleet: Fleet, deaf: str) -> None:
    before, key = dict(fleet.texts), key_of(fleet.home)
    fleet.deaf = {deaf}
    with pytest.raises(NewKeyRefusedError, match=deaf):
        rotate_ssh_key(fleet.home, SHOW)
    assert fleet.texts == before
    assert key_of(fleet.home) == key
    assert not list(fleet.home.home.keys.iterdir())
    fleet.deaf = set()
    assert rotate_ssh_key(fleet.home, SHOW).state == "done"


@pytest.mark.parametrize("deaf", [host.name for host in INVENTORY.host])
def test_a_host_that_stops_taking_the_new_key_gets_the_old_one_back(fleet: Fleet, deaf: str) -> None:
    def turn_deaf(name: str) -> None:
        if name == deaf and not lets_in(fleet.texts[name], fleet.old):
            fleet.deaf = {deaf}

    fleet.on_write = turn_deaf
    with pytest.raises(LoginRefusedError, match=deaf):
        rotate_ssh_key(fleet.home, SHOW)
    assert lets_in(fleet.texts[deaf], fleet.old)


def test_a_key_that_comes_from_elsewhere_is_not_touched(fleet: Fleet) -> None:
    elsewhere = {**fleet.texts, "direct": SOMEBODYS}
    let_in = fleet.let_in
    fleet.texts = dict(elsewhere)
    fleet.let_in = lambda way, key: None if way == (DIRECT,) else let_in(way, key)  # type: ignore[method-assign]  # a directory hands it out
    with pytest.raises(DeployError) as refused:
        rotate_ssh_key(fleet.home, SHOW)
    assert refused.value.code == "key_from_elsewhere"
    assert fleet.texts == elsewhere
