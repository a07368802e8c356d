"""Where programs are found, and how a missing one is fetched: with the system's own tools, here imitated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle import parts

APT_GET = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
    *download*) echo package >prometheus_1_amd64.deb ;;
esac
"""
DPKG_DEB = """#!/bin/sh
[ "$1" = -x ] && [ "$(cat "$2")" = package ] || exit 1
mkdir -p "$3/usr/bin" && printf '#!/bin/sh\\n' >"$3/usr/bin/prometheus" && chmod 755 "$3/usr/bin/prometheus"
"""


class Machine:
    """A machine with a few tools and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.cache, self.log = folder / "bin", folder / "cache", folder / "apt.log"
        self.bin.mkdir()
        for tool in ("cat", "mkdir", "chmod", "sleep"):
            (self.bin / tool).symlink_to(f"/bin/{tool}")

    def install(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def left_in_cache(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setenv("LOG", str(made.log))
    monkeypatch.setattr(parts, "cache_folder", lambda: made.cache)
    return made


@pytest.fixture
def with_apt(machine: Machine) -> Machine:
    machine.install("apt-get", APT_GET)
    machine.install("dpkg-deb", DPKG_DEB)
    return machine


@pytest.mark.usefixtures("machine")
def test_a_module_of_ours_is_run_by_this_python_and_not_searched_for_in_the_working_directory() -> None:
    assert parts.resolve("gateway") == [sys.executable, "-P", "-m", "gateway"]


def test_a_wheels_program_is_the_one_beside_this_python(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(machine.bin / "python"))
    assert parts.resolve("traefik") is None
    program = machine.install("traefik", "")
    assert parts.resolve("traefik") == [str(program)]


def test_what_is_on_the_machine_comes_before_what_was_unpacked(with_apt: Machine) -> None:
    assert parts.obtain("prometheus") == ""
    unpacked = with_apt.cache / "prometheus/usr/bin/prometheus"
    assert parts.resolve("prometheus") == [str(unpacked)]
    assert parts.promtool() is None
    installed = with_apt.install("prometheus", "")
    assert parts.resolve("prometheus") == [str(installed)]
    checker = with_apt.install("promtool", "")
    assert parts.promtool() == str(checker)


@pytest.mark.usefixtures("machine")
def test_what_is_absent_says_where_it_was_looked_for() -> None:
    assert parts.absence("prometheus") == "not found (path prometheus, debian prometheus)"
    assert parts.absence("gateway") == ""


def test_a_package_is_fetched_once_and_the_system_is_left_alone(with_apt: Machine) -> None:
    assert parts.obtain("prometheus") == ""
    update, download = with_apt.log.read_text().splitlines()
    assert update.endswith(" update")
    assert download.endswith(" download prometheus")
    for call in (update, download):
        assert f"Dir::State::Lists={with_apt.cache}/.apt-" in call
        assert f"Dir::Cache={with_apt.cache}/.apt-" in call
    assert parts.obtain("prometheus") == ""
    assert len(with_apt.log.read_text().splitlines()) == 2
    assert with_apt.left_in_cache() == ["prometheus"]


@pytest.mark.parametrize("present", ["", "apt-get", "dpkg-deb"])
def test_where_there_is_no_such_tool_it_is_named(machine: Machine, present: str) -> None:
    if present:
        machine.install(present, "")
    why = parts.obtain("prometheus")
    assert all((tool in why) == (tool != present) for tool in ("apt-get", "dpkg-deb"))
    assert not machine.cache.exists()


@pytest.mark.parametrize(
    ("tool", "text", "told"),
    [
        (
            "apt-get",
            "echo 'first' >&2\necho 'E: no route to the archive' >&2\nexit 100\n",
            "E: no route to the archive",
        ),
        ("apt-get", "exit 100\n", "no message"),
        ("apt-get", "exec sleep 30\n", "did not come within"),
        ("apt-get", "exit 0\n", "cannot be unpacked"),
        ("dpkg-deb", "echo 'not a Debian archive' >&2\nexit 2\n", "not a Debian archive"),
        ("dpkg-deb", "exit 0\n", "cannot be unpacked"),
    ],
)
def test_a_failure_is_said_and_leaves_nothing(
    with_apt: Machine, tool: str, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "UNPACK_TIMEOUT_S", 0.5)
    with_apt.install(tool, f"#!/bin/sh\n{text}")
    assert told in parts.obtain("prometheus")
    assert with_apt.left_in_cache() == []
    assert parts.resolve("prometheus") is None


def test_two_at_once_both_have_it(with_apt: Machine) -> None:
    """Another run was quicker: what it unpacked is there when ours is about to be."""
    other = f"mkdir -p {with_apt.cache}/prometheus/usr/bin\n"
    program = f"{with_apt.cache}/prometheus/usr/bin/prometheus"
    with_apt.install("dpkg-deb", DPKG_DEB + f"{other}printf '' >{program} && chmod 755 {program}\n")
    assert parts.obtain("prometheus") == ""
    assert with_apt.left_in_cache() == ["prometheus"]


def test_the_folder_of_unpacked_programs_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parts.cache_folder().is_relative_to(tmp_path)


def test_a_program_that_was_unpacked_runs(with_apt: Machine) -> None:
    parts.obtain("prometheus")
    program = parts.resolve("prometheus")
    assert program is not None
    assert subprocess.run(program, env={"PATH": str(with_apt.bin)}, check=False).returncode == 0


def test_what_runs_only_where_it_is_installed_is_not_unpacked(with_apt: Machine) -> None:
    assert "apt install prometheus-alertmanager" in parts.obtain("alertmanager")
    assert not with_apt.log.exists()
    assert not with_apt.cache.exists()
    installed = with_apt.install("prometheus-alertmanager", "")
    assert parts.obtain("alertmanager") == ""
    assert parts.resolve("alertmanager") == [str(installed)]
