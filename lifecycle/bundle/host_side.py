"""The host's side of a transfer, run over an SSH connection: what it is asked, and what its answers mean.

OpenSSH carries the bytes, for it ciphers them as fast as the processor can; it has the keys and ways that Ansible has.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from lifecycle.bundle import receive
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.ssh import CommandStuckError, UnreachableError
from lifecycle.hosts.sudo import Sudo, refuse_missing
from planner.bundle import BundleError, BundleFile
from planner.errors import DeployError
from planner.layout import BUNDLES

BLOCK = 2**20
"""Bytes handed to OpenSSH at once."""
_CIPHERS = "Ciphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""First those that processors have instructions for; what the host refuses, the others of OpenSSH's own stand for."""

Missing = tuple[BundleFile, int]
"""A file, and how many of its bytes are there already."""


class HostFullError(DeployError):
    """The host's disk has no room for the bundle."""

    code = "host_disk_full"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the host's side says.

    Attributes:
        whole: the bundle lies in its place.
        right: paths of files that are there and right.
        begun: path -> bytes that are there of a file.
        free: bytes that its disk has room for.
        problem: why it ended; empty where it goes on.
        words: about the problem.

    """

    whole: bool = False
    right: tuple[str, ...] = ()
    begun: dict[str, int] = {}
    free: int = 0
    problem: str = ""
    words: str = ""


class Way:
    """How the host's side of one bundle is run."""

    def __init__(self, config: Path, host: Host, sudo: Sudo, bundle: str) -> None:
        self.host, self.bundle = host, bundle
        self._config, self._sudo = config, sudo

    @contextlib.contextmanager
    def connected(self) -> Iterator[Side]:
        """Run the host's side for as long as the block lasts, over a connection of its own.

        Raises:
            CommandStuckError: the connection broke before it was ready.

        """
        program = Path(receive.__file__).read_text(encoding="utf-8")
        rooted = self._sudo.rooted(self.host.user, shlex.join(("python3", "-I", "-c", program)))
        options = ("-F", str(self._config), "-o", _CIPHERS, "-o", "Compression=no")
        words = ["ssh", *options, self.host.name, rooted.command]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - our own words
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            ) as process,
        ):
            side = Side(self.host, process, errors)
            try:
                which = msgspec.json.encode({"home": BUNDLES, "bundle": self.bundle})
                side.write(rooted.begins.encode() + which + b"\n")
                yield side
            except BaseException:
                process.kill()
                raise
            finally:
                side.close()


class Side:
    """The host's side while it runs. One thread may use it at a time."""

    def __init__(self, host: Host, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("pipes that were asked for are there")
        self._host, self._process, self._errors = host, process, errors
        self._stdin, self._stdout = process.stdin, process.stdout
        self._said = queue.SimpleQueue[bytes]()
        """Lines, and nothing at the end. Read as they come: a full pipe would stop the host's side, and so us."""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._stdout:
            self._said.put(line)
        self._said.put(b"")

    def close(self) -> None:
        """Let it end, which it does when nobody asks any more."""
        self._stdin.close()
        self._listener.join()

    def ask(self, do: str, **asked: Any) -> Answer:
        """Have something done, and return what is said of it.

        Raises:
            DeployError: it failed, or the connection broke.

        """
        self._tell(do, **asked)
        return self._answer()

    def send(self, folder: Path, files: Sequence[Missing], advance: Callable[[int], None]) -> None:
        """Send files, each from what is there of it; they are there, and right, when this returns.

        Args:
            folder: the bundle.
            files: of it.
            advance: told about bytes; may raise, to end it.

        Raises:
            BundleError: a file is not what the manifest says, here or when it arrives.
            DeployError: the disk is full, or the connection broke.

        """
        for file, offset in files:
            with _opened(folder, file, offset) as source:
                self._tell("receive", path=file.path, offset=offset)
                left = file.size - offset
                while left:
                    block = source.read(min(BLOCK, left))
                    if not block:
                        raise _not_the_manifests(folder, file)
                    self.write(block)
                    advance(len(block))
                    left -= len(block)
        for _ in files:
            self._answer()

    def _tell(self, do: str, **asked: Any) -> None:
        self.write(msgspec.json.encode({"do": do, **asked}) + b"\n")

    def write(self, data: bytes) -> None:
        """Give it bytes.

        Raises:
            DeployError: it has ended.

        """
        left = memoryview(data)
        try:
            while left:
                left = left[self._stdin.write(left) :]
        except BrokenPipeError:
            while True:  # what it said before that, and its end
                self._answer()

    def _answer(self) -> Answer:
        line = self._said.get()
        answer = msgspec.json.decode(line, type=Answer) if line else Answer(problem="cut")
        if answer.problem:
            raise self._judged(answer)
        return answer

    def _judged(self, answer: Answer) -> DeployError:
        """Say what ended it."""
        if answer.problem == "full":
            return no_room(self._host, "it filled up in the middle")
        if answer.problem in {"digest", "missing"}:
            return BundleError(
                f"{self._host.name}: a file that arrived is not what the manifest says",
                hint="`deploy bundle verify DIR` says whether it is wrong here; then run the same command again.",
                code="transfer_wrong",
            )
        if answer.problem == "system":
            return DeployError(
                f"{self._host.name}: {answer.words}",
                hint="Mend what the message names, then run the same command again: it goes on.",
                code="host_disk",
            )
        return self._lost()

    def _lost(self) -> DeployError:
        code = self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode(errors="replace")
        refuse_missing(self._host, told)
        last = told.strip().splitlines()[-1:] or [f"ssh ended with {code}"]
        if "sudo" in last[0] or "python3" in last[0]:
            return DeployError(
                f"{self._host.name}: {last[0]}",
                hint="The host needs Python 3, and the user must be allowed to use sudo.",
                code="host_not_ready",
            )
        broke = code != 255 or "closed" in last[0] or "broken" in last[0].lower()
        return (CommandStuckError if broke else UnreachableError)(
            f"{self._host.name}: the transfer broke off ({last[0]})",
            hint="Look whether the host is up, then run the same command again: it goes on where it was.",
        )


def no_room(host: Host, why: str) -> HostFullError:
    """Say that a disk is full."""
    return HostFullError(
        f"{host.name}: the disk of {BUNDLES} has no room for the bundle: {why}",
        hint="Free space there, then run the same command again: what arrived stays, and is not sent again.",
    )


@contextlib.contextmanager
def _opened(folder: Path, file: BundleFile, offset: int) -> Iterator[IO[bytes]]:
    """Open a file of the bundle at an offset."""
    with (folder / file.path).open("rb", buffering=0) as source:
        if os.fstat(source.fileno()).st_size != file.size:
            raise _not_the_manifests(folder, file)
        source.seek(offset)
        yield source


def _not_the_manifests(folder: Path, file: BundleFile) -> BundleError:
    return BundleError(
        f"{file.path!r} is not what the manifest says", hint=f"`deploy bundle verify {folder}` says more."
    )
