"""`deploy up --target metal` and its fellows on a booted host, through the command line, as their user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.image import OPERATOR
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.runtime import place_runtime

ROOT = Path(__file__).parents[2]
PROFILE = """
extends = "poc"
description = "Everything but the engine, on a test host"

[engine]
stand_in = true

[network]
client_cidrs = ["10.213.0.0/24"]

[limits]
max_in_flight = {max_in_flight}
"""


@pytest.fixture(scope="module")
def lab(can_boot: None) -> Iterator[Lab]:
    """One lab for all tests of this module: they share a host."""
    with Lab() as lab:
        yield lab


class Operator:
    """Somebody who works on a host with `deploy`."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.folder = folder
        self.machine = machine
        self.write_inventory(machine)
        self.write_profile(64)

    def write_inventory(self, *machines: Machine) -> None:
        tables = [
            f'[[host]]\nname = "{machine.name}"\naddress = "{machine.v4}"\nuser = "{OPERATOR}"\n'
            f'host_key = "{machine.host_key}"\n'
            for machine in machines
        ]
        (self.folder / "hosts.toml").write_text("\n".join(tables))

    def write_profile(self, max_in_flight: int) -> None:
        (self.folder / "lab.toml").write_text(PROFILE.format(max_in_flight=max_in_flight))

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "CLOISTER_HOME": str(self.folder / "home"), "HOME": str(self.folder)}
        environment["PYTHONPATH"] = str(ROOT)
        command = (sys.executable, "-m", "cli", *words)
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def deploy(self, *words: str, timeout_s: float = 240) -> tuple[int, Any, str]:
        """Run a command with `--json`; return its exit code, what it printed, and what it told meanwhile."""
        process = self.start(*words, "--json")
        out, err = process.communicate(timeout=timeout_s)
        return process.returncode, json.loads(out) if out else None, err

    def up(self, *more: str) -> tuple[int, Any, str]:
        return self.deploy(*self.up_words(), *more)

    def up_words(self) -> tuple[str, ...]:
        where = ("--target", "metal", "--inventory", "hosts.toml", "--key", str(self.machine.key))
        return ("up", *where, "--profile", "./lab.toml", "--yes")


class Served:
    """A host that carries a stack, and how it came to that."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.machine = lab.host("bookworm")
        self.stranger: Namespace = lab.onlooker("stranger")
        place_runtime(self.machine)
        self.operator = Operator(folder, self.machine)
        began = time.monotonic()
        self.code, self.report, self.told = self.operator.up()
        self.first_s = time.monotonic() - began


@pytest.fixture(scope="module")
def served(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(lab, tmp_path_factory.mktemp("operator"))


def test_up_again_changes_nothing(served: Served) -> None:
    assert served.code == 0, json.dumps(served.report) + served.told[-3000:]
    assert served.report["models"] == ["llama-3.1-8b-instruct"]
    began = time.monotonic()
    code, report, told = served.operator.up()
    print("first", served.first_s, "second", time.monotonic() - began)
    assert (code, report["changes"]) == (0, {}), told


def test_status_and_logs(served: Served) -> None:
    code, report, told = served.operator.deploy("status")
    assert (code, report["state"]) == (0, "running"), (report, told)
    code, report, told = served.operator.deploy("logs", "gateway")
    assert code == 0, told
    print(report)


def test_verify(served: Served) -> None:
    code, report, told = served.operator.deploy("verify")
    for check in report["checks"]:
        print(check["ok"], check["id"], check["detail"][:150])
    assert code == 0, told[-3000:]


def test_down(served: Served) -> None:
    code, report, told = served.operator.deploy("down")
    print(json.dumps(report, indent=1))
    assert code == 0, told
    print(Path(report["certificate"]).with_suffix(".md").read_text())
