"""A bundle to a host over SSH: only what is missing, checked there, going on where an interrupted run stopped.

OpenSSH carries the bytes, for it ciphers them as fast as the processor can; it has the keys and ways that Ansible has.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from lifecycle.bundle import receive
from lifecycle.bundle.folder import read_manifest
from lifecycle.bundle.meter import Meter, gigabytes, in_parallel
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.ssh import CommandStuckError, Login, UnreachableError
from lifecycle.hosts.sudo import Rooted, Sudo, refuse_missing
from planner.bundle import MANIFEST, BundleError, BundleFile, bundle_id, decode
from planner.errors import DeployError
from planner.layout import BUNDLES
from planner.progress import Progress

BLOCK = 2**20
"""Bytes handed to OpenSSH at once."""
RESERVE = 64 * 2**20
"""Bytes that stay free on the host's disk."""
MOST_CONNECTIONS = 4
"""One ciphers some hundred megabytes per second on a processor of its own, at each end."""
WORTH_A_CONNECTION = 256 * 2**20
"""Bytes for which another connection pays."""
_CIPHERS = "Ciphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""First those that processors have instructions for; what the host refuses, the others of OpenSSH's own stand for."""


class HostFullError(DeployError):
    """The host's disk has no room for the bundle."""

    code = "host_disk_full"


