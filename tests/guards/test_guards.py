"""Rules that hold for the whole repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from planner.errors import EXIT_CODE_MEANINGS, ExitCode

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_files_carry_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    requirements = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_what_users_run_is_what_tests_run() -> None:
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_no_developers_paths_and_no_registry_hosts_are_tracked() -> None:
    forbidden = re.compile(
        "|".join([r"/wo" + r"rk/", r"/home/[a-z]+/", r"py" + r"pi\.org", r"file" + r"s\.pythonhosted"])
    )
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".yml", ".j2", ".sh", ".lock", ".svg", ""}:
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not forbidden.search(text), f"{path.relative_to(ROOT)}: {forbidden.search(text)}"


def test_every_test_is_in_a_file_that_is_collected() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if not path.name.startswith("test_"):
            assert not re.search(r"^\s*(async )?def test_", path.read_text(encoding="utf-8"), re.MULTILINE), path


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
