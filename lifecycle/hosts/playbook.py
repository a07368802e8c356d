"""Ansible as a process: one verb's playbook over the hosts of an inventory, with its progress as it happens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import msgspec

from lifecycle import files
from lifecycle.hosts.faults import explained
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.openssh import CONFIG, write_config
from lifecycle.hosts.ssh import Login
from planner.errors import DeployError
from planner.progress import Progress

FOLDER = Path(__file__).resolve().parents[2] / "ansible"
PREFIX = "cl-"
"""Beginning of the names of folders for one run, below the system's own for temporary files."""
ALIVE = "alive"
"""File in it that is locked for as long as the run lives, which the kernel sees to."""
STOP_TIMEOUT_S = 15.0
"""How long Ansible may take to end after Ctrl-C, before it is ended."""
TASK_TIMEOUT_S = 2400
"""How long one task may take on a host, in seconds: an engine may load weights for half an hour."""
PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "SSH_AUTH_SOCK", "TERM", "USER")
"""Variables of ours that Ansible gets. No others: `ANSIBLE_*` of the user's could switch checks off."""


class PlaybookError(DeployError):
    """A task failed, or a host could not be reached; the message names them."""

    code = "playbook_failed"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """One host's results by kind, as Ansible counts them."""

    ok: int
    changed: int
    failures: int
    unreachable: int
    skipped: int
    rescued: int
    ignored: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a task came to on a host."""

    host: str
    task: str
    state: Literal["ok", "changed", "skipped", "ignored", "failed", "unreachable"]
    message: str = ""


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """How a file changes on a host."""

    host: str
    task: str
    text: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A play that ended well."""

    hosts: dict[str, Totals]
    results: tuple[Result, ...]
    diffs: tuple[Diff, ...]

    @property
    def changed(self) -> int:
        """Changes on all hosts together; in check mode, those that would be made."""
        return sum(totals.changed for totals in self.hosts.values())


Part = TypeVar("Part", Result, Diff)


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the callback `progress_lines`."""

    event: Literal["task", "result", "diff", "totals"]
    host: str = ""
    task: str = ""
    state: str = ""
    message: str = ""
    text: str = ""
    hosts: dict[str, Totals] = {}


def play(
    playbook: str,
    inventory: Inventory,
    login: Login,
    variables: Mapping[str, Any],
    progress: Progress,
    *,
    check: bool = False,
    parts: Sequence[str] = (),
    of_hosts: Mapping[str, Mapping[str, Any]] = {},
) -> Outcome:
    """Run a playbook on all serving hosts, whose keys must be pinned already.

    Args:
        playbook: name of a file of `ansible/`, without `.yml`.
        inventory: the hosts, jump hosts among them.
        login: pinned keys, and our own.
        variables: of the roles. They may be secret: they go by a file that only we read, which is removed afterwards.
        progress: is told of every task, of changes, and of failures.
        check: change nothing, and say what would be changed.
        parts: only these roles of the playbook; all when empty.
        of_hosts: name of a host -> variables of its own.

    Raises:
        PlaybookError: a host failed or was not reached; others may have gone on.

    """
    with _private_folder() as folder:
        _write(folder, inventory, login, variables, of_hosts)
        command = [
            *_ends_with_us(),
            *(sys.executable, "-m", "ansible", "playbook", f"{FOLDER}/{playbook}.yml"),
            *("--inventory", f"{folder}/inventory.json", "--extra-vars", f"@{folder}/variables.json", "--diff"),
            *(["--check"] if check else []),
            *(["--tags", ",".join(parts)] if parts else []),
        ]
        errors = folder / "errors"
        with errors.open("wb") as error_file, _running(command, folder, error_file, login) as process:
            heard = _listen(process, progress)
        said = errors.read_text(encoding="utf-8", errors="replace")
    return _judged(heard, process.returncode, said)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """Make a folder for one run; its connections end with it."""
    _remove_what_the_dead_left()
    # Short, for the paths of the connections' sockets must fit into 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    alive = os.open(folder / ".alive", os.O_WRONLY | os.O_CREAT, files.PRIVATE)
    fcntl.flock(alive, fcntl.LOCK_EX)
    (folder / ".alive").rename(folder / ALIVE)  # it is there with its lock, or not at all
    try:
        (folder / "c").mkdir(mode=0o700)
        yield folder
    finally:
        for path in (folder / "c").iterdir():
            words = ("ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "connection")
            subprocess.run(words, capture_output=True, timeout=STOP_TIMEOUT_S, check=False)  # noqa: S603 - own words
        shutil.rmtree(folder, ignore_errors=True)
        os.close(alive)


def _remove_what_the_dead_left() -> None:
    """Remove the folders of runs that were killed: they may hold secrets."""
    for mark in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{ALIVE}"):
        with contextlib.suppress(OSError), mark.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its run is alive
            if mark.stat().st_uid == os.getuid():
                shutil.rmtree(mark.parent)


def _write(
    folder: Path,
    inventory: Inventory,
    login: Login,
    variables: Mapping[str, Any],
    of_hosts: Mapping[str, Mapping[str, Any]],
) -> None:
    write_config(folder, inventory, login)
    hosts = {
        host.name: {
            **of_hosts.get(host.name, {}),
            "ansible_user": host.user,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for host in inventory.serving
    }
    files.write(folder / "inventory.json", msgspec.json.encode({"all": {"hosts": hosts}}))
    secret = {"ansible_become_password": login.sudo.password} if login.sudo.password else {}
    files.write(folder / "variables.json", msgspec.json.encode({**variables, **secret}))


def _ends_with_us() -> list[str]:
    """Return what has a command end when we are killed: nobody works on a host without its lock."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM"] if program else []


