"""`ssh`: a shell or a command on a node in AWS, through the tunnel, or on a host of one's own."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lifecycle.access import NodeAccess
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import login_of
from lifecycle.hosts.openssh import write_config
from lifecycle.hosts.ssh import Login, connect
from lifecycle.hosts.units import host_named
from lifecycle.planning import hosts_of
from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.progress import Progress

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


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A host, and how to log in on it while this is in use."""

    inventory: Inventory
    host: Host
    login: Login


@contextlib.contextmanager
def reach(stack: Stack, name: str, progress: Progress, *, as_files: bool) -> Iterator[Reached]:
    """Yield a host of a stack by its name; the first when none is named.

    Args:
        stack: on hosts, or on nodes in AWS.
        name: of the host or node.
        progress: is told of what reaching it takes.
        as_files: for OpenSSH as well, which reads the private key from a file.

    Raises:
        UsageError: there is none of that name, or the stack is on this machine.
        DeployError: the node's host key is not known.

    """
    if kept := hosts_of(stack.home):
        yield Reached(inventory=kept.inventory, host=host_named(kept, name), login=login_of(stack.home, kept.key))
        return
    access = NodeAccess.of(stack, progress)
    host = access.node(name)
    with access.login((host,), as_files=as_files) as login:
        yield Reached(inventory=access.inventory, host=host, login=login)


def attach(reached: Reached, command: Sequence[str]) -> int:
    """Give this terminal to a shell or a command on a host, through OpenSSH, and return its exit code.

    Raises:
        DeployError: there is no OpenSSH here.

    """
    program = shutil.which("ssh")
    if program is None:
        raise DeployError(
            "there is no `ssh` on this machine",
            hint="Install the OpenSSH client. `deploy ssh NODE --json -- COMMAND` needs none.",
            code="no_ssh",
        )
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        config = write_config(Path(folder), reached.inventory, reached.login)
        words = [program, "-F", str(config), reached.host.name]
        if command:
            words += ["--", shlex.join(command)]
        # Ctrl-C belongs to the far side: OpenSSH handles it, and we wait for it to end.
        return _wait(subprocess.Popen(words))  # noqa: S603 - our own words; the command's are the person's


def run(reached: Reached, stack: str, command: Sequence[str]) -> SshReport:
    """Run a command on a host, and return what it said.

    Raises:
        DeployError: the host is not reached, or the command says nothing for too long.

    """
    host = reached.host
    with connect(reached.inventory.way_to(host), reached.login) as connection:
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
