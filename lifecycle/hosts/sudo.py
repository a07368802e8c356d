"""The password that sudo wants of a user: where it comes from, and whether it is right."""

from __future__ import annotations

from pathlib import Path

from lifecycle.hosts.ssh import Connection
from planner.errors import DeployError

READERS = 0o077
"""Rights of anybody but the owner."""


class SudoRefusedError(DeployError):
    """The host's sudo does not take the password."""

    code = "sudo_refused"


class SudoPasswordFileError(DeployError):
    """The file that should hold the password cannot be used."""

    code = "sudo_password_file"


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


def prove_sudo(connection: Connection, password: str) -> None:
    """Make sure that sudo takes a password, which goes over the encrypted stream and stands on no command line.

    Raises:
        SudoRefusedError: it does not, or the user may not use sudo.
        CommandStuckError: the connection broke.

    """
    # A fresh answer each time (`-k`); its prompt is empty, for nobody reads it.
    ran = connection.run("exec sudo -k -S -p '' true", text=f"{password}\n", timeout_s=30)
    if ran.code:
        said = ran.stderr.strip().splitlines()[-1:] or [f"exit code {ran.code}"]
        raise SudoRefusedError(
            f"{connection.host.name}: sudo does not take the password of {connection.host.user} ({said[0]})",
            hint="Nothing was changed. Check the password, and that the user is in the group `sudo`; several "
            "wrong ones can lock the account for a while.",
        )
