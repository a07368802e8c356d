"""`ssh`: a shell or a command on a node."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lifecycle.access import NodeAccess
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.ssh import connect
from planner.errors import DeployError

COMMAND_TIMEOUT_S = 600.0
"""How long a command whose output is collected may say nothing."""


class SshReport(msgspec.Struct, frozen=True, kw_only=True):
    """`ssh --json`: a command that ended on a node."""

    stack: str
    node: str
    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def attach(access: NodeAccess, node: str, command: Sequence[str]) -> int:
    """Give this terminal to a shell or a command on a node, through OpenSSH, and return its exit code.

    Raises:
        DeployError: there is no OpenSSH here, or the node's host key is not known.

    """
    program = shutil.which("ssh")
    if program is None:
        raise DeployError(
            "there is no `ssh` on this machine",
            hint="Install the OpenSSH client. `deploy ssh NODE --json -- COMMAND` needs none.",
            code="no_ssh",
        )
    host = access.node(node)
    with access.login((host,), as_files=True) as login, tempfile.TemporaryDirectory(prefix="cl-") as folder:
        config = write_config(Path(folder), access.inventory, login)
        words = [program, "-F", str(config), host.name]
        if command:
            words += ["--", shlex.join(command)]
        # Ctrl-C belongs to the far side: OpenSSH handles it, and we wait for it to end.
        return _wait(subprocess.Popen(words))  # noqa: S603 - our own words; the command's are the person's


def run(access: NodeAccess, stack: str, node: str, command: Sequence[str]) -> SshReport:
    """Run a command on a node, and return what it said.

    Raises:
        DeployError: the node is not reached, or the command says nothing for too long.

    """
    host = access.node(node)
    with access.login((host,)) as login, connect((host,), login) as connection:
        ran = connection.run(shlex.join(command), timeout_s=COMMAND_TIMEOUT_S)
    return SshReport(
        stack=stack, node=host.name, command=tuple(command), code=ran.code, stdout=ran.stdout, stderr=ran.stderr
    )


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
