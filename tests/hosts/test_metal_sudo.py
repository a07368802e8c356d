"""A user whose sudo wants a password, and a machine that loses its power at ten points of `up`: all by one host's life.

The password is in no list of processes, here or on the host, and in no file but the one that was named.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.hosts.image import SHARED_PASSWORD_USER
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.runtime import place_runtime
from tests.hosts.test_metal import checks, snapshot, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hosts")]

PASSWORD = "b7Qz-not-a-word-of-any-list"


class World(msgspec.Struct):
    """A host, whose user becomes root with a password, and who knows it."""

    machine: Machine
    operator: Operator
    password_file: Path
    before: str

    @property
    def with_password(self) -> tuple[str, str]:
        """The option that every verb takes."""
        return ("--sudo-password-file", str(self.password_file))


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Lab() as lab:
        machine = lab.host("bookworm", name="h")
        machine.run("chpasswd", text=f"{SHARED_PASSWORD_USER}:{PASSWORD}\n")
        operator = Operator(tmp_path_factory.mktemp("operator") / "one", machine)
        operator.place(machine, user=SHARED_PASSWORD_USER)
        before = snapshot(machine)
        place_runtime(machine)
        yield World(machine, operator, password_file(operator.folder / "password", PASSWORD), before)


def password_file(path: Path, password: str) -> Path:
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return path


def test_up(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.up(*world.with_password).end()
    print(f"up {time.monotonic() - began:.0f} s")
    print(code, report, told)


def test_again(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.up(*world.with_password).end()
    print(f"up {time.monotonic() - began:.0f} s")
    print(code, report, told[-1000:])


@pytest.mark.parametrize("words", ["status", "verify", "logs gateway -n 2", "audit", "rotate cert", "rotate ssh-key"])
def test_verb(world: World, words) -> None:
    began = time.monotonic()
    more = () if words == "status" else world.with_password
    code, report, told = world.operator.deploy(*words.split(), *more)
    if words == "verify": print(checks(report, ok=False))
    print(words, f"{time.monotonic() - began:.0f} s")
    print(code, str(report)[:1000], told[-1000:])


def test_down(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.deploy("down", *world.with_password)
    print(f"down {time.monotonic() - began:.0f} s")
    print(code, report, told[-1000:])
    assert snapshot(world.machine) == world.before
