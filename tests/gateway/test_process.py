"""The gateway as a process: its configuration, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.gateway.support import write_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GOOD = """
listen = "127.0.0.1:{public}"
admin_listen = "127.0.0.1:{admin}"
[upstream.replicas]
engine = "http://127.0.0.1:9"
[auth]
issuer = "https://issuer.test"
audience = "llm"
jwks_file = "jwks.json"
revocations_file = "revoked.json"
algorithms = ["EdDSA"]
[[routes]]
path = "/v1/models"
methods = ["GET"]
scope = "inference"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def configuration(folder: Path, change: tuple[str, str] = ("", "")) -> tuple[Path, int]:
    write_files(folder)
    admin = free_port()
    text = (
        GOOD.format(public=free_port(), admin=admin).replace(*change)
        if change[0]
        else GOOD.format(public=free_port(), admin=admin)
    )
    path = folder / "gateway.toml"
    path.write_text(text)
    return path, admin


def start(path: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", "--config", str(path), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("audience", "audiense"), "audiense"),
        (('"EdDSA"', '"HS256"'), "HS256"),
        (('"EdDSA"', '"none"'), "none"),
        (('admin_listen = "127.0.0.1', 'admin_listen = "0.0.0.0'), "loopback"),
        (('path = "/v1/models"', 'path = "/v1/{anything}"'), "path"),
        (('revocations_file = "revoked.json"', 'revocations_file = "missing.json"'), "missing.json"),
        (('jwks_file = "jwks.json"', 'jwks_file = "revoked.json"'), "key set"),
        (('engine = "http://127.0.0.1:9"', ""), "upstream.replicas"),
        (("http://127.0.0.1:9", "ftp://127.0.0.1:9"), "upstream.replicas"),
        (("engine =", '"a label\\n" ='), "upstream.replicas"),
    ],
)
def test_a_configuration_that_is_not_safe_does_not_start(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    path, _ = configuration(tmp_path, change)
    _, err = (process := start(path)).communicate(timeout=20)
    assert process.returncode == 2
    assert told in err


def test_check_says_yes_and_ends(tmp_path: Path) -> None:
    path, _ = configuration(tmp_path)
    process = start(path, "--check")
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    path, admin = configuration(tmp_path)
    process = start(path)
    deadline = time.monotonic() + 20
    while not healthy(admin):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def healthy(admin: int) -> bool:
    connection = HTTPConnection("127.0.0.1", admin, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
