"""The hosts that serve a stack, however they are reached: one's own by SSH, nodes in AWS through the tunnel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from lifecycle import files
from lifecycle.home import StackHome
from lifecycle.hosts.kept import KeptHosts, login_of
from lifecycle.hosts.ssh import Login
from lifecycle.planning import hosts_of
from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.progress import Progress


class ServedHosts(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that hosts serve.

    Attributes:
        stack: its plan names the hosts.
        kept: where they are.
        login: valid while they are in use.

    """

    stack: Stack
    kept: KeptHosts
    login: Login


def keep_nodes(home: StackHome, kept: KeptHosts) -> None:
    """Remember that nodes in AWS are being made hosts, and which."""
    files.write(home.nodes, msgspec.json.encode(kept))


@contextlib.contextmanager
def served_hosts(stack: Stack, progress: Progress, *, as_files: bool = False) -> Iterator[ServedHosts | None]:
    """Yield the hosts that serve a stack; None where its services run on this machine, or nowhere yet.

    Args:
        stack: the stack.
        progress: is told of what reaching them takes.
        as_files: for Ansible as well, which reads the private key from a file.

    Raises:
        DeployError: it is not known where they are, or the credentials are of another account.

    """
    if kept := hosts_of(stack.home):
        yield ServedHosts(stack=stack, kept=kept, login=login_of(stack.home, kept.key))
        return
    if stack.plan.target != "aws" or not stack.home.nodes.is_file():
        yield None
        return
    from lifecycle.access import NodeAccess  # noqa: PLC0415 - loads the tunnel, which one's own hosts do not need

    try:
        kept = msgspec.json.decode(stack.home.nodes.read_bytes(), type=KeptHosts)
    except (OSError, msgspec.MsgspecError) as error:
        raise DeployError(
            f"{stack.home.nodes} cannot be read: {error}",
            hint="`deploy up` writes it anew.",
            code="nodes_unreadable",
        ) from None
    with NodeAccess.of(stack, progress).login(kept.inventory.serving, as_files=as_files) as login:
        plan = msgspec.structs.replace(stack.plan, hosts=kept.plans)
        yield ServedHosts(stack=Stack(stack.home, plan, progress), kept=kept, login=login)
