"""One host: an overlay over the image, booted by its own systemd in a namespace that the lab made."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hosts.image import OPERATOR, SHARED_PASSWORD_USER, Release, image

BOOT_TIMEOUT_S = 60
REBOOTS = 133
"""How systemd-nspawn says that its machine wants to be started again (EXIT_FORCE_RESTART)."""
READY = "READY=1"
AS_ON_METAL = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
"""Cgroups of version 2, even where this machine has the old ones, and a network whose settings can be changed."""

CGROUPS = Path("/sys/fs/cgroup/unified")
if not CGROUPS.is_dir():  # nothing has version 1 there beside it
    CGROUPS = Path("/sys/fs/cgroup")
IN_A_CGROUP = 'mkdir "$0" && echo $$ >"$0/cgroup.procs"; exec "$@"'
"""A group of its own for each machine: else all of them, of other runs too, are in one, and the systemd of one ends
services of another."""


class Machine:
    """A booted host.

    Attributes:
        name: its host name, and that of its network namespace.
        v4: address on its first network.
        v6: the same, IPv6.
        key: private key that its users' accounts take.
        host_key: its public host key, as `known_hosts` has it: kind and base64.
        boot_s: how long the last boot took, in seconds.

    """

    def __init__(self, release: Release, name: str, v4: str, v6: str, lab: Path) -> None:
        self.release = release
        self.name = name
        self.v4 = v4
        self.v6 = v6
        self.folder = lab / name
        self.root = self.folder / "root"
        self.key = self.folder / "key"
        self.host_key = ""
        self.boot_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._cgroup: Path | None = None
        self._leader = 0
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @property
    def is_running(self) -> bool:
        """Whether the machine has power."""
        return self._process is not None and self._process.poll() is None

    @property
    def cgroup(self) -> Path:
        """The group of its processes."""
        assert self._cgroup is not None
        return self._cgroup

    @property
    def process_id(self) -> int:
        """The number that this machine's process table gives to the host's process 1."""
        return self._leader

    def boot(self) -> None:
        """Give it a disk of its own on the first call, start it, and wait until its systemd says that it is up."""
        if not self.root.is_dir():
            self._make_disk()
        notices = self.folder / "notify"
        notices.unlink(missing_ok=True)
        self._notices.close()
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(notices))
        log = (self.folder / "console").open("ab")
        # A process namespace around it all: whoever ends it, even by ending the tests, ends all of the machine.
        # (systemd-nspawn alone would leave them running when it is killed.)
        end_with_us = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
        self._remove_cgroup()
        self._cgroup = CGROUPS / f"{self.name}-{secrets.token_hex(4)}"
        words = ("sh", "-c", IN_A_CGROUP, str(self._cgroup), *end_with_us, *self._command())
        environment = {**os.environ, "NOTIFY_SOCKET": str(notices), **AS_ON_METAL}
        with log:
            self._process = subprocess.Popen(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_up()

    def reboot(self) -> None:
        """Restart it with `systemctl reboot`, and wait until it is up again."""
        assert self._process is not None
        self.run("systemctl", "reboot")
        if (code := self._process.wait(BOOT_TIMEOUT_S)) != REBOOTS:
            raise AssertionError(f"{self.name} went down with {code}, and did not ask to be started again")
        self.boot()

    def kill(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        self._remove_cgroup()
        self._notices.close()

    def run(
        self, *command: str, text: str | None = None, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the host as root, past SSH: what is so, whatever the network says."""
        words = ("nsenter", "--target", str(self._leader), "--all", "--wd=/", "--", *command)
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            words, input=text, env=clean, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}")
        return done

    def read(self, path: str) -> str:
        """Return the text of one of its files."""
        return (self.root / path.lstrip("/")).read_text()

    @contextlib.contextmanager
    def stand_in(self, program: str, script: str) -> Iterator[None]:
        """Have a shell script stand in for a program: for what a booted container cannot be, a wrong clock for one."""
        path = self.root / "usr/local/bin" / program
        path.write_text(f"#!/bin/sh\n# STAND-IN of the tests for {program}\n{script}\n")
        path.chmod(0o755)
        try:
            yield
        finally:
            path.unlink()

    def make_host_key(self) -> None:
        """Give it a new host key, as if it were another machine."""
        path = self.root / "etc/ssh/ssh_host_ed25519_key"
        for old in (path, path.with_suffix(".pub")):
            old.unlink(missing_ok=True)
        _make_key(path)
        self.host_key = " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def let_in_too(self, key: Path) -> None:
        """Have its operator's account take another machine's key as well: somebody logs in on both."""
        with (self.root / f"home/{OPERATOR}/.ssh/authorized_keys").open("a") as file:
            file.write(key.with_suffix(".pub").read_text())

    def _remove_cgroup(self) -> None:
        """Take the last start's group of processes away: empty, once its machine is off."""
        if self._cgroup is None:
            return
        for folder in sorted((path for path in self._cgroup.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            self._cgroup.rmdir()

    def _command(self) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--notify-ready=yes"),
            *("--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            f"--directory={self.root}",
            f"--machine={self.name}",
            f"--hostname={self.name}",
            f"--network-namespace-path=/run/netns/{self.name}",
            "--capability=CAP_NET_ADMIN,CAP_SYS_ADMIN",
        ]

    def _make_disk(self) -> None:
        for folder in ("upper", "work", "root"):
            (self.folder / folder).mkdir(parents=True)
        layers = f"lowerdir={image(self.release)},upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(("mount", "-t", "overlay", "-o", layers, "overlay", str(self.root)), check=True)
        (self.root / "etc/machine-id").write_text(secrets.token_hex(16) + "\n")
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {self.name}\n")
        # apt's lists came with the image: as fresh as if they had just been fetched.
        stamp = self.root / "var/lib/apt/periodic/update-success-stamp"
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        self.make_host_key()
        _make_key(self.key)
        for user in (OPERATOR, SHARED_PASSWORD_USER):
            self._let_in(user)

    def _let_in(self, user: str) -> None:
        home = self.root / "home" / user
        owner = home.stat()
        keys = home / ".ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700)
        shutil.copy(self.key.with_suffix(".pub"), keys)
        for path in (keys.parent, keys):
            os.chown(path, owner.st_uid, owner.st_gid)

    def _wait_until_up(self) -> None:
        began = time.monotonic()
        while (left := began + BOOT_TIMEOUT_S - time.monotonic()) > 0:
            self._notices.settimeout(min(left, 2))
            try:
                lines = self._notices.recv(4096).decode().splitlines()
            except TimeoutError:
                if not self.is_running:
                    break
                continue
            if READY in lines:
                self.boot_s = time.monotonic() - began
                self._notices.close()  # its systemd would stop and wait for us to read what it goes on to tell
                self._leader = self._find_leader()
                return
        console = (self.folder / "console").read_text(errors="replace")[-2000:]
        raise AssertionError(f"{self.name} ({self.release}) did not come up in {BOOT_TIMEOUT_S} s:\n{console}")

    def _find_leader(self) -> int:
        """Return the process that is number 1 in its own table, among those on the host's network."""
        found = subprocess.run(("ip", "netns", "pids", self.name), capture_output=True, text=True, check=True).stdout
        for pid in found.split():
            numbers = next(line for line in Path("/proc", pid, "status").read_text().splitlines() if "NSpid:" in line)
            if numbers.split()[-1] == "1":
                return int(pid)
        raise AssertionError(f"{self.name} has no process 1")


def _make_key(path: Path) -> None:
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)), check=True)
