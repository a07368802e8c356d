"""Roles say what they take, in one voice, and Ansible itself accepts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2] / "ansible"
BIN = Path(sys.executable).parent
ROLES = sorted((ROOT / "roles").iterdir())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_specs_defaults_are_the_roles(role: Path) -> None:
    options = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == read(role / "defaults" / "main.yml")
    assert all(name.startswith(f"{role.name}_") for name in options)
    assert all(option["description"] for option in options.values())


def test_there_is_no_package_that_would_shadow_ansibles_own() -> None:
    assert not (ROOT / "__init__.py").exists()


@pytest.mark.slow
@pytest.mark.parametrize("playbook", sorted(ROOT.glob("*.yml")), ids=lambda path: path.name)
def test_ansible_accepts_the_playbook(playbook: Path) -> None:
    done = run(str(BIN / "ansible-playbook"), "-i", "localhost,", "--syntax-check", playbook.name)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_wrong_argument_is_refused_before_anything_happens() -> None:
    done = run(
        *(str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local", "--check", "prepare.yml"),
        *(
            "-e",
            "base_journal_days=forever",
            "-e",
            "ansible_become=false",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
        ),
    )
    assert done.returncode != 0
    assert "base_journal_days" in done.stdout
    assert "Install the base packages" not in done.stdout


@pytest.mark.slow
def test_ansible_lint_at_its_strictest() -> None:
    done = run(str(BIN / "ansible-lint"), "--profile", "production", "--offline", "prepare.yml", "roles")
    assert done.returncode == 0, done.stdout + done.stderr
