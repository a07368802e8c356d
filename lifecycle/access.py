"""Administrators' way to the nodes of a stack in AWS: who they are, which keys they show, and how to log in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.openssh import own_config
from lifecycle.hosts.pins import Pins, alias
from lifecycle.hosts.ssh import HostKeyChangedError, Login, fingerprint, shown_key
from lifecycle.stack import Stack
from lifecycle.tunnel.console import ShownKeys, wait_for_keys
from lifecycle.tunnel.ephemeral import EphemeralKey
from lifecycle.tunnel.reach import Entrance, NodeReach
from planner.errors import DeployError, UsageError
from planner.operator_access import login_user
from planner.outputs import Outputs
from planner.progress import Progress

_PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]+=*")


class TunnelReport(msgspec.Struct, frozen=True, kw_only=True):
    """`tunnel --json`: what an OpenSSH configuration of one's own needs for a node; no tunnel is opened.

    Attributes:
        user: who logs in.
        known_hosts: file of the host keys that consoles showed.
        proxy_command: opens a tunnel on standard input and output.
        ssh_config: lines for the node that know all of it: `ssh -F FILE NODE`.

    """

    stack: str
    node: str
    user: str
    known_hosts: str
    proxy_command: str
    ssh_config: str


class NodeAccess:
    """The way to a stack's nodes."""

    def __init__(self, stack: Stack, outputs: Outputs, progress: Progress, session: AwsSession) -> None:
        region = stack.plan.network.region
        self._progress = progress
        self._session = session
        self._pins = Pins(stack.home.folder / "known_hosts")
        self._entrance = Entrance(
            stack=stack.plan.stack,
            region=region,
            endpoint_id=outputs.instance_connect_endpoint_id,
            addresses={node.instance_id: node.private_ip for node in outputs.nodes},
        )
        users = {node.name: login_user(node.ami_parameter) for node in stack.plan.nodes}
        self.inventory = Inventory(
            host=tuple(
                # By its id: an address may come to be another instance's.
                Host(name=node.name, address=node.instance_id, user=users[node.name])
                for node in outputs.nodes
            )
        )

    @classmethod
    def of(cls, stack: Stack, progress: Progress) -> NodeAccess:
        """Read what a stack in AWS is.

        Raises:
            DeployError: it is elsewhere, or has no nodes yet.

        """
        if stack.plan.target != "aws":
            raise UsageError(
                f"stack {stack.plan.stack!r} is of the target {stack.plan.target}: no tunnel leads to it",
                hint="Such tunnels are for `--target aws`; `deploy open` shows how this one is reached; `deploy ssh` "
                "and `deploy connect` lead to hosts of one's own.",
                code="not_on_aws",
            )
        try:
            outputs = msgspec.json.decode(stack.home.outputs.read_bytes(), type=Outputs)
        except (OSError, msgspec.MsgspecError):
            raise DeployError(
                f"stack {stack.plan.stack!r} has no nodes yet",
                hint="`deploy up` makes them, or goes on where it was stopped.",
                code="no_nodes",
            ) from None
        session = AwsSession(stack.plan.network.region)
        check_account(session, stack.plan.account.number)
        return cls(stack, outputs, progress, session)

    def node(self, name: str = "") -> Host:
        """Return a node by its name; the first, which clients reach, when none is named.

        Raises:
            UsageError: there is none of that name.

        """
        if not name:
            return self.inventory.host[0]
        try:
            return self.inventory.named(name)
        except KeyError:
            names = ", ".join(host.name for host in self.inventory.host)
            raise UsageError(
                f"there is no node {name!r}",
                hint=f"Nodes: {names}. A command goes behind the node's name: `deploy ssh NODE -- COMMAND`.",
                code="no_such_node",
            ) from None

    def private_address(self, host: Host) -> str:
        """Return a node's address in its network."""
        return self._entrance.addresses[host.address]

    def pin(self, host: Host) -> str:
        """Return the host key that a node must show, asking its console where it is not known yet: kind and base64.

        Raises:
            DeployError: the console does not show it, or the node shows another one.

        """
        way = (host,)
        if known := self._pins.of(way):
            return known
        shown = wait_for_keys(self._session, host.address, self._progress)
        key = shown.best or self._by_fingerprint(host, shown)
        self._pins.pin(way, key)
        return key

    def described(self, host: Host, public_key_file: Path | None = None) -> TunnelReport:
        """Return what OpenSSH needs to know of a node, whose host key is pinned first.

        Args:
            host: the node.
            public_key_file: let in at each connection, where given.

        Raises:
            DeployError: the host key is not known.

        """
        self.pin(host)
        reach = self.reach(public_key_file=public_key_file)
        return TunnelReport(
            stack=self._entrance.stack,
            node=host.name,
            user=host.user,
            known_hosts=str(self._pins.path),
            proxy_command=reach.proxy_command(host),
            ssh_config=own_config(host, alias((host,)), reach, self._pins.path),
        )

    @contextlib.contextmanager
    def login(self, hosts: tuple[Host, ...], *, as_files: bool = False) -> Iterator[Login]:
        """Yield how to log in on nodes, with a key pair that ends with the block.

        Args:
            hosts: whose keys are pinned first.
            as_files: for OpenSSH and Ansible as well, which read the private key from a file; else it is in memory
                alone.

        Raises:
            DeployError: a host key is not known.

        """
        for host in hosts:
            self.pin(host)
        pair = EphemeralKey()
        with pair.as_files() if as_files else contextlib.nullcontext(None) as file:
            public = file.with_suffix(".pub") if file else None
            yield Login(
                pins=self._pins,
                confirm=_nobody,
                key=pair.key,
                key_file=file,
                reach=self.reach(public_key=pair.public, public_key_file=public),
            )

    def reach(self, *, public_key: str = "", public_key_file: Path | None = None) -> NodeReach:
        """Return the way to the nodes, which lets a public key in at each connection where one is given."""
        return NodeReach(
            self._session, self._entrance, self._progress, public_key=public_key, public_key_file=public_key_file
        )

    def _by_fingerprint(self, host: Host, shown: ShownKeys) -> str:
        """Ask the node for its key, where the console shows fingerprints alone, and hold it against those."""
        key = shown_key(host, self.reach())
        if fingerprint(key) not in shown.fingerprints:
            raise HostKeyChangedError(
                f"{host.name}: it shows the host key {fingerprint(key)}, its console another",
                hint="Another machine answers there, or somebody stands in between: nothing was sent. Look at the "
                "console (EC2 > Instances > Monitor and troubleshoot > Get system log).",
            )
        return key


def read_public_key(path: Path) -> str:
    """Return the ed25519 public key that a file holds.

    Raises:
        UsageError: it holds none.

    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="It is a public key's file: ssh-ed25519 ...") from None
    found = _PUBLIC_KEY.match(text)
    if found is None:
        raise UsageError(f"{path} holds no ed25519 public key", hint="It begins with `ssh-ed25519`.")
    return found[0]


def _nobody(host: Host, shown: str) -> bool:
    """Confirm no key: the console has said which it is."""
    del host, shown
    return False
