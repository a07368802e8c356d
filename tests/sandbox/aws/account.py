"""The emulated account for tests: one process per session, on a free loopback port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.handlers.clients import Boto3Clients

REGION = "us-east-2"
READY_WITHIN_S = 60
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Account:
    """A running account."""

    url: str
    log: Path
    pid: int

    def clients(self, region: str = REGION) -> Boto3Clients:
        return Boto3Clients(self.url, region)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start(log: Path) -> tuple[Account, subprocess.Popen[bytes]]:
    """Start an account and wait until it answers."""
    port = free_port()
    command = [sys.executable, "-m", "sandbox.aws", "--port", str(port), "--region", REGION]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "AWS_PROFILE": "a-profile-that-does-not-exist"}
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment, cwd=tempfile.gettempdir())
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_cloister/health", timeout=READY_WITHIN_S) as answer:
                assert answer.status == 200
            return Account(url, log, process.pid), process
        except OSError:
            time.sleep(0.02)  # not listening yet
    stop(process)
    raise AssertionError(f"the account did not start:\n{log.read_text()}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


_RUNNING = pytest.StashKey[Account]()


@pytest.fixture(scope="session")
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The session's account: started once, whichever folder asks first."""
    config = request.config
    if _RUNNING not in config.stash:
        running, process = start(tmp_path_factory.mktemp("aws") / "log")
        config.add_cleanup(lambda: stop(process))
        config.stash[_RUNNING] = running
    return config.stash[_RUNNING]


@pytest.fixture(scope="session")
def clients(account: Account) -> Boto3Clients:
    return account.clients()
