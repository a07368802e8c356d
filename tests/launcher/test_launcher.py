"""The launcher, with a stand-in for uv: what it notices, mends, says, and leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launcher.checkout import Checkout, with_fakes
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

NOBODY = 65534


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return with_fakes(tmp_path)


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    assert checkout.run().returncode == 0
    checkout.log.unlink()
    return checkout


def test_first_run_makes_the_environment_and_runs_the_command(checkout: Checkout) -> None:
    done = checkout.run("token", "issue", "--client", "a b", stdin="from the caller\n")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        *(f"argument: {word}" for word in ("-P", "-m", "cli", "token", "issue", "--client", "a b")),
        "environment: unset unset unset",
        "input: from the caller",
    ]
    assert [line.startswith("deploy: ") for line in done.stderr.splitlines()] == [True, True, True]
    assert checkout.calls("pip sync --quiet --python") == 1


def test_packages_are_taken_by_hash_and_never_built(checkout: Checkout) -> None:
    checkout.run()
    (sync,) = [line for line in checkout.log.read_text().splitlines() if line.startswith("pip sync")]
    assert "--require-hashes" in sync
    assert "--only-binary :all:" in sync


def test_later_run_goes_straight_on(ready: Checkout) -> None:
    done = ready.run("status")
    assert done.returncode == 0
    assert done.stderr == ""
    assert not ready.log.exists()


def test_foreign_python_settings_do_not_reach_the_toolkit(ready: Checkout) -> None:
    done = ready.run(PYTHONPATH="/evil", PYTHONHOME="/evil", PYTHONDONTWRITEBYTECODE="1")
    assert "environment: unset unset unset" in done.stdout


@pytest.mark.parametrize("cwd", ["/", "clone", "links"])
def test_runs_through_a_chain_of_links_from_anywhere(ready: Checkout, tmp_path: Path, cwd: str) -> None:
    links = tmp_path / "links of mine"
    links.mkdir()
    (links / "second").symlink_to(Path("..") / ready.root.name / "deploy")
    (links / "first").symlink_to("second")
    folders = {"/": Path("/"), "clone": ready.root, "links": links}
    done = ready.run("x", command=links / "first", cwd=folders[cwd])
    assert done.stdout.startswith("argument: -P")
    assert not ready.log.exists()


def test_found_by_name_in_its_own_folder(ready: Checkout) -> None:
    assert ready.run(command=Path("/bin/sh"), cwd=ready.root).returncode == 0
    done = ready.run("deploy", "x", command=Path("/bin/sh"), cwd=ready.root)
    assert done.stdout.startswith("argument: -P")


def outdated_lock(checkout: Checkout) -> None:
    with (checkout.root / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")


def other_project(checkout: Checkout) -> None:
    with (checkout.root / "pyproject.toml").open("a") as project:
        project.write("# newer\n")


def no_interpreter(checkout: Checkout) -> None:
    (checkout.venv / "bin/python").unlink()


def interpreter_gone_with_an_upgrade(checkout: Checkout) -> None:
    (checkout.venv / "bin/python").unlink()
    (checkout.venv / "bin/python").symlink_to("/usr/bin/python3.0")


def no_stamp(checkout: Checkout) -> None:
    (checkout.venv / ".made-for").unlink()


def empty_stamp(checkout: Checkout) -> None:
    (checkout.venv / ".made-for").write_text("")


def emptied(checkout: Checkout) -> None:
    shutil.rmtree(checkout.venv)
    checkout.venv.mkdir()


def moved(checkout: Checkout) -> None:
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))


def copied(checkout: Checkout) -> None:
    checkout.root = Path(shutil.copytree(checkout.root, checkout.root.with_name("copied"), symlinks=True))


UPDATES = [outdated_lock, other_project]
REMAKES = [no_interpreter, interpreter_gone_with_an_upgrade, no_stamp, empty_stamp, emptied, moved, copied]


@pytest.mark.parametrize("fault", [*UPDATES, *REMAKES])
def test_notices_and_mends(ready: Checkout, fault: Callable[[Checkout], None]) -> None:
    fault(ready)
    done = ready.run()
    assert done.returncode == 0, done.stderr
    assert ready.calls("venv") == (0 if fault in UPDATES else 1)
    assert ready.calls("pip sync") == 1
    assert ready.run().stderr == ""


@pytest.mark.parametrize("command", ["deploy", "tools/make-venv.sh"])
def test_the_folder_it_is_called_from_has_no_say(checkout: Checkout, tmp_path: Path, command: str) -> None:
    """Settings of uv and modules that lie there are somebody else's; a relative path is still meant from there."""
    (tmp_path / "uv.toml").write_text('index-url = "https://elsewhere.example/simple"\n')
    (tmp_path / "pip.py").write_text("open('ran', 'w')\n")
    interpreter = Path(checkout.path.split(":")[1], "python3")
    interpreter.rename(tmp_path / "mine")
    relative = f"{checkout.root.name}/{command}"
    done = checkout.run(
        relative, command=Path("/bin/sh"), cwd=tmp_path, CLOISTER_PYTHON="./mine", UV_DEFAULT_INDEX="", UV_INDEX_URL=""
    )
    assert done.returncode == 0, done.stderr
    assert "obeys" not in checkout.log.read_text()
    assert not (tmp_path / "ran").exists()