class TransferReport(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that lies on a host, whole.

    Attributes:
        bundle: its id.
        size: bytes of all files.
        sent: bytes that were sent now.
        seconds: how long it took.

    """

    host: str
    bundle: str
    size: int
    sent: int
    seconds: float


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the host's side says."""

    whole: bool = False
    right: tuple[str, ...] = ()
    begun: dict[str, int] = {}
    free: int = 0
    done: str = ""
    problem: str = ""
    words: str = ""


def transfer(
    inventory: Inventory,
    host: Host,
    login: Login,
    folder: Path,
    progress: Progress,
    *,
    connections: int = 0,
    stop: threading.Event | None = None,
) -> TransferReport:
    """Bring a bundle to a host whose key is pinned; it lies in `/opt/cloister/bundles/ID` then, and is not in use yet.

    Args:
        inventory: the hosts, jump hosts among them.
        host: where to.
        login: pinned keys, and our own.
        folder: the bundle, sealed.
        progress: told about bytes.
        connections: how many at once; 0 for as many as pay.
        stop: ends it when set, with those to other hosts.

    Raises:
        BundleError: the folder is no bundle, or a file is not as its manifest says.
        HostFullError: the host's disk is full; what arrived stays.
        UnreachableError, CommandStuckError: there is no connection, or it broke; the same call goes on.

    """
    raw = read_manifest(folder)
    size = decode(raw, str(folder / MANIFEST)).size
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cl-") as made:
        way = _Way(write_config(Path(made), inventory, login), host, login.sudo, bundle_id(raw))
        sent = _bring(way, folder, raw, progress, connections=connections, stop=stop)
    return TransferReport(
        host=host.name,
        bundle=way.bundle,
        size=size,
        sent=sent,
        seconds=time.monotonic() - began,
    )


def _bring(
    way: _Way, folder: Path, raw: bytes, progress: Progress, *, connections: int, stop: threading.Event | None
) -> int:
    """Send what is missing, and return how many bytes that was."""
    with progress.step(f"{way.host.name}: what is there of bundle {way.bundle[:12]}"):
        there = way.ask("begin", manifest=raw.decode())
    if there.whole:
        return 0
    right = set(there.right)
    files = decode(raw, MANIFEST).files
    missing = [(file, there.begun.get(file.path, 0)) for file in files if file.path not in right]
    total = sum(file.size - offset for file, offset in missing)
    if total + RESERVE > there.free:
        raise _full(way.host, f"{gigabytes(total)} are missing, and it has {gigabytes(there.free)} left")
    shares = _shares(missing, connections or _connections(total))
    with progress.step(f"{way.host.name}: {gigabytes(total)} of {len(missing)} files"):
        meter = Meter(progress, total, "sent", stop)
        in_parallel(lambda share: way.send(folder, share, meter), shares, max(1, len(shares)), meter)
    with progress.step(f"{way.host.name}: the bundle's own place"):
        way.ask("finish")
    return total


def _connections(total: int) -> int:
    """Return how many connections pay: no more than there is data and there are processors for."""
    return max(1, min(MOST_CONNECTIONS, (os.cpu_count() or 1) // 2, total // WORTH_A_CONNECTION))


def _shares(missing: Sequence[tuple[BundleFile, int]], count: int) -> list[list[tuple[BundleFile, int]]]:
    """Divide files among connections, about evenly by bytes: the largest first, each to the lightest share."""
    shares: list[list[tuple[BundleFile, int]]] = [[] for _ in range(count)]
    loads = [0] * count
    for file, offset in sorted(missing, key=lambda one: -one[0].size):
        lightest = loads.index(min(loads))
        shares[lightest].append((file, offset))
        loads[lightest] += file.size - offset
    return [share for share in shares if share]


class _Way:
    """How the host's side is run."""

    def __init__(self, config: Path, host: Host, sudo: Sudo, bundle: str) -> None:
        self.host, self.bundle = host, bundle
        self._config, self._sudo = config, sudo
        self._told = ""

    def _rooted(self, command: str) -> Rooted:
        """Return what runs the host's side."""
        program = Path(receive.__file__).read_text(encoding="utf-8")
        return self._sudo.rooted(self.host.user, shlex.join(("python3", "-I", "-c", program, command)))

    @contextlib.contextmanager
    def _running(self, command: str, **asked: Any) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
        rooted = self._rooted(command)
        options = ("-F", str(self._config), "-o", _CIPHERS, "-o", "Compression=no")
        words = ["ssh", *options, self.host.name, rooted.command]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - our own words
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0
            ) as process,
        ):
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("pipes that were asked for are there")
            try:
                first = {"home": BUNDLES, "bundle": self.bundle, **asked}
                _write(process.stdin, rooted.begins.encode() + msgspec.json.encode(first) + b"\n")
                yield process, process.stdin, process.stdout
            except BrokenPipeError:
                pass  # it ended by itself; what it said and its exit code say why
            except BaseException:
                process.kill()
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            if process.wait():
                errors.seek(0)
                self._told = errors.read().decode(errors="replace")

    def ask(self, command: str, **asked: Any) -> _Answer:
        """Run a command that answers with one line.

        Raises:
            DeployError: it failed.

        """
        said = b""
        with self._running(command, **asked) as (process, stdin, stdout):
            stdin.close()
            said = stdout.read()
        return self._judged(said.splitlines(), process.returncode)[-1]

    def send(self, folder: Path, share: Sequence[tuple[BundleFile, int]], meter: Meter) -> None:
        """Send files over one connection, each from its offset.

        Raises:
            DeployError: one did not arrive.

        """
        said: list[bytes] = []
        with self._running("receive") as (process, stdin, stdout):
            listener = threading.Thread(target=lambda: said.extend(stdout.readlines()))
            listener.start()
            try:
                for file, offset in share:
                    _send_file(stdin, folder, file, offset, meter.advance)
                stdin.close()
            finally:
                if meter.stopped:
                    process.kill()
                with contextlib.suppress(BrokenPipeError):
                    stdin.close()
                listener.join()
        self._judged(said, process.returncode)

    def _judged(self, lines: Sequence[bytes], code: int) -> list[_Answer]:
        answers = [msgspec.json.decode(line, type=_Answer) for line in lines]
        if code == 0 and answers:
            return answers
        problem = answers[-1] if answers and answers[-1].problem else _Answer()
        if problem.problem == "full":
            raise _full(self.host, "it filled up in the middle")
        if problem.problem in {"digest", "missing"}:
            raise BundleError(
                f"{self.host.name}: a file that arrived is not what the manifest says",
                hint="`deploy bundle verify DIR` says whether it is wrong here; then run the same command again.",
                code="transfer_wrong",
            )
        if problem.problem == "system":
            raise DeployError(
                f"{self.host.name}: {problem.words}",
                hint="Mend what the message names, then run the same command again: it goes on.",
                code="host_disk",
            )
        raise self._lost(code)

    def _lost(self, code: int) -> DeployError:
        refuse_missing(self.host, self._told)
        last = self._told.strip().splitlines()[-1:] or [f"ssh ended with {code}"]
        if "sudo" in last[0] or "python3" in last[0]:
            return DeployError(
                f"{self.host.name}: {last[0]}",
                hint="The host needs Python 3, and the user must be allowed to use sudo.",
                code="host_not_ready",
            )
        broke = code != 255 or "closed" in last[0] or "broken" in last[0].lower()
        return (CommandStuckError if broke else UnreachableError)(
            f"{self.host.name}: the transfer broke off ({last[0]})",
            hint="Look whether the host is up, then run the same command again: it goes on where it was.",
        )


def _full(host: Host, why: str) -> HostFullError:
    return HostFullError(
        f"{host.name}: the disk of {BUNDLES} has no room for the bundle: {why}",
        hint="Free space there, then run the same command again: what arrived stays, and is not sent again.",
    )


def _send_file(stdin: IO[bytes], folder: Path, file: BundleFile, offset: int, advance: Callable[[int], None]) -> None:
    """Send a file's header, and what is missing of it.

    Raises:
        BundleError: it is shorter than its manifest says.

    """
    with (folder / file.path).open("rb", buffering=0) as source:
        if os.fstat(source.fileno()).st_size != file.size:
            raise BundleError(
                f"{file.path!r} is not what the manifest says", hint=f"`deploy bundle verify {folder}` says more."
            )
        source.seek(offset)
        _write(stdin, msgspec.json.encode({"path": file.path, "offset": offset}) + b"\n")
        while block := source.read(BLOCK):
            _write(stdin, block)
            advance(len(block))


def _write(stdin: IO[bytes], data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[stdin.write(left) :]
