"""A host's state before, and the way back to it: on booted hosts, with the real roles."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.lock import PATH, hold_host
from lifecycle.hosts.playbook import play
from lifecycle.hosts.restoration import Restoration, differences, restoration
from lifecycle.hosts.ssh import CommandStuckError, Connection, connect
from lifecycle.hosts.state import Keeper, OtherStackError, watching
from planner.errors import LockedError
from planner.progress import Silent
from tests.hosts.image import Release
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import inventory, login, prepare
from tests.waiting import wait_until

KEPT = "/var/backups/cloister"
HOMES = "/home"
THEIRS = (
    "file /etc/theirs.conf",
    "group theirs",
    *(f"place {HOMES}/theirs/.{name}" for name in ("bash_logout", "bashrc", "profile")),
    "place /opt/theirs",
    "user theirs",
)
"""What somebody else does meanwhile."""


@contextmanager
def connected(machine: Machine, tmp_path: Path) -> Iterator[Connection]:
    with connect(inventory(machine).host, login(machine, tmp_path)) as connection:
        yield connection


def give_back(machine: Machine, tmp_path: Path, what: Restoration, **more: Any) -> None:
    variables = {f"restore_{name}": value for name, value in msgspec.to_builtins(what).items() if name != "kept"}
    hosts: Inventory = inventory(machine)
    play("restore", hosts, login(machine, tmp_path), {**variables, **more}, Silent())


def to_do(keeper: Keeper) -> Restoration:
    assert keeper.before
    return restoration(keeper.before, keeper.now(), keeper.touched)


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_a_prepared_host_is_given_back_as_it_was(lab: Lab, release: Release, tmp_path: Path) -> None:
    machine = lab.host(release)
    with connected(machine, tmp_path) as connection:
        keeper = Keeper(connection, "one", tmp_path / "kept")
        before = keeper.now()
        with watching(keeper):
            prepare(machine, tmp_path)
        machine.run("sh", "-c", "echo mine > /etc/theirs.conf; useradd --create-home theirs; mkdir /opt/theirs")
        what = to_do(keeper)
        assert {"chrony", "nftables", "auditd"} <= set(what.packages)
        give_back(machine, tmp_path, what)
        left = to_do(keeper)
        assert left.is_nothing, left
        assert differences(before, keeper.now()) == THEIRS
        assert machine.run("cat", "/etc/theirs.conf").stdout == "mine\n"


def test_weights_stay_where_they_are_wanted_and_so_does_what_else_is_on_the_disk(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    machine.run("sh", "-c", "mkdir /srv/disk; echo theirs > /srv/disk/theirs")
    disk: dict[str, Any] = {
        "storage_device": "/srv/disk",
        "storage_filesystem": "none",
        "storage_options": ["bind", "nodev", "nosuid"],
    }
    bundle = "/opt/cloister/bundles/b"
    with connected(machine, tmp_path) as connection:
        keeper = Keeper(connection, "one", tmp_path / "kept")
        with watching(keeper):
            prepare(machine, tmp_path, parts=["storage"], **disk)
            machine.run("sh", "-c", f"mkdir -p {bundle}/weights/m {bundle}/wheels /var/lib/cloister/data")
            files = f"{bundle}/weights/m/w {bundle}/wheels/x /var/lib/cloister/data/record /var/lib/cloister/weights/w"
            machine.run("sh", "-c", f"touch {files}")
        give_back(machine, tmp_path, to_do(keeper), restore_keep_weights=True)
        assert to_do(keeper).paths == ("/opt/cloister",)
        found = machine.run("find", "/opt/cloister", "/srv/disk", "/var/lib/cloister", "-type", "f", check=False).stdout
        assert set(found.split()) == {f"{bundle}/weights/m/w", "/srv/disk/theirs", "/srv/disk/weights/w"}
        assert " /var/lib/cloister " not in machine.run("cat", "/proc/mounts").stdout
        give_back(machine, tmp_path, to_do(keeper))
        assert to_do(keeper).is_nothing
        assert machine.run("test", "-e", "/opt/cloister", check=False).returncode == 1


def test_a_host_belongs_to_one_stack(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("trixie")
    with connected(machine, tmp_path) as connection:
        with watching(Keeper(connection, "one", tmp_path)):
            pass
        with pytest.raises(OtherStackError, match="'one'"), watching(Keeper(connection, "other", tmp_path)):
            pass
        Keeper(connection, "one", tmp_path).forget()
        with watching(Keeper(connection, "other", tmp_path)):
            pass


def test_what_others_do_after_a_run_was_lost_is_theirs(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    with connected(machine, tmp_path) as dead, connected(machine, tmp_path) as connection:
        keeper = Keeper(dead, "one", tmp_path)
        with contextlib.suppress(CommandStuckError), hold_host(dead, "up", "one"), watching(keeper):
            machine.run("touch", "/etc/ours.conf")
            dead.client.close()
            wait_until(lambda: machine.run("test", "-e", f"{KEPT}/window", check=False).returncode == 1, 40, 0.2)
        machine.run("touch", "/etc/theirs.conf")
        assert to_do(Keeper(connection, "one", tmp_path)).paths == ("/etc/ours.conf",)


def refused(connection: Connection, verb: str) -> str:
    with pytest.raises(LockedError) as error, hold_host(connection, verb, "one"):
        pass
    return error.value.message


def test_the_second_operator_is_told_who_works_on_the_host(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("trixie")
    with connected(machine, tmp_path) as connection, connected(machine, tmp_path) as other:
        with hold_host(connection, "up", "one") as lock:
            assert re.search(r"deploy up --stack one`, pid \d+, since 20", refused(other, "down"))
            lock.check()
        with hold_host(other, "down", "one"):
            assert "deploy down" in refused(connection, "up")


def test_the_lock_of_a_run_that_died_is_free(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    with (
        connected(machine, tmp_path) as dead,
        connected(machine, tmp_path) as connection,
        hold_host(dead, "up", "one") as lock,
    ):
        dead.client.close()
        wait_until(lambda: not machine.run("cat", PATH).stdout, 20, 0.1)
        with hold_host(connection, "up", "one"), pytest.raises(CommandStuckError, match="broke"):
            lock.check()
