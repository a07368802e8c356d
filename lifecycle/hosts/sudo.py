"""Root by sudo: with a password that nobody else sees, or without one; proven before anything is done with it."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from planner.errors import DeployError

if TYPE_CHECKING:
    from lifecycle.hosts.inventory import Host
    from lifecycle.hosts.ssh import Connection

READERS = 0o077
"""Rights of anybody but the owner."""
PROOF_TIMEOUT_S = 30
WANTS_ONE = "sudo: a password is required"
"""What `sudo -n` says in the C locale."""
MARK = "what follows is input"
BEHIND_MARK = f'while IFS= read -r line; do [ "$line" != "{MARK}" ] || exec "$@"; done; exit 1'
"""A shell reads a pipe byte by byte, and so does sudo: what stands behind the mark is all there for the command. Where
sudo asked for no password after all, the line with it ends here too, and reaches no command."""


class SudoRefusedError(DeployError):
    """The host's sudo does not take the password."""

    code = "sudo_refused"


class SudoPasswordMissingError(DeployError):
    """The host's sudo wants a password, and none was given."""

    code = "sudo_password_missing"


class SudoPasswordFileError(DeployError):
    """The file that should hold the password cannot be used."""

    code = "sudo_password_file"


class Rooted(msgspec.Struct, frozen=True, kw_only=True):
    """A shell command that runs as root, and what its input begins with. The beginning may be secret."""

    command: str
    begins: str = ""

    def __repr__(self) -> str:
        return f"Rooted({self.command!r})"


class Sudo:
    """The password that sudo wants of users who are not root; the same on all hosts, and empty where it wants none.

    It stands on no command line and in no file of a host: each command that needs it reads it as its first line. A
    password that one host refused is tried on no other one: wrong ones can lock an account for all of them.
    """

    def __init__(self, password: str = "") -> None:
        self.password = password
        self._turn = threading.Lock()
        self._refused_by = ""

    def __repr__(self) -> str:
        return f"Sudo({'with' if self.password else 'without'} a password)"

    def rooted(self, user: str, command: str) -> Rooted:
        """Return what runs a command as root for a user.

        Args:
            user: who is logged in.
            command: a program and its words, quoted for a shell; no pipe, and no word of the shell's own.

        """
        if user == "root":
            return Rooted(command=command)
        if not self.password:
            return Rooted(command=f"env LC_ALL=C sudo -n {command}")
        # Asked afresh each time (`-k`), so that nothing is remembered there; the prompt is empty, for nobody reads it.
        words = ("sudo", "-k", "-S", "-p", "", "sh", "-c", BEHIND_MARK, "sh")
        return Rooted(command=f"{shlex.join(words)} {command}", begins=f"{self.password}\n{MARK}\n")

    def prove(self, connection: Connection) -> None:
        """Make sure that a host's sudo takes the password, by one try. Nothing to prove for root, or without one.

        Raises:
            SudoRefusedError: it does not, or another host has refused it; or the user may not use sudo.
            CommandStuckError: the connection broke.

        """
        if not self.password or connection.host.user == "root":
            return
        with self._turn:
            if self._refused_by:
                raise SudoRefusedError(
                    f"{connection.host.name}: the sudo password was not tried, for {self._refused_by} refused it",
                    hint="Nothing was changed there. Check the password: it must be the same on all hosts.",
                )
            ran = connection.run("exec sudo -k -S -p '' true", text=f"{self.password}\n", timeout_s=PROOF_TIMEOUT_S)
            if ran.code:
                self._refused_by = connection.host.name
                raise _refused(connection.host, ran.stderr or f"exit code {ran.code}")


def refuse_missing(host: Host, said: str) -> None:
    """Make sure that a command did not fail for want of a password.

    Args:
        host: where it ran.
        said: what it wrote to its standard error.

    Raises:
        SudoPasswordMissingError: it did.

    """
    if WANTS_ONE in said:
        raise SudoPasswordMissingError(
            f"{host.name}: sudo asks {host.user} for a password, and none was given",
            hint="Give it with --sudo-password-file FILE (`-` to be asked for it). Nothing was changed.",
        )


def password_in(path: Path) -> str:
    """Return the password that a file holds: its first line.

    Raises:
        SudoPasswordFileError: it cannot be read, is empty, or others may read it.

    """
    try:
        mode, lines = path.stat().st_mode, path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SudoPasswordFileError(
            f"{path} cannot be read: {error}", hint="It holds the password, in one line."
        ) from None
    if mode & READERS:
        raise SudoPasswordFileError(
            f"{path} holds a password, and others than you may read it", hint=f"`chmod 600 {path}`, then run it again."
        )
    if not lines or not lines[0]:
        raise SudoPasswordFileError(f"{path} is empty", hint="It holds the password, in one line.")
    return lines[0]


def _refused(host: Host, said: str) -> SudoRefusedError:
    last = said.strip().splitlines()[-1:] or ["it said nothing"]
    return SudoRefusedError(
        f"{host.name}: sudo does not take the password of {host.user} ({last[0]})",
        hint="Nothing was changed. Check the password, and that the user is in the group `sudo`. It was tried once, on "
        "this host alone: several wrong ones can lock the account for a while.",
    )
