"""`down` on hosts: each is given back as it was, and what could not be is said. Goes on where it was stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from lifecycle import teardown_certificate
from lifecycle.down_report import DownReport
from lifecycle.home import StackHome
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.kept import KeptHosts, login_of
from lifecycle.hosts.playbook import play
from lifecycle.hosts.restoration import OUR_FOLDERS, Restoration, differences, restoration
from lifecycle.hosts.session import OpenHost, open_host
from lifecycle.hosts.ssh import Login
from lifecycle.hosts.state import HostState
from lifecycle.journal import Journal, read
from lifecycle.teardown_certificate import Certificate, HostReturned, Leftover, Removed
from planner.errors import DeployError, LockedError
from planner.progress import Progress

KINDS = {
    "units": "unit",
    "mounts": "mount",
    "settings": "kernel setting",
    "packages": "package",
    "images": "image",
    "paths": "path",
    "put_back": "file put back",
    "users": "user",
    "groups": "group",
    "enablement": "unit as it was",
    "tables": "firewall table",
    "reinstalled": "package installed again",
}
"""Fields of what has to be done, as a certificate calls them. Folders that go when they are empty are left out."""


class DownMetal:
    """One run of `down` on hosts. A host that cannot be given back keeps none of the others from being."""

    def __init__(self, home: StackHome, hosts: KeptHosts, progress: Progress, *, keep_weights: bool) -> None:
        self.home = home
        self.kept = hosts
        self.progress = progress
        self.keep_weights = keep_weights
        self.journal = Journal(home.journal, "down")
        self.removed: list[Removed] = []
        self.leftovers: list[Leftover] = []
        self.looked: list[str] = []
        self.remarks: list[str] = []
        self.returned: list[HostReturned] = []

    def run(self, profile: str, started: float) -> DownReport:
        """Give every host back, and write down what came of it.

        Args:
            profile: of the stack, for the certificate; empty where nobody knows it.
            started: when the verb began, on the monotonic clock.

        Raises:
            LockedError: somebody else works on a host.

        """
        begun = datetime.now(UTC)
        if (broken := read(self.home.journal)[1]) > 0:
            self.remarks.append(f"{broken} lines of the journal could not be read")
        login = login_of(self.home, self.kept.key)
        with self.journal.step("down"):
            for host in self.kept.inventory.serving:
                with self.progress.step(host.name):
                    self._attempt(host, login)
        written = teardown_certificate.write(
            self.home,
            Certificate(
                stack=self.home.name,
                profile=profile,
                begun_at=begun.isoformat(timespec="seconds"),
                ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
                removed=tuple(self.removed),
                leftovers=tuple(self.leftovers),
                looked=tuple(self.looked),
                remarks=tuple(self.remarks),
                hosts=tuple(self.returned),
            ),
        )
        if not self.leftovers:
            self._remove_files()
        return DownReport(
            ok=not self.leftovers,
            stack=self.home.name,
            leftovers=tuple(self.leftovers),
            certificate=str(written),
            seconds=round(time.monotonic() - started, 2),
        )

    def _attempt(self, host: Host, login: Login) -> None:
        """Give one host back; what it cannot be reached for is not done, and said."""
        try:
            with (
                self.journal.step(f"give {host.name} back"),
                open_host(self.home, self.kept, host, login, "down") as one,
            ):
                self._give_back(one, login)
        except LockedError:
            raise  # somebody works on it: what is removed now would be made again
        except DeployError as error:
            self.progress.warn(f"{host.name}: {error.message}")
            self.leftovers.append(
                Leftover(kind="host", id=host.name, where=host.address, detail="not given back", why=error.message)
            )

    def _give_back(self, one: OpenHost, login: Login) -> None:
        name, keeper = one.host.name, one.keeper
        owner = keeper.owner
        if owner != self.kept.owner:
            whose = f"belongs to the stack {owner!r} by now" if owner else "was never changed, or is given back already"
            self.looked.append(f"{name}: {whose}: nothing to do")
            return
        keeper.note()
        before = keeper.before
        if before is None:
            raise DeployError(f"{name}: its state before is lost, on the host and here", code="host_state")
        self.looked.append(
            f"{name}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: accounts, packages, units, files of /etc, places "
            "below /opt, /srv, /usr/local, /var and homes, kernel settings, firewall tables, against its state before"
        )
        to_do = restoration(before, keeper.now(), keeper.touched)
        if not to_do.is_nothing:
            self._play(one, login, to_do)
        after = keeper.now()
        left = self._but_for_weights(restoration(before, after, keeper.touched))
        self._conclude(one, before, after, done=to_do, left=left)
        if left.is_nothing:
            # Ansible's own folder comes with each of its runs.
            had = before.by_name("place")
            homes = {path for path in after.by_name("place") if path.endswith("/.ansible") and path not in had}
            keeper.forget(sorted(homes))

    def _play(self, one: OpenHost, login: Login, to_do: Restoration) -> None:
        alone = self.kept.inventory.serving_only({one.host.name})
        fields = msgspec.to_builtins(to_do)
        variables: dict[str, Any] = {f"restore_{name}": value for name, value in fields.items() if name != "kept"}
        variables["restore_keep_weights"] = self.keep_weights
        play("restore", alone, login, variables, self.progress)

    def _but_for_weights(self, left: Restoration) -> Restoration:
        if not self.keep_weights:
            return left
        return msgspec.structs.replace(left, paths=tuple(path for path in left.paths if path not in OUR_FOLDERS))

    def _conclude(
        self, one: OpenHost, before: HostState, after: HostState, *, done: Restoration, left: Restoration
    ) -> None:
        """Say what was done, what is left, and what is otherwise than before by other hands."""
        name = one.host.name
        remaining = set(_things(left))
        self.removed += [
            Removed(kind=kind, name=f"{name}: {thing}")
            for kind, thing in _things(done)
            if (kind, thing) not in remaining
        ]
        self.leftovers += [Leftover(kind=kind, id=thing, where=name) for kind, thing in sorted(remaining)]
        self.remarks += [f"{name}: {said}" for said in left.kept]
        if self.keep_weights:
            self.remarks.append(f"{name}: weights were kept, in {' and '.join(sorted(OUR_FOLDERS))}")
        self.returned.append(
            HostReturned(
                name=name,
                address=one.host.address,
                before=_counted(before),
                after=_counted(after),
                other=differences(before, after),
            )
        )

    def _remove_files(self) -> None:
        """Remove the stack's folders here; the plan goes first, so that one half removed is known as such."""
        with self.progress.step("files"):
            self.home.plan.unlink(missing_ok=True)
            for folder in (Path(self.home.layout.run), self.home.folder):
                if folder.exists():
                    shutil.rmtree(folder)


def _things(what: Restoration) -> Iterable[tuple[str, str]]:
    for field, kind in KINDS.items():
        for thing in getattr(what, field):
            yield kind, thing


def _counted(state: HostState) -> dict[str, int]:
    return {kind: len(state.by_name(kind)) for kind in ("package", "unit", "user", "group", "file", "place")}
