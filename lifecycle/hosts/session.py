"""All hosts of a stack at once: logged in on, locked, and watched while playbooks change them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lifecycle.home import StackHome
from lifecycle.hosts.at_once import MOST, enter_at_once
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.kept import KeptHosts, login_of
from lifecycle.hosts.lock import HostLock, hold_host
from lifecycle.hosts.playbook import Outcome, play
from lifecycle.hosts.ssh import Connection, Login, connect
from lifecycle.hosts.state import Keeper, watching
from planner.progress import Progress


class OpenHost:
    """A host that this verb works on."""

    def __init__(self, host: Host, connection: Connection, lock: HostLock, keeper: Keeper) -> None:
        self.host = host
        self.connection = connection
        self.lock = lock
        self.keeper = keeper


class HostSession:
    """The hosts of a stack, each locked for one verb."""

    def __init__(self, kept: KeptHosts, login: Login, hosts: Sequence[OpenHost], progress: Progress) -> None:
        self.kept = kept
        self.login = login
        self.hosts = tuple(hosts)
        self.progress = progress
        self._watched = False

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, home: StackHome, kept: KeptHosts, verb: str, progress: Progress, login: Login | None = None
    ) -> Iterator[HostSession]:
        """Log in on every host and lock it.

        Args:
            home: the stack.
            kept: its hosts.
            verb: for whoever finds a host locked.
            progress: is told of every task.
            login: how; as the stack's own hosts are logged in on when None.

        Raises:
            DeployError: a host is not reached.
            LockedError: somebody else works on one.

        """
        login = login or login_of(home, kept.key)
        with contextlib.ExitStack() as opened:
            hosts = enter_at_once(
                opened,
                (open_host(home, kept, host, login, verb) for host in kept.inventory.serving),
                most=1 if login.reach else MOST,  # another way than the network's may be of one thread alone
            )
            yield cls(kept, login, hosts, progress)

    def play(
        self,
        playbook: str,
        variables: Mapping[str, Any],
        *,
        of_hosts: Mapping[str, Mapping[str, Any]] = {},
    ) -> Outcome:
        """Run a playbook on all hosts; what it changes is noted on each, so that it can be given back.

        Raises:
            DeployError: a host failed or was not reached, or its lock was lost.

        """
        with self.changing():
            return play(playbook, self.kept.inventory, self.login, variables, self.progress, of_hosts=of_hosts)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Note on each host what a block changes there. A block within another one is noted with that.

        Raises:
            DeployError: a lock was lost, or a host belongs to another stack.

        """
        for one in self.hosts:
            one.lock.check()
        if self._watched:
            yield
            return
        self._watched = True
        try:
            with watching(*(one.keeper for one in self.hosts)):
                yield
        finally:
            self._watched = False


@contextlib.contextmanager
def open_host(home: StackHome, kept: KeptHosts, host: Host, login: Login, verb: str) -> Iterator[OpenHost]:
    """Log in on one host and lock it.

    Raises:
        DeployError: it is not reached.
        LockedError: somebody else works on it.

    """
    with (
        connect(kept.inventory.way_to(host), login) as connection,
        hold_host(connection, verb, home.name) as lock,
    ):
        yield OpenHost(host, connection, lock, Keeper(connection, kept.owner, home.folder / "hosts"))