def test_failed_installation_says_what_next_and_is_mended_later(checkout: Checkout) -> None:
    done = checkout.run(FAKE_UV_FAIL="1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "could not be installed" in done.stderr
    assert "next: " in done.stderr
    assert checkout.run().returncode == 0
    assert checkout.run().stderr == ""


def test_failure_keeps_the_contract_of_json(checkout: Checkout) -> None:
    done = checkout.run("status", "--json", FAKE_UV_FAIL="1")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "environment"
    assert set(error) == {"code", "message", "hint"}


def test_two_at_once_make_it_once(checkout: Checkout, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = checkout.start(FAKE_UV_GATE=str(gate))
    wait_until(lambda: checkout.calls("pip sync") == 1, 20)
    second = checkout.start(FAKE_UV_GATE=str(gate))
    assert second.stderr is not None
    assert "waiting for another run" in second.stderr.readline()
    gate.touch()
    for process in (first, second):
        out, _ = process.communicate("", timeout=20)
        assert process.returncode == 0
        assert out.startswith("argument: -P")
    assert checkout.calls("pip sync") == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_is_mended_by_the_next_run(
    checkout: Checkout, tmp_path: Path, how: signal.Signals
) -> None:
    process = checkout.start(FAKE_UV_GATE=str(tmp_path / "never"))
    wait_until(lambda: checkout.calls("pip sync") == 1, 20)
    os.killpg(process.pid, how)
    out, err = process.communicate("", timeout=20)
    assert process.returncode == -how  # as a shell expects it of a program that Ctrl-C ended
    assert out == ""
    assert ("interrupted" in err) == (how == signal.SIGINT)
    assert checkout.run().returncode == 0
    assert checkout.calls("venv") == 2
    assert checkout.run().stderr == ""


def test_no_python_at_all(checkout: Checkout) -> None:
    Path(checkout.path.split(":")[1], "python3").unlink()
    done = checkout.run()
    assert done.returncode == 1
    assert "no Python 3.11 or later" in done.stderr
    assert "apt-get install python3" in done.stderr
    assert not checkout.venv.exists()


def test_an_older_python_is_passed_over(checkout: Checkout) -> None:
    tools = Path(checkout.path.split(":")[1])
    (tools / "python3").rename(tools / "python3.11")
    for name in ("python3.13", "python3"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    assert checkout.run().returncode == 0
    assert f"--python {os.path.realpath(tools / 'python3.11')}" in checkout.log.read_text()


def test_pips_index_is_used_where_uv_has_none_of_its_own(checkout: Checkout) -> None:
    bin_folder = Path(checkout.path.split(":")[1])
    (bin_folder / "uv").write_text(
        '#!/bin/sh\nprintf "index %s\\n" "${UV_DEFAULT_INDEX-none}" >>"$FAKE_UV_LOG"\n'
        f'exec "{checkout.path.split(":")[0]}/uv" "$@"\n'
    )
    (bin_folder / "uv").chmod(0o755)
    checkout.path = str(bin_folder)
    checkout.run(PIP_INDEX_URL="https://packages.example/simple", UV_DEFAULT_INDEX="")
    assert "index https://packages.example/simple" in checkout.log.read_text()
    shutil.rmtree(checkout.venv)
    checkout.log.unlink()
    checkout.run(PIP_INDEX_URL="https://packages.example/simple", UV_DEFAULT_INDEX="https://mine.example/simple")
    assert "index https://mine.example/simple" in checkout.log.read_text()
    assert "packages.example" not in checkout.log.read_text()


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """Give a folder below which another user can look, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="cloister-launcher-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_cannot_be_written(folder_for_all: Path) -> None:
    checkout = with_fakes(folder_for_all)
    checkout.root.chmod(0o555)
    process = checkout.start(user=NOBODY if os.geteuid() == 0 else None)
    _, err = process.communicate("", timeout=20)
    checkout.root.chmod(0o755)
    assert process.returncode == 1
    assert "cannot be written" in err
    assert "next: " in err
