"""Commands over SSH, with host keys that are checked without exception."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec
import paramiko

from lifecycle.hosts.inventory import Host
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.sudo import Rooted, Sudo, refuse_missing
from planner.errors import DeployError

CONNECT_TIMEOUT_S = 10.0
LOGIN_TIMEOUT_S = 20.0
KEEPALIVE_S = 15
"""A peer that answers none of these is gone, and the kernel says so."""

Confirm = Callable[[Host, str], bool]
"""Asks a person whether this fingerprint is that host's."""


class HostKeyUnknownError(DeployError):
    """First contact, and nobody confirmed the key."""

    code = "host_key_unknown"


class HostKeyChangedError(DeployError):
    """The host shows another key than the pinned one: another machine, or somebody in between."""

    code = "host_key_changed"


class UnreachableError(DeployError):
    """No SSH server answers there."""

    code = "host_unreachable"


class LoginRefusedError(DeployError):
    """The host does not let this user in."""

    code = "login_refused"


class CommandStuckError(DeployError):
    """A command said nothing for too long, or the connection broke."""

    code = "host_stuck"


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


class Stream(Protocol):
    """What SSH is spoken over: a socket, or what has these methods of one."""

    def recv(self, size: int, /) -> bytes:
        """Return some bytes; none at the end."""

    def send(self, data: bytes, /) -> int:
        """Send the beginning of `data`, and return how much that was."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Set how long `recv` waits."""

    def close(self) -> None:
        """End it."""


class Reach(Protocol):
    """Another way to the SSH ports of hosts than a connection from this machine's network."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What a proxy command needs of ours, beside what every program gets."""

    def dial(self, host: Host) -> Stream:
        """Open the stream to a host's SSH port.

        Raises:
            DeployError: it did not come about.

        """

    def proxy_command(self, host: Host) -> str:
        """Return what OpenSSH runs to the same end (`ProxyCommand`): a shell's words, with nothing secret in them."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in: which host keys are right, who is asked about new ones, with which key of ours, and which way."""

    pins: Pins
    confirm: Confirm
    key_file: Path | None = None
    """The user's agent and default files when neither this nor `key` is given."""
    key: paramiko.PKey | None = None
    """A key that is in no file, or in one that only OpenSSH reads."""
    reach: Reach | None = None
    """Leads to the first host of a way; this machine's own network when None."""
    sudo: Sudo = msgspec.field(default_factory=Sudo)
    """How users who are not root become that."""

    def __repr__(self) -> str:
        return f"Login(pins={self.pins.path}, key_file={self.key_file})"


class Connection:
    """A login on one host."""

    def __init__(self, host: Host, client: paramiko.SSHClient, sudo: Sudo) -> None:
        self.host = host
        self.client = client
        self.sudo = sudo

    @cached_property
    def proven_sudo(self) -> Sudo:
        """How its user becomes root; a password is tried first, once.

        Raises:
            SudoRefusedError: the password is wrong.
            CommandStuckError: the connection broke.

        """
        self.sudo.prove(self)
        return self.sudo

    def as_root(self, command: str) -> Rooted:
        """Return what runs a program and its words as root.

        Raises:
            SudoRefusedError: the password that sudo wants is wrong.
            CommandStuckError: the connection broke.

        """
        return self.proven_sudo.rooted(self.host.user, command)

    def run_as_root(self, command: str, *, text: str = "", timeout_s: float = 60.0) -> Ran:
        """Run a program and its words as root, with `text` as its input.

        Raises:
            SudoRefusedError, SudoPasswordMissingError: the password that sudo wants is wrong, or was not given.
            CommandStuckError: nothing was heard for `timeout_s`, or the connection broke.

        """
        rooted = self.as_root(command)
        ran = self.run(rooted.command, text=rooted.begins + text, timeout_s=timeout_s)
        if ran.code:
            refuse_missing(self.host, ran.stderr)
        return ran

    def run(self, command: str, *, text: str = "", timeout_s: float = 60.0) -> Ran:
        """Run a shell command with `text` as its input.

        Raises:
            CommandStuckError: nothing was heard for `timeout_s`, or the connection broke.

        """
        try:
            transport_of(self.client)
            into, out, err = self.client.exec_command(command, timeout=timeout_s)
            into.write(text)
            into.channel.shutdown_write()
            stdout, stderr = out.read(), err.read()
            code = out.channel.recv_exit_status() if out.channel.status_event.wait(timeout_s) else None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._stuck(timeout_s, str(error) or type(error).__name__) from None
        if code is None:
            raise self._stuck(timeout_s, "its output ended, and it did not")
        if code < 0:  # as the library says where the host said nothing
            raise self._stuck(timeout_s, "it ended without an exit code")
        return Ran(code=code, stdout=stdout.decode(errors="replace"), stderr=stderr.decode(errors="replace"))

    def _stuck(self, timeout_s: float, why: str) -> CommandStuckError:
        return CommandStuckError(
            f"{self.host.name}: the connection broke or nothing came for {timeout_s:g} s ({why})",
            hint="Look whether the host is up, then run the same command again.",
        )


