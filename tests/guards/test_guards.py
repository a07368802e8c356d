"""Rules that hold for the whole repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.errors import EXIT_CODE_MEANINGS, ExitCode

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")


def sources() -> list[Path]:
    """Return every file of the repository that people write: no environment, cache or other dot folder but `.ci`."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not name.startswith((".", "__pycache__", "build"))]
        found += [Path(folder, name) for name in files if name != ".git"]  # a file in a work tree
    return found


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def faults_of_lock(text: str) -> list[str]:
    """Return what makes a lock file unsafe or bound to one index."""
    requirements = re.split(r"\n(?=[a-z0-9])", text.strip())
    bare = [requirement for requirement in requirements if "--hash=sha256:" not in requirement]
    return bare + re.findall(r".*(?:://|--index|--extra|--find-links).*", text)


def foreign_words(text: str) -> list[str]:
    """Return paths of a developer's machine and hosts of package registries; put together here, so as not to be one."""
    forbidden = (
        r"/wo" + r"rk/",
        r"(?<!\w)/home/[a-z]+/",
        r"/ro" + r"ot/",
        r"py" + r"pi\.org",
        r"file" + r"s\.pythonhosted",
    )
    return re.findall("|".join(forbidden), text)


def named_tests(text: str) -> list[str]:
    return re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_files_carry_hashes_and_no_addresses(lock: str) -> None:
    assert faults_of_lock((ROOT / lock).read_text(encoding="utf-8")) == []


def test_what_users_run_is_what_tests_run() -> None:
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_no_developers_paths_and_no_registry_hosts_are_tracked() -> None:
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in sources()}
    assert {str(path): words for path, text in texts.items() if (words := foreign_words(text))} == {}


def test_every_test_is_in_a_file_that_is_collected() -> None:
    helpers = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    assert {str(path): names for path in helpers if (names := named_tests(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    ("guard", "planted"),
    [
        (faults_of_lock, "a==1 \\\n    --hash=sha256:00\nb==2\n"),
        (faults_of_lock, "--index-url https" + "://index.example/simple\na==1 --hash=sha256:00\n"),
        (foreign_words, 'CACHE = "/ho' + 'me/ann/.cache"'),
        (foreign_words, "see https" + "://py" + "pi.org/project/x"),
        (named_tests, "class TestX:\n    async def test_it(self): ..."),
    ],
)
def test_guards_see_a_planted_fault(guard: Callable[[str], list[str]], planted: str) -> None:
    assert guard(planted)


def test_exit_codes_are_unique_and_documented() -> None:
    assert len({code.value for code in ExitCode}) == len(ExitCode.__members__)
    assert set(EXIT_CODE_MEANINGS) == set(ExitCode)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert all(f"| {code.value} |" in page for code in ExitCode)


def test_every_package_is_shipped_and_checked() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(PACKAGES) == set(PROJECT["tool"]["importlinter"]["root_packages"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("planner/sizing.py", "import lifecycle.files"),
        ("planner/sizing.py", "import subprocess"),
        ("gateway/config.py", "import planner.plan"),
        ("policies/rule.py", "import stacks.deploy"),
        ("lifecycle/files.py", "import rich"),
    ],
)
def test_import_contracts_break_on_a_planted_import(tmp_path: Path, file: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    whole = subprocess.run(lint, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stdout
    target = tmp_path / file
    target.write_text(target.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    broken = subprocess.run(lint, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert broken.returncode != 0
    assert "BROKEN" in broken.stdout
