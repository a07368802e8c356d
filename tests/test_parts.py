"""A missing part is a skip on a developer's machine and a failure in CI."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lifecycle import parts
from tests.parts import require


@pytest.mark.parametrize(
    "part",
    [
        *("traefik", "prometheus", "promtool", "openssl", "curl", "unshare", "pulumi"),
        *("etcd", "kube-apiserver", "setpriv"),
    ],
)
def test_a_part_that_is_found_can_be_run(part: str) -> None:
    program = require(part)
    assert os.access(program, os.X_OK)
    argument = "version" if part in {"traefik", "openssl", "pulumi"} else "--version"
    assert subprocess.run([program, argument], capture_output=True, check=False).returncode == 0


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(parts, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("part", ["prometheus", "promtool", "openssl"])
def test_a_missing_part_skips_for_a_developer_and_fails_in_ci(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match=part):
        require(part)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=part):
        require(part)


@pytest.mark.usefixtures("nothing_installed")
def test_the_engine_that_no_registry_has_may_be_missing_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match="did not run"):
        require("pulumi")


@pytest.mark.engine
def test_what_is_marked_engine_runs_only_where_it_is() -> None:
    require("pulumi")
