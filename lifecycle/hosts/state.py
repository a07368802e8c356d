"""What a host was like before our first change: kept on the host, with our own copy, and compared when we leave."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from lifecycle import files
from lifecycle.hosts.at_once import at_once
from lifecycle.hosts.ssh import Connection
from planner.errors import DeployError

TIMEOUT_S = 120.0
Action = Literal["open", "note", "show", "before", "touched", "owner", "forget"]


class OtherStackError(DeployError):
    """A host belongs to another stack, or to one of this name that somebody else made."""

    code = "other_stack_on_host"


class HostState(msgspec.Struct, frozen=True, dict=True):
    """Accounts, packages, units, files of `/etc`, places of ours, kernel settings and firewall tables, as lines.

    A line is a kind and its words: `package chrony 4.3-2`, `file SHA256 /etc/hosts`, `unit ssh.service enabled`.
    """

    lines: tuple[str, ...]

    @cached_property
    def whole(self) -> frozenset[str]:
        """The lines, to be looked up."""
        return frozenset(self.lines)

    def by_name(self, kind: str) -> dict[str, str]:
        """Return the things of a kind: name -> what else is said of it."""
        found = {}
        for line in self.lines:
            name, _, rest = line.partition(" ")
            if name == kind:
                thing, said = named(kind, rest)
                found[thing] = said
        return found


def named(kind: str, rest: str) -> tuple[str, str]:
    """Split what a line says behind its kind into the thing's name and the rest: of files the path stands last."""
    if kind in {"file", "link"}:
        said, _, path = rest.partition(" /")
        return f"/{path}", said
    if kind in {"folder", "place", "nft"}:
        return rest, ""
    name, _, said = rest.partition(" ")
    return name, said


def parse_state(text: str) -> HostState:
    """Read what the script says.

    Raises:
        ValueError: it is cut off.

    """
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise ValueError(f"the answer is cut off: {lines[-1] if lines else 'nothing'}")
    return HostState(tuple(lines[:-1]))


class Keeper:
    """Keeps a host's state before, and what our own work changed, on the host and here."""

    def __init__(self, connection: Connection, owner: str, folder: Path) -> None:
        self._connection = connection
        self._owner = owner
        self._copy = folder / f"{connection.host.name}.before"

    def begin(self) -> None:
        """Begin to watch what changes on the host; the first time, keep the state before.

        Raises:
            OtherStackError: the host belongs to another stack.

        """
        self._do("open", self._owner)
        if not self._copy.is_file():
            files.make_private_folder(self._copy.parent)
            files.write(self._copy, self._do("before"))

    def note(self) -> None:
        """Write down what has changed since it began, by a run that was killed or by this one."""
        self._do("note")

    @property
    def owner(self) -> str:
        """The stack that the host says it belongs to; empty for none."""
        return self._do("owner").removesuffix("end\n").strip()

    @property
    def before(self) -> HostState | None:
        """The state before the first change, from the host, else from our copy; None where there is neither."""
        state = parse_state(self._do("before"))
        if state.lines:
            return state
        with contextlib.suppress(OSError, ValueError):
            return parse_state(self._copy.read_text(encoding="utf-8"))
        return None

    @property
    def touched(self) -> tuple[str, ...]:
        """Lines of the state that our work added (`+ ...`) or took away (`- ...`), the oldest first."""
        return parse_state(self._do("touched")).lines

    def now(self) -> HostState:
        """Look at the host as it is."""
        return parse_state(self._do("show"))

    def forget(self, extra: Sequence[str] = ()) -> None:
        """Remove what was kept on the host, and further folders."""
        self._do("forget")
        if extra:
            self._connection.run_as_root(shlex.join(("rm", "-rf", "--", *extra)))

    def _do(self, action: Action, *words: str) -> str:
        script = resources.files("lifecycle.hosts").joinpath("state.sh").read_text(encoding="utf-8")
        command = shlex.join(("sh", "-s", action, *words))
        ran = self._connection.run_as_root(command, text=script, timeout_s=TIMEOUT_S)
        if ran.code == 0 and ran.stdout.endswith("end\n"):
            return ran.stdout
        name = self._connection.host.name
        if ran.stdout.startswith("belongs "):
            stack = ran.stdout.split()[1]
            raise OtherStackError(
                f"{name} belongs to the stack {stack!r}, which was made elsewhere or under another name",
                hint="A host holds one stack. `deploy down` of that one gives it back; nothing was changed.",
            )
        said = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise DeployError(
            f"{name}: its state cannot be kept or read ({action}): {said[0]}",
            hint="Is the disk full or read-only? `deploy hosts check` says. Then run the same command again.",
            code="host_state",
        )


@contextlib.contextmanager
def watching(*keepers: Keeper) -> Iterator[None]:
    """Note what changes on hosts while the block runs; its first use keeps the state before.

    Of a block that is killed the host itself takes note, as the lock's holder there.

    Raises:
        OtherStackError: a host belongs to another stack.

    """
    try:
        at_once(Keeper.begin, keepers)
        yield
    except BaseException:
        with contextlib.suppress(DeployError):
            at_once(Keeper.note, keepers)
        raise
    at_once(Keeper.note, keepers)