@contextlib.contextmanager
def connect(way: tuple[Host, ...], login: Login) -> Iterator[Connection]:
    """Log in on the last host of a way, through all before it. Neither agent nor display are forwarded.

    Raises:
        UnreachableError, HostKeyUnknownError, HostKeyChangedError, LoginRefusedError: it did not come about.

    """
    with contextlib.ExitStack() as stack:
        client: paramiko.SSHClient | None = None
        for number, host in enumerate(way):
            sock = _dial(host, client, login.reach)
            stack.callback(sock.close)
            client = _log_in(way[: number + 1], sock, login)
            stack.callback(client.close)
        if client is None:
            raise ValueError("a way has at least one host")
        yield Connection(way[-1], client, login.sudo)


def shown_key(host: Host, reach: Reach) -> str:
    """Return the host key that a host shows, unchecked: kind and base64. Nobody logs in.

    Raises:
        UnreachableError: nothing there speaks SSH.

    """
    with contextlib.closing(_dial(host, None, reach)) as stream, _spoken_over(stream) as transport:
        try:
            transport.start_client(timeout=LOGIN_TIMEOUT_S)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise _explained(error, host) from None
        key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def _spoken_over(stream: Stream) -> paramiko.Transport:
    return paramiko.Transport(stream)  # type: ignore[arg-type]  # as in `_log_in`


def fingerprint(key: str) -> str:
    """Return a public key's fingerprint as `ssh-keygen -l` prints it.

    Args:
        key: kind and base64.

    """
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _dial(host: Host, through: paramiko.SSHClient | None, reach: Reach | None) -> Stream:
    """Open the stream to a host's SSH port: directly, or from the host before it."""
    try:
        if through is None:
            if reach is not None:
                return reach.dial(host)
            return socket.create_connection((host.address, host.port), CONNECT_TIMEOUT_S)
        here, transport = ("127.0.0.1", 0), transport_of(through)
        return transport.open_channel("direct-tcpip", (host.address, host.port), here, timeout=CONNECT_TIMEOUT_S)
    except (OSError, EOFError, paramiko.SSHException) as error:
        from_where = f" from {host.jump}" if through is not None else ""
        why = str(error) or type(error).__name__
        raise UnreachableError(
            f"{host.name}: nothing answers at {host.address}:{host.port}{from_where} ({why})",
            hint="Check address and port, that the host is up, and that a firewall lets SSH through.",
        ) from None


def _log_in(way: tuple[Host, ...], sock: Stream, login: Login) -> paramiko.SSHClient:
    host, pinned, key_file = way[-1], login.pins.of(way), login.key_file
    own_keys = key_file is None and login.key is None
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_AskOnce(way, login))
    if pinned:
        kind, text = pinned.split()[:2]
        name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        client.get_host_keys().add(name, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(text)))
    try:
        client.connect(
            host.address,
            host.port,
            host.user,
            sock=sock,  # type: ignore[arg-type]  # the stubs name classes; it needs these methods of theirs
            pkey=login.key,
            key_filename=str(key_file) if key_file and not login.key else None,
            allow_agent=own_keys,
            look_for_keys=own_keys,
            banner_timeout=LOGIN_TIMEOUT_S,
            auth_timeout=LOGIN_TIMEOUT_S,
            timeout=CONNECT_TIMEOUT_S,
        )
        transport_of(client).set_keepalive(KEEPALIVE_S)
    except (OSError, EOFError, paramiko.SSHException) as error:
        client.close()
        raise _explained(error, host) from None
    except BaseException:
        client.close()
        raise
    return client


def transport_of(client: paramiko.SSHClient) -> paramiko.Transport:
    """Return the encrypted stream of a client.

    Raises:
        EOFError: it ended.

    """
    if (transport := client.get_transport()) is None:
        raise EOFError("the connection ended")
    return transport


class _AskOnce(paramiko.MissingHostKeyPolicy):
    """First contact: pin the key if a person confirms its fingerprint."""

    def __init__(self, way: tuple[Host, ...], login: Login) -> None:
        self.way = way
        self.login = login

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        del client, hostname
        text = f"{key.get_name()} {key.get_base64()}"
        host = self.way[-1]
        if not self.login.confirm(host, fingerprint(text)):
            raise HostKeyUnknownError(
                f"{host.name}: its host key {fingerprint(text)} ({key.get_name()}) was never confirmed",
                hint="Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console; then "
                f'confirm it on a terminal, or put `host_key = "{text}"` into the inventory.',
            )
        self.login.pins.pin(self.way, text)


def _explained(error: Exception, host: Host) -> DeployError:
    if isinstance(error, paramiko.BadHostKeyException):
        shown, known = (f"{key.get_name()} {key.get_base64()}" for key in (error.key, error.expected_key))
        return HostKeyChangedError(
            f"{host.name}: it shows the host key {fingerprint(shown)}, but {fingerprint(known)} is pinned",
            hint="Another machine answers there, or somebody stands in between: nothing was sent. If the host was "
            "installed anew, check the new fingerprint on its console, then put its `host_key` into the inventory.",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return LoginRefusedError(
            f"{host.name}: {host.user} is not let in ({error})",
            hint="Check the user's name and that one of your keys stands in its authorized_keys; --key FILE names one.",
        )
    why = str(error) or type(error).__name__
    return UnreachableError(
        f"{host.name}: {host.address}:{host.port} does not speak SSH as it should ({why})",
        hint="Check that an SSH server listens there.",
    )
