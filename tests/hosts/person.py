"""Somebody who works on test hosts with `deploy`: through the command line, with files of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.hosts.image import OPERATOR
from tests.hosts.machine import Machine

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
max_in_flight_per_client = 16
"""


class Running:
    """A command that runs, and what it has told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.told += iter(self.process.stderr.readline, "")

    def _close(self) -> None:
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def has_told(self, words: str) -> bool:
        """Tell whether a line with these words came, or the command has ended without it."""
        if any(words in line for line in self.told):
            return True
        if self.process.poll() is not None:
            raise AssertionError(f"ended before it told {words!r}: {''.join(self.told)[-2000:]}")
        return False

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(10)
        self._close()

    def end(self, timeout_s: float = 240) -> tuple[int, Any, str]:
        """Wait for it; return exit code, the document that it printed, and what it told."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(timeout_s)
        self._close()
        return code, json.loads(out) if out else None, "".join(self.told)


class Operator:
    """A person with a folder: inventory, profile, and the toolkit's own state."""

    def __init__(self, folder: Path, *machines: Machine) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = machines[0].key
        self._hosts: dict[str, dict[str, Any]] = {}
        for machine in machines:
            self.place(machine)
        self.write_profile(64)

    def place(self, machine: Machine, **more: str | list[str]) -> None:
        """Write a host into the inventory, or write it anew with other fields."""
        own = {"name": machine.name, "address": machine.v4, "user": OPERATOR, "host_key": machine.host_key}
        self._hosts[machine.name] = {**own, **more}
        tables = [
            "[[host]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in host.items())
            for host in self._hosts.values()
        ]
        (self.folder / "hosts.toml").write_text("\n".join(tables))

    def write_profile(self, max_in_flight: int) -> None:
        """Want something else."""
        (self.folder / "lab.toml").write_text(PROFILE.format(max_in_flight=max_in_flight))

    def start(self, *words: str) -> Running:
        """Start `deploy WORDS --json`."""
        return Running(self.process(*words, "--json"))

    def process(self, *words: str) -> subprocess.Popen[str]:
        """Start `deploy WORDS`."""
        environment = {**os.environ, "CLOISTER_HOME": str(self.folder / "home"), "HOME": str(self.folder)}
        return subprocess.Popen(
            (sys.executable, "-m", "cli", *words),
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def deploy(self, *words: str) -> tuple[int, Any, str]:
        """Run `deploy WORDS --json`; return its exit code, the document that it printed, and what it told."""
        return self.start(*words).end()

    def up(self, *more: str) -> Running:
        """Start `up`."""
        where = ("--target", "metal", "--inventory", "hosts.toml", "--key", str(self.key))
        return self.start("up", *where, "--profile", "./lab.toml", "--yes", *more)
