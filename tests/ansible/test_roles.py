"""Roles say what they take, in one voice, and Ansible itself accepts them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifecycle.hosts.fit import SYSTEMS

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
    entries = read(role / "meta" / "argument_specs.yml")["argument_specs"].values()
    options = {name: option for entry in entries for name, option in entry["options"].items()}
    optional = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert optional == read(role / "defaults" / "main.yml")
    assert all(name.startswith(f"{role.name}_") for name in options)
    assert all(option["description"] for option in options.values())


def test_what_a_host_is_refused_for_is_what_the_role_refuses() -> None:
    assert {tuple(system.split()) for system in read(ROOT / "roles/base/defaults/main.yml")["base_systems"]} == SYSTEMS


def test_the_pages_of_roles_are_current() -> None:
    done = run(sys.executable, str(ROOT.parent / "tools" / "role_pages.py"), "--check")
    assert done.returncode == 0, done.stderr


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
        *("--tags", "base", "-e", "base_journal_days=forever", "-e", "ansible_become=false"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
    )
    assert done.returncode != 0
    assert "base_journal_days" in done.stdout
    assert "Look at what is there" not in done.stdout


@pytest.mark.slow
def test_check_mode_shows_and_changes_nothing(tmp_path: Path) -> None:
    """Of the role `base`, on this machine, with folders of the test's own."""
    values = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "base_journal_folder": str(tmp_path / "journald.conf.d"),
        "base_journal_max_mib": 7,
        "base_sysctl": {"vm.swappiness": 1},
        "base_sysctl_folder": str(tmp_path),
        "base_packages": [],
        "base_security_updates": False,
        "base_systems": [system()],
    }
    local = ("-i", "localhost,", "-c", "local", "-e", json.dumps(values))
    done = run(str(BIN / "ansible-playbook"), *local, "--check", "--diff", "--tags", "base", "prepare.yml")
    # Not the exit code: on a machine without systemd, check mode rightly says that there is no journal to restart.
    assert {"+SystemMaxUse=7M", "+vm.swappiness = 1"} <= set(done.stdout.splitlines()), done.stdout
    assert list(tmp_path.iterdir()) == []


def system() -> str:
    """Name this machine's system as the role does."""
    release = platform.freedesktop_os_release()
    return f"{release['ID']} {release['VERSION_ID']}"


@pytest.mark.slow
def test_ansible_lint_at_its_strictest() -> None:
    playbooks = sorted(path.name for path in ROOT.glob("*.yml"))
    done = run(str(BIN / "ansible-lint"), "--profile", "production", "--offline", *playbooks, "roles")
    assert done.returncode == 0, done.stdout + done.stderr
