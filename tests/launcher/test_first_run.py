"""The first run for real: an empty home, no uv, this machine's own way to its package index."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.launcher.checkout import Checkout, whole

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = whole(tmp_path_factory.mktemp("first run"))
    done = checkout.run("version", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cloister"] == "0.1.0"
    assert "fetching uv" in done.stderr
    return checkout


def test_nothing_of_it_is_left_outside_the_clone_and_the_cache(installed: Checkout) -> None:
    assert {path.name for path in installed.home.iterdir()} <= {".cache", ".local"}
    assert not list(installed.root.glob(".venv-tools.new*"))


def test_later_run_says_nothing_of_its_own(installed: Checkout) -> None:
    done = installed.run("profiles", "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)


def test_deploy_of_the_package_is_the_same_command(installed: Checkout) -> None:
    entry = installed.run("--help", command=installed.venv / "bin/deploy")
    assert entry.returncode == 0
    assert entry.stdout == installed.run("--help").stdout


def test_a_package_that_the_lock_no_longer_names_goes(installed: Checkout) -> None:
    lock = installed.root / "requirements.lock"
    before = lock.read_text()
    flask_cors = before[before.index("flask-cors==") :]
    rest = flask_cors.split("\n")
    end = next(i for i, line in enumerate(rest[1:], 1) if line and not line.startswith(" "))
    lock.write_text(before.replace("\n".join(rest[:end]) + "\n", ""))
    try:
        assert installed.run("version").returncode == 0
        assert not list(installed.venv.glob("lib/python*/site-packages/flask_cors"))
    finally:
        lock.write_text(before)
    assert installed.run("version").returncode == 0
    assert list(installed.venv.glob("lib/python*/site-packages/flask_cors"))


def test_a_python_without_pip_is_helped(tmp_path: Path) -> None:
    """Only the modules pip and ensurepip are hidden; the wheel, the index and the rest are real."""
    checkout = whole(tmp_path)
    python = tmp_path / "bin/python3"
    real = python.readlink()
    python.unlink()
    python.write_text(
        "#!/bin/sh\n"
        f'case "${{PYTHONPATH-}} $*" in " -m pip"* | *ensurepip*) exit 1 ;; *realpath*) echo "$0" ;; '
        f'*) exec "{real}" "$@" ;; esac\n'
    )
    python.chmod(0o755)
    target = checkout.root / ".venv-tools/bin/uv"
    done = checkout.run("version")
    assert target.is_file(), done.stderr
    assert subprocess.run([target, "--version"], capture_output=True, check=True).stdout.startswith(b"uv ")
    assert done.returncode == 0, done.stderr
