"""State folders: private, findable, and refused when somebody else made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.home import Home
from planner.errors import DeployError, UsageError


@pytest.mark.parametrize("name", ["", "A", "a_b", "../a", "-a", "a-", "a" * 33, "a/b", "a b"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Home(tmp_path).stack(name)


def test_folders_are_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    stack = Home(tmp_path / "with space").stack("a")
    stack.create()
    layout = stack.layout
    for folder in (layout.stack, layout.secrets, layout.run, layout.logs):
        assert Path(folder).stat().st_mode & 0o077 == 0
    assert [found.name for found in stack.home.stacks()] == ["a"]


def test_a_run_folder_open_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    stack = Home(tmp_path / "state").stack("a")
    Path(stack.layout.run).mkdir(mode=0o777)
    Path(stack.layout.run).chmod(0o777)
    with pytest.raises(DeployError) as refused:
        stack.create()
    assert refused.value.code == "run_folder_not_private"


def test_a_state_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DeployError) as refused:
        Home(tmp_path / "file").stack("a").create()
    assert refused.value.code == "state_not_writable"
