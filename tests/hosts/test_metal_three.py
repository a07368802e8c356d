"""Three hosts that differ, through a whole life, from one bundle: two releases of Debian, one behind a jump host.

The tests share the hosts and follow their life. No host has a route anywhere, and the inner one's network is not even
this machine's: whatever is said to it goes through the jump host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.hosts.bundles import bundle
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.test_metal import checks, snapshot, started
from tests.hosts.test_metal_bundle import CONTENTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("hosts")]


class World(msgspec.Struct):
    """A jump host, three that serve, and who works on them."""

    bastion: Machine
    old: Machine
    new: Machine
    inner: Machine
    operator: Operator
    bundle: Path
    before: dict[str, str]

    @property
    def serving(self) -> tuple[Machine, ...]:
        return (self.old, self.new, self.inner)

    def started(self) -> dict[str, dict[str, str]]:
        return {machine.name: started(machine) for machine in self.serving}


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("three")
    bundle(folder / "bundle", "bookworm", "trixie", contents=CONTENTS)
    with Lab(most=4) as lab:
        bastion, old = lab.host("bookworm", 0, 1, name="bastion"), lab.host("bookworm", name="old")
        new, inner = lab.host("trixie", name="new"), lab.host("bookworm", 1, name="inner")
        for machine in (old, new, inner):
            machine.let_in_too(bastion.key)
            assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
        operator = Operator(folder / "operator", bastion, old, new, inner)
        operator.place(bastion, roles=["jump"])
        operator.place(inner, jump=bastion.name)
        before = {machine.name: snapshot(machine) for machine in (bastion, old, new, inner)}
        yield World(bastion, old, new, inner, operator, folder / "bundle", before)


def test_three_come_up_and_answer(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end()
    assert code == 0, (str(report) + told)[-3000:]
    print(f"up {time.monotonic() - began:.0f} s")
    assert report["models"] == ["llama-3.1-8b-instruct"]


def test_up_again_changes_nothing(world: World) -> None:
    before, began = world.started(), time.monotonic()
    code, report, told = world.operator.up().end()
    print(f"again {time.monotonic() - began:.0f} s")
    assert (code, report["changes"]) == (0, {}), told
    assert world.started() == before


def test_verify(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.deploy("verify")
    print(f"verify {time.monotonic() - began:.0f} s")
    print("not tried", checks(report, ok=None))
    print("failed", checks(report, ok=False))
    assert code == 0


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "logs gateway",
        "logs gateway --host cl-inner",
        "audit",
        "exposure",
        "drift",
        "ssh cl-inner -- id",
        "sweep",
        "evidence --out /tmp/life-evidence",
        "doctor",
        "list",
        "repair",
    ],
)
def test_verbs(world: World, words: str) -> None:
    began = time.monotonic()
    try:
        got = world.operator.deploy(
            *(words.split() if "--" not in words.split() else [*words.split()[:2], "--json", "--", "id"])
        )
    except Exception as error:
        print(words, "RAISED", error)
        return
    code, report, told = got
    print(f"{words} {time.monotonic() - began:.0f} s", code, str(report)[:1500], told[-1500:])


def test_down(world: World) -> None:
    began = time.monotonic()
    code, report, told = world.operator.deploy("down")
    print(f"down {time.monotonic() - began:.0f} s")
    assert code == 0, (str(report) + told)[-3000:]
    for machine in (world.bastion, *world.serving):
        assert snapshot(machine) == world.before[machine.name], machine.name
