"""Langfuse's files on a host: word for word, sound for those that read them, and good for every rule."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from planner.catalogue import load_catalogue
from policies.run import evaluate
from templates.environment import FOLDER
from templates.hosts import QUADLETS, HostAbilities, container_of, render_host
from tests.langfuse import HOST, langfuse_plan

GOLDEN = Path(__file__).parent / "golden_langfuse"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    plan = langfuse_plan()
    return {file.path: file.text for file in render_host(plan, load_catalogue(), HOST, HostAbilities(systemd=257))}


def ours(files: dict[str, str]) -> dict[str, str]:
    names = {path: path.removeprefix("/etc/").replace("/", "_") for path in files if "langfuse" in path}
    return {name: files[path] for path, name in names.items()}


def test_files_are_as_they_were(files: dict[str, str]) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        for name, text in ours(files).items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    assert ours(files) == {path.name: path.read_text("utf-8") for path in GOLDEN.iterdir()}


def test_scripts_and_configuration_can_be_read(files: dict[str, str]) -> None:
    scripts = [text for path, text in files.items() if path.endswith("start.sh")]
    assert len(scripts) == 3
    for text in scripts:
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    for path, text in files.items():
        if path.endswith(".xml"):
            ET.fromstring(text)


def test_no_rule_finds_a_fault_in_any_container(files: dict[str, str]) -> None:
    assert [one for one in evaluate(None, (), files=files) if "langfuse" in one.resource] == []


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        ("ReadOnly=true", "ReadOnly=false", "containers-contained"),
        ("Network=host", "Network=host\nPublishPort=8300:8300", "containers-contained"),
        ("Environment=HOSTNAME=127.0.0.1", "Environment=DB_PASSWORD=hunter22-hunter22", "no-secrets-in-clear"),
        ("MemoryMax=3072M\n", "", "units-limited"),
    ],
)
def test_rules_find_what_is_spoilt(files: dict[str, str], good: str, bad: str, rule: str) -> None:
    path = container_of("langfuse-web")
    assert good in files[path]
    found = evaluate(None, (), files={**files, path: files[path].replace(good, bad)})
    assert rule in {one.rule for one in found if one.resource == path}


def test_each_container_sees_its_own_folders_and_secrets_alone(files: dict[str, str]) -> None:
    for path, text in files.items():
        if path.startswith(QUADLETS):
            name = path.rpartition("/cloister-")[2].removesuffix(".container")
            volumes = [line.removeprefix("Volume=").split(":")[0] for line in text.splitlines() if "Volume=" in line]
            allowed = {
                *(f"/var/lib/cloister/data/{name}", f"/etc/cloister/{name}"),
                *("/usr/local/lib/cloister/with-secrets", f"/run/cloister-{name}/credentials"),
            }
            assert set(volumes) <= allowed


def awaited(url: str, seconds: str) -> subprocess.CompletedProcess[str]:
    program = FOLDER / "systemd" / "await-health"
    return subprocess.run([sys.executable, program, url, seconds], capture_output=True, text=True, check=False, env={})


def test_what_speaks_no_http_counts_as_started_once_it_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert awaited(url, "5").returncode == 0
    refused = awaited(url, "0.3")
    assert refused.returncode == 1
    assert "not healthy within 0.3 s" in refused.stderr
