"""The module that places files: exactly these, whole or not at all; what it once placed goes when it is unwanted."""

from __future__ import annotations

import base64
import getpass
import grp
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

SOURCE = Path(__file__).parents[2] / "ansible" / "library" / "place_files.py"
Place = Callable[..., dict[str, Any]]


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("place_files", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def place(module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """Run the module over files given as name=text, below a folder of the test's own."""
    me = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}

    def run(
        *,
        check: bool = False,
        folders: tuple[str, ...] = (),
        mode: str = "0640",
        validate: str = "",
        edited: dict[str, dict[str, Any]] | None = None,
        theirs: tuple[str, ...] = (),
        **texts: str,
    ) -> dict[str, Any]:
        names = {name.replace("__", "/"): text for name, text in texts.items()}
        arguments = {
            "record": str(tmp_path / "record.json"),
            "folders": [{"path": str(tmp_path / name), "mode": "0750", **me} for name in folders],
            "files": [
                {
                    "path": str(tmp_path / name),
                    "content": base64.b64encode(text.encode()).decode(),
                    "mode": mode,
                    "validate": validate,
                    **me,
                }
                for name, text in names.items()
            ],
            "edited": [
                {"path": str(tmp_path / name), "mode": mode, **me, **how} for name, how in (edited or {}).items()
            ],
            "theirs": [{"path": str(tmp_path / name), "mode": mode, **me} for name in theirs],
            "_ansible_check_mode": check,
            "_ansible_diff": True,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def there(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_is_wanted_is_there_and_a_second_run_changes_nothing(place: Place, tmp_path: Path) -> None:
    first = place(folders=("a",), a__one="1 {{ x }} é\n", two="2")
    assert first["changed"]
    assert {name: text for name, text in there(tmp_path).items() if name != "record.json"} == {
        "a/one": "1 {{ x }} é\n",
        "two": "2",
    }
    assert (tmp_path / "two").stat().st_mode & 0o777 == 0o640
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = place(folders=("a",), a__one="1 {{ x }} é\n", two="2")
    assert not again["changed"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == stamps


def test_a_dry_run_says_the_same_and_does_nothing(place: Place, tmp_path: Path) -> None:
    place(folders=("a",), a__one="1", two="2")
    before = there(tmp_path)
    preview = place(check=True, a__one="new")
    assert there(tmp_path) == before
    done = place(a__one="new")
    assert (preview["placed"], preview["removed"]) == (done["placed"], done["removed"])
    assert [(diff["before"], diff["after"]) for diff in preview["diff"]] == [("1", "new")]


def test_what_it_once_placed_goes_and_nothing_else(place: Place, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep").write_text("not placed by us")
    place(folders=("mine", "ours"), mine__one="1", ours__two="2")
    assert sorted(place()["removed"]) == [str(tmp_path / name) for name in ("mine/one", "ours", "ours/two")]
    assert there(tmp_path) == {"mine/keep": "not placed by us"}
    assert not place()["changed"]


def test_a_mode_that_somebody_changed_is_mended(place: Place, tmp_path: Path) -> None:
    place(one="1")
    (tmp_path / "one").chmod(0o666)
    assert place(one="1")["placed"] == [str(tmp_path / "one")]
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o640


def test_a_run_that_is_cut_short_forgets_nothing(
    place: Place, tmp_path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(old="0")
    write = module.Placing.write

    def dies(placing: Any, file: dict[str, str]) -> None:
        if file["path"].endswith("two"):
            raise SystemExit(9)
        write(placing, file)

    with monkeypatch.context() as cut:
        cut.setattr(module.Placing, "write", dies)
        with pytest.raises(json.JSONDecodeError):  # it said nothing
            place(one="1", two="2")
    assert set(there(tmp_path)) == {"old", "one", "record.json"}
    place()
    assert there(tmp_path) == {}


def test_nothing_half_written_is_left_when_a_user_is_missing(place: Place, tmp_path: Path, module: ModuleType) -> None:
    module.ids = lambda one: None  # type: ignore[attr-defined]  # the module is one of the test's own
    assert "no user" in place(one="1")["msg"]
    assert there(tmp_path) == {}


def test_what_one_program_refuses_keeps_every_file_as_it_is(place: Place, tmp_path: Path) -> None:
    place(one="good", two="good")
    before = there(tmp_path)
    answer = place(validate="grep -q good %s", one="good, and better", two="bad", three="good")
    assert "two: failed to validate" in answer["msg"]
    assert there(tmp_path) == before
    assert place(validate="grep -q good %s", one="good, and better")["changed"]


def test_settings_in_files_of_others_stand_where_they_stood(place: Place, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("# days\nDAYS\t99\n#ROUNDS 5\nDAYS_MORE 1\nDAYS 98\nlast 1")
    edited = {
        "login": {"settings": {"DAYS": 365, "ROUNDS": 9, "NEW": "x"}},
        "made": {"settings": {"CHECK": "weekly"}, "separator": "="},
    }
    preview = place(check=True, edited=edited)
    assert there(tmp_path).keys() == {"login"}
    done = place(edited=edited)
    assert preview["placed"] == done["placed"] == [str(tmp_path / "login"), str(tmp_path / "made")]
    assert (tmp_path / "login").read_text() == "# days\nDAYS\t99\nROUNDS 9\nDAYS_MORE 1\nDAYS 365\nlast 1\nNEW x\n"
    assert (tmp_path / "made").read_text() == "CHECK=weekly\n"
    assert not place(edited=edited)["changed"]
    (tmp_path / "login").write_bytes(b"\xff")
    assert "no text" in place(edited=edited)["msg"]


def test_of_what_is_theirs_only_the_rights_are_ours(place: Place, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "theirs").chmod(0o666)
    assert place(theirs=("theirs", "not there"))["placed"] == [str(tmp_path / "theirs")]
    assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o640
    assert not place(theirs=("theirs", "not there"))["changed"]
    assert (tmp_path / "theirs").read_text() == "theirs"