@contextlib.contextmanager
def _running(command: list[str], folder: Path, errors: IO[bytes], login: Login) -> Iterator[subprocess.Popen[bytes]]:
    """Start Ansible in a session of its own; Ctrl-C is passed on, so that it ends in order."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment = {
        **(login.reach.environment if login.reach else {}),
        **passed_on,
        "ANSIBLE_CONFIG": f"{FOLDER}/ansible.cfg",
        "ANSIBLE_LOCAL_TEMP": f"{folder}/local",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_ARGS": f"-F {folder}/{CONFIG} -o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/c",
        "ANSIBLE_STDOUT_CALLBACK": "progress_lines",
        "ANSIBLE_TASK_TIMEOUT": str(TASK_TIMEOUT_S),
        "PYTHONPATH": str(FOLDER.parent),  # filters judge with the toolkit's own Python
    }
    process = subprocess.Popen(  # noqa: S603 - our own words
        command,
        cwd=FOLDER,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _listen(process: subprocess.Popen[bytes], progress: Progress) -> list[_Event]:
    """Show every task as a step until the process ends; return what was heard."""
    heard: list[_Event] = []
    with contextlib.ExitStack() as step:
        for line in process.stdout or ():
            try:
                event = msgspec.json.decode(line, type=_Event)
            except msgspec.MsgspecError:
                progress.note(line.decode(errors="replace").strip())
                continue
            heard.append(event)
            if event.event == "task":
                step.close()
                step.enter_context(progress.step(event.task))
            elif event.state == "changed":
                progress.note(f"{event.host}: changed")
            elif event.state in {"failed", "unreachable"}:
                progress.warn(f"{event.host}: {event.message}")
    return heard


def _failed(failed: list[_Event], totals: dict[str, Totals]) -> PlaybookError:
    """Tell of the first failure in full, of the others by name, and who went through."""
    first = failed[0]
    others = sorted({event.host for event in failed} - {first.host})
    through = sorted(totals.keys() - {event.host for event in failed})
    told = [f"also failed: {', '.join(others)}"] if others else []
    told += [f"went through: {', '.join(through)}"] if through else []
    fault = explained(f"{first.message} ({first.state})")  # of a host gone silent the message alone says too little
    meaning = f". That means: {fault.means}" if fault.means else ""
    return PlaybookError(
        f"{first.host}: `{first.task}` {first.state}: {first.message.strip()}{meaning}"
        + (f" ({'; '.join(told)})" if told else ""),
        hint=fault.next,
    )


def _judged(heard: list[_Event], code: int, said: str) -> Outcome:
    failed = [event for event in heard if event.state in {"failed", "unreachable"}]
    totals = next((event.hosts for event in reversed(heard) if event.event == "totals"), None)
    if failed and (code or totals is None):
        raise _failed(failed, totals or {})
    if code or totals is None:
        raise PlaybookError(
            f"Ansible ended with {code}: {said.strip()[-1000:] or 'it said nothing'}",
            hint="Run the same command again; if it stays so, the message above is what a report should hold.",
        )
    return Outcome(
        hosts=totals,
        results=tuple(
            msgspec.convert(event, Result, from_attributes=True) for event in heard if event.event == "result"
        ),
        diffs=tuple(msgspec.convert(event, Diff, from_attributes=True) for event in heard if event.event == "diff"),
    )
