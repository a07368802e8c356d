"""The README's commands from a fresh clone with an empty HOME.

The second one, `make test`, is what runs this very test: CI runs it in a fresh clone.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.deploy_cli import ROOT, Deploy
from tests.e2e.test_running_stack import QUESTION, client_of

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_the_readmes_first_command(tmp_path: Path) -> None:
    commands = re.findall(
        r"^    (\./deploy .*|make .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert commands == ["./deploy up --profile 2xh200", "make test"]
    clone = tmp_path / "a fresh clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (home := tmp_path / "home").mkdir()
    kept = ("PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LANG")
    environment = {
        name: value for name, value in os.environ.items() if name in kept or name.startswith(("PIP_", "UV_"))
    }
    environment["HOME"] = str(home)

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        run(*commands[0].split())
        deploy = Deploy(home / ".local" / "state" / "cloister")
        with client_of(deploy, token=run("./deploy", "token", "issue", "--client", "test").strip()) as client:
            stream = client.chat.completions.create(
                model="qwen3-235b-a22b-fp8", messages=QUESTION, max_tokens=16, stream=True
            )
            assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in stream) > 2
    finally:
        assert "nothing" in run("./deploy", "down")
    assert deploy.processes() == []
