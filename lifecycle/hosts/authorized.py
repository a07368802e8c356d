"""Which keys a host lets its login user in with: OpenSSH's `authorized_keys`, read and replaced in one step."""

from __future__ import annotations

import hashlib
import re
import shlex

import msgspec

from lifecycle.hosts.ssh import Connection, Ran
from planner.errors import DeployError

DEFAULT_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
"""Of `AuthorizedKeysFile`, sshd_config(5)."""
ASKS = "/usr/sbin/sshd -T -C user={user},host=localhost,addr=127.0.0.1"
REPLACE = """\
set -eu
path=$(readlink -f -- "$1"); beside="$path.$$"
trap 'rm -f -- "$beside"' EXIT
sum() { sha256sum <"$1" | cut -d' ' -f1; }
[ "$(sum "$path")" = "$2" ] || { echo changed; exit 1; }
cp -p -- "$path" "$beside"
cat >"$beside"
[ "$(sum "$beside")" = "$3" ] || { echo cut off; exit 1; }
sync -- "$beside"
mv -f -- "$beside" "$path"
"""
"""Words: the file, the SHA-256 of what stands in it, and of what shall stand in it, which is the input. A connection
that breaks leaves the old content."""


class AuthorizedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of keys on a host."""

    path: str
    text: str


def lets_in(text: str, key: str) -> bool:
    """Tell whether a file's text holds a key.

    Args:
        text: of the file.
        key: kind and base64, as in the public half's file.

    """
    return any(_options(line, key) is not None for line in text.splitlines())


def beside(text: str, old: str, new: str, comment: str) -> str:
    """Return the text with a new key behind each line of an old one, under the same options; once is enough."""
    if lets_in(text, new):
        return text
    lines = []
    for line in text.splitlines():
        lines.append(line)
        options = _options(line, old)
        if options is not None:
            lines.append(f"{options}{new} {comment}")
    return _joined(lines)


def without(text: str, key: str) -> str:
    """Return the text without the lines of a key."""
    return _joined([line for line in text.splitlines() if _options(line, key) is None])


def authorized_files(connection: Connection) -> tuple[AuthorizedFile, ...]:
    """Return the files that the host's SSH server reads for whoever is logged in, as far as they are there.

    Raises:
        DeployError: the host does not answer.

    """
    user = connection.host.user
    home = connection.run('printf %s "$HOME"').stdout
    said = connection.run_as_root(ASKS.format(user=user))
    named = re.search(r"^authorizedkeysfile (.+)$", said.stdout, re.MULTILINE | re.IGNORECASE)
    found = []
    for name in named.group(1).split() if named else DEFAULT_FILES:
        expanded = name.replace("%h", home).replace("%u", user).replace("%%", "%")
        path = expanded if expanded.startswith("/") else f"{home}/{expanded}"
        ran = _run(connection, path, shlex.join(("cat", "--", path)))
        if ran.code == 0:
            found.append(AuthorizedFile(path=path, text=ran.stdout))
    return tuple(found)


def replace(connection: Connection, file: AuthorizedFile, text: str) -> None:
    """Put a new text in a file's place, with its owner and mode.

    Raises:
        DeployError: somebody changed the file meanwhile, or it cannot be written; it is as it was.

    """
    if text == file.text:
        return
    sums = (hashlib.sha256(content.encode()).hexdigest() for content in (file.text, text))
    ran = _run(connection, file.path, shlex.join(("sh", "-c", REPLACE, "sh", file.path, *sums)), text)
    if ran.code:
        why = (ran.stdout + ran.stderr).strip() or f"exit code {ran.code}"
        raise DeployError(
            f"{connection.host.name}: {file.path} was not replaced: {why}",
            hint="It is as it was. Is the disk full, or does somebody else change it? Then run the same command again.",
            code="authorized_keys",
        )


def _run(connection: Connection, path: str, command: str, text: str = "") -> Ran:
    """Run a command on a file: as its user where it is the user's own, else as root."""
    its_own = connection.run(shlex.join(("test", "-O", path))).code == 0
    return connection.run(command, text=text) if its_own else connection.run_as_root(command, text=text)


def _options(line: str, key: str) -> str | None:
    """Return what stands before a key in a line, with the blank behind it; None where the line is not this key's."""
    if line.lstrip().startswith("#"):
        return None
    kind, blob = key.split()[:2]
    match = re.match(rf"(?P<options>\s*|.*\s){re.escape(kind)}\s+{re.escape(blob)}(\s|$)", line)
    return match["options"] if match else None


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
