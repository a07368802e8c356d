"""Running `deploy` as its user does: as a process, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Deploy:
    """`deploy`, with its state below `home`."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        base = {key: value for key, value in os.environ.items() if not key.startswith(("CLOISTER_", "OPENAI_"))}
        return {**base, "CLOISTER_HOME": str(self.home), "PYTHONPATH": str(ROOT), **self.env, **more}

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**env),
            cwd=self.home.parent,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 100, **env: str) -> Done:
        """Run a command to its end; with `check` it must succeed."""
        process = self.start(*arguments, **env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"deploy {arguments} took over {timeout} s\n{out}\n{err}") from None
        if check and process.returncode != 0:
            raise AssertionError(f"deploy {arguments} -> {process.returncode}\n{out}\n{err}")
        return Done(process.returncode, out, err)

    def kill_after(self, seconds: float, *arguments: str) -> int | None:
        """Start a command and SIGKILL it after so many seconds; return its code if it ended before."""
        process = self.start(*arguments)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        return process.returncode

    def token(self, stack: str = "default", **options: str) -> str:
        """Return a token for a client called `test`."""
        more = [word for key, value in options.items() for word in (f"--{key}", value)]
        return self("token", "issue", "--client", "test", "--stack", stack, *more).out.strip()

    def processes(self) -> list[int]:
        """Return the pids of everything that belongs to a stack below this home."""
        marker = f"CLOISTER_STACK_DIR={self.home}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if marker in environ.read_bytes():
                    found.append(int(environ.parent.name))
            except OSError:
                continue  # it ended, or is another user's
        return found
