"""Files are the old ones or the new ones, with the mode asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lifecycle import files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [files.PRIVATE, files.PUBLIC])
def test_mode_is_what_was_asked_for_whatever_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    old = os.umask(umask)
    try:
        files.write(tmp_path / "f", b"x", mode)
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == mode


def test_a_looser_old_mode_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    (tmp_path / "f").chmod(0o666)
    files.write(tmp_path / "f", b"new", files.PRIVATE)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "f", b"new", files.PRIVATE)
    assert (tmp_path / "f").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "f"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "f").symlink_to(tmp_path / "victim")
    files.write(tmp_path / "f", b"new", files.PRIVATE)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "f").is_symlink()


def test_private_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    files.make_private_folder(tmp_path / "d")
    files.make_private_folder(tmp_path / "e")
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in "de"} == {0o700}


def test_a_text_is_read_up_to_its_limit_whatever_bears_the_name(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf" + b"x" * 97)
    assert files.read_text(path, 100) == "x" * 97
    for endless, limit in ((path, 99), (Path("/dev/zero"), 4096)):
        with pytest.raises(OSError, match="larger than"):
            files.read_text(endless, limit)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OSError, match="no UTF-8 text"):
        files.read_text(path, 100)
