"""What has to be done so that a host is again as it was: pure, from its state before, now, and what we touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import msgspec

from lifecycle.hosts.state import HostState, named
from planner.layout import HOST_LAYOUT

MARK = "cloister"
"""Stands in the name of every unit, user and folder of ours."""
ACCOUNT_FILES = {"passwd", "group", "shadow", "gshadow", "subuid", "subgid"}
"""Change with users, who are compared by themselves; putting an old one back would undo other people's work."""
DERIVED = {
    *(f"/etc/{name}{ending}" for name in ACCOUNT_FILES for ending in ("", "-")),
    "/etc/.pwd.lock",
    "/etc/adjtime",
    "/etc/ld.so.cache",
    "/etc/mtab",
    "/etc/resolv.conf",
    *(f"/var/log/{name}" for name in ("alternatives.log", "apt", "btmp", "dpkg.log", "lastlog", "wtmp")),
}
"""Changed by the system itself, whoever gives it a reason."""
UNIT_FOLDER = "/etc/systemd/system"
OUR_FOLDERS = {"/opt/cloister", HOST_LAYOUT.stack, HOST_LAYOUT.logs}
"""Ours even where they were there before: weights may have been kept in them."""
OF_PODMAN = ("/run/containers", "/run/crun", "/run/libpod", "/run/podman", "/var/lib/cni")
"""What Podman makes where it runs, and its package leaves behind."""
OWN_HOMES = ("/opt", "/srv", "/usr/local", "/root", "/home")
"""Below these, only what has our name is ours."""
SYSTEM_USERS_BELOW = 1000
"""User ids of people begin here (`UID_MIN` of Debian and Ubuntu)."""


class Restoration(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be done, in this order."""

    units: tuple[str, ...]
    """Services, timers and sockets of ours that are stopped and disabled."""
    mounts: tuple[str, ...]
    """The same of disks, after what lies on them is gone."""
    settings: dict[str, str]
    """Kernel settings -> the values they had."""
    packages: tuple[str, ...]
    """Purged: they came with us."""
    images: tuple[str, ...]
    """Taken out of Podman's storage: services ran from them."""
    paths: tuple[str, ...]
    """Files, links and folders, with all that is in them."""
    folders: tuple[str, ...]
    """Removed where they are empty, the deepest first."""
    put_back: tuple[str, ...]
    """Files of `/etc` as they were, from the copy on the host."""
    users: tuple[str, ...]
    groups: tuple[str, ...]
    enablement: dict[str, str]
    """Units of the host itself -> `enabled`, `disabled` or `masked`, as they were."""
    tables: tuple[str, ...]
    """Firewall tables, for example `inet cloister`. Last: until here nobody was let in."""
    reinstalled: tuple[str, ...]
    """Packages that gave way to ours."""
    kept: tuple[str, ...]
    """Not touched, because somebody changed it after us; in words."""

    @property
    def is_nothing(self) -> bool:
        """Whether the host is as it was."""
        fields = (getattr(self, field) for field in self.__struct_fields__ if field != "kept")
        return not any(fields)


class _Touched:
    """What our own work changed, from the notes of it."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.after: dict[tuple[str, str], str] = {}
        """(kind, name) -> what was last said of it after our work."""
        for line in lines:
            sign, kind, rest = line.split(" ", 2)
            name, said = named(kind, rest)
            if sign == "+" or (kind, name) not in self.after:
                self.after[kind, name] = said

    def names(self, kind: str) -> set[str]:
        return {name for its, name in self.after if its == kind}


def restoration(before: HostState, now: HostState, touched: Iterable[str]) -> Restoration:
    """Say what has to be done.

    Args:
        before: the host before our first change.
        now: as it is.
        touched: notes of our own work, the oldest first.

    """
    ours = _Touched(touched)
    # What lets clients in goes first: nobody is served by half a stack.
    units = sorted(_units(before, now), key=lambda unit: (not unit.endswith(".socket"), unit))
    put_back, kept = _changed_files(before, now, ours)
    users = tuple(sorted(_accounts("user", before, now, ours)))
    return Restoration(
        units=tuple(unit for unit in units if not unit.endswith(".mount")),
        mounts=tuple(unit for unit in units if unit.endswith(".mount")),
        settings=_settings(before, now, ours),
        packages=_come("package", before, now, ours),
        images=_come("image", before, now, ours),
        paths=tuple(_outermost(_paths(before, now, ours))),
        folders=tuple(sorted(_come("folder", before, now, ours), key=len, reverse=True)),
        put_back=put_back,
        users=users,
        # A user's own group goes with the user.
        groups=tuple(sorted(set(_accounts("group", before, now, ours)) - set(users))),
        enablement=_enablement(before, now, ours),
        tables=tuple(
            sorted(
                table.removeprefix("table ")
                for table in set(now.by_name("nft")) - set(before.by_name("nft"))
                if MARK in table
            )
        ),
        reinstalled=tuple(
            sorted((set(before.by_name("package")) - set(now.by_name("package"))) & ours.names("package"))
        ),
        kept=kept,
    )


def differences(before: HostState, after: HostState) -> tuple[str, ...]:
    """Return what is otherwise than before, by kind and name: other people's work, and what nobody could give back.

    Left out is what changes by itself: the files of accounts, logs of the distribution, the kernel's counters.
    """
    other = set()
    for line in before.whole ^ after.whole:
        kind, _, rest = line.partition(" ")
        name, _ = named(kind, rest)
        if kind not in {"sysctl", "ours"} and name not in DERIVED and not name.endswith("/.ansible"):
            other.add(f"{kind} {name}")
    return tuple(sorted(other))


def _come(kind: str, before: HostState, now: HostState, ours: _Touched) -> tuple[str, ...]:
    """Return what was not there before, is there now, and came in the time of our own work."""
    return tuple(sorted((set(now.by_name(kind)) - set(before.by_name(kind))) & ours.names(kind)))


def _units(before: HostState, now: HostState) -> Iterator[str]:
    """Yield the units that are ours by name, or because we wrote their file."""
    there = set(before.by_name("unit"))
    written = {PurePosixPath(path).name for path in now.by_name("file") if path.startswith(f"{UNIT_FOLDER}/")}
    for name in now.by_name("unit"):
        if name not in there and MARK in name and (name.startswith(MARK) or name in written):
            yield name


def _settings(before: HostState, now: HostState, ours: _Touched) -> dict[str, str]:
    was, values = before.by_name("sysctl"), now.by_name("sysctl")
    set_by_us = set(now.by_name("ours")) | ours.names("ours")
    return {name: was[name] for name in sorted(set_by_us & set(was) & set(values)) if values[name] != was[name]}


def _paths(before: HostState, now: HostState, ours: _Touched) -> Iterator[str]:
    for kind in ("file", "link"):
        yield from (path for path in _come(kind, before, now, ours) if path not in DERIVED)
    yield from (path for path in now.by_name("place") if path in OUR_FOLDERS)
    for path in _come("place", before, now, ours):
        if path not in DERIVED and (MARK in PurePosixPath(path).name or not path.startswith(OWN_HOMES)):
            yield path
    if "podman" in _come("package", before, now, ours):
        yield from (path for path in OF_PODMAN if path not in before.by_name("place"))
    yield from (folder for folder in _come("folder", before, now, ours) if MARK in PurePosixPath(folder).name)


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    """Yield paths without those that lie in another of them."""
    last = ""
    for path in sorted(set(paths), key=lambda path: (*PurePosixPath(path).parts,)):
        if not last or not path.startswith(f"{last}/"):
            last = path
            yield path


def _changed_files(before: HostState, now: HostState, ours: _Touched) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files that go back to what they were, and those that somebody changed after us."""
    put_back, kept = [], []
    for kind in ("file", "link"):
        was, there = before.by_name(kind), now.by_name(kind)
        for path in sorted((ours.names(kind) & set(was)) - DERIVED):
            if path not in there:
                put_back.append(path)
            elif there[path] != was[path]:
                if there[path] == ours.after[kind, path]:
                    put_back.append(path)
                else:
                    kept.append(f"{path}: changed by us, and by somebody else after that")
    return tuple(put_back), tuple(kept)


def _accounts(kind: str, before: HostState, now: HostState, ours: _Touched) -> Iterator[str]:
    for name in _come(kind, before, now, ours):
        number = now.by_name(kind)[name].split(" ", 1)[0]
        if int(number) < SYSTEM_USERS_BELOW or name.startswith(MARK):
            yield name


def _enablement(before: HostState, now: HostState, ours: _Touched) -> dict[str, str]:
    was, there = before.by_name("unit"), now.by_name("unit")
    settled = {"enabled", "disabled", "masked"}
    both = ours.names("unit") & set(was) & set(there)
    words = {name: was[name].split(" ", 1)[0] for name in sorted(both)}
    return {name: word for name, word in words.items() if word in settled and there[name].split(" ", 1)[0] != word}
