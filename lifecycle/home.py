"""Where stacks live on this machine: one folder each, below the user's state folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from lifecycle import files
from lifecycle.hosts.sudo import Sudo
from planner.errors import DeployError, UsageError
from planner.layout import Layout

HOME_VARIABLE = "CLOISTER_HOME"
"""Environment variable that moves all stacks elsewhere."""
STACK_NAME = re.compile(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")


class Home:
    """The folder of all stacks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_user(cls) -> Home:
        """Return the user's: `$CLOISTER_HOME`, else the platform's state folder."""
        if named := os.environ.get(HOME_VARIABLE):
            return cls(Path(named).expanduser().absolute())

        return cls(Path(platformdirs.user_state_dir("cloister")))

    @property
    def archive(self) -> Path:
        """Certificates of stacks that were taken down."""
        return self.root / "archive"

    @property
    def known_hosts(self) -> Path:
        """Host keys of machines reached by SSH, as they were confirmed."""
        return self.root / "known_hosts"

    @property
    def keys(self) -> Path:
        """Keys of ours that log in on hosts. They outlive their stacks: what is given back must still be reached."""
        return self.root / "keys"

    @property
    def pulumi(self) -> Path:
        """Plugins of Pulumi's engine, shared between stacks."""
        return self.root / "pulumi"

    @property
    def offerings(self) -> Path:
        """Capacity Blocks that were found for sale."""
        return self.root / "offerings.json"

    def stack(self, name: str, sudo: Sudo | None = None) -> StackHome:
        """Return the place of one stack, whether it exists or not.

        Args:
            name: of the stack.
            sudo: how its hosts' users become root; without a password when None.

        Raises:
            UsageError: that is no name for a stack.

        """
        if not STACK_NAME.match(name):
            raise UsageError(
                f"{name!r} is no name for a stack",
                hint="Use 1 to 32 lower-case letters, digits and hyphens, beginning with a letter.",
                code="bad_stack_name",
            )
        return StackHome(self, name, sudo)

    def stacks(self) -> Iterator[StackHome]:
        """Yield the stacks that have a folder, by name."""
        folder = self.root / "stacks"
        if folder.is_dir():
            for entry in sorted(folder.iterdir()):
                if entry.is_dir() and STACK_NAME.match(entry.name):
                    yield StackHome(self, entry.name)


class StackHome:
    """The folder of one stack, and what is where in it.

    Attributes:
        sudo: how users become root on the stack's hosts, for as long as a verb runs; written nowhere.

    """

    def __init__(self, home: Home, name: str, sudo: Sudo | None = None) -> None:
        self.home = home
        self.name = name
        self.sudo = sudo or Sudo()
        self.folder = home.root / "stacks" / name

    @property
    def exists(self) -> bool:
        """Tell whether anything of the stack is there."""
        return self.folder.is_dir()

    @property
    def plan(self) -> Path:
        """The Plan, as JSON."""
        return self.folder / "plan.json"

    @property
    def outputs(self) -> Path:
        """What the stacks gave."""
        return self.folder / "outputs.json"

    @property
    def ports(self) -> Path:
        """The ports that were chosen."""
        return self.folder / "ports.json"

    @property
    def resources(self) -> Path:
        """State of the emulated resources."""
        return self.folder / "resources.json"

    @property
    def baseline(self) -> Path:
        """What was in the account before the stack."""
        return self.folder / "baseline.json"

    @property
    def nodes(self) -> Path:
        """Nodes in AWS that were made hosts of the stack, and how they are reached."""
        return self.folder / "nodes.json"

    @property
    def journal(self) -> Path:
        """Every step of every verb."""
        return self.folder / "journal.jsonl"

    @property
    def events(self) -> Path:
        """Every operation of Pulumi's engine as it begins and ends, one JSON line each."""
        return self.folder / "logs" / "pulumi-events.jsonl"

    @property
    def lock(self) -> Path:
        """The lock; beside the folder, so that it outlives it."""
        return self.home.root / "locks" / f"{self.name}.lock"

    @property
    def layout(self) -> Layout:
        """Return the folders by role."""
        return Layout(
            stack=str(self.folder),
            config=str(self.folder / "config"),
            data=str(self.folder / "data"),
            logs=str(self.folder / "logs"),
            secrets=str(self.folder / "secrets"),
            tls=str(self.folder / "tls"),
            run=str(self._run_folder()),
        )

    def create(self) -> None:
        """Make the folders, closed to others.

        Raises:
            DeployError: the state folder cannot be written.

        """
        layout = self.layout
        try:
            for folder in (layout.stack, layout.config, layout.data, layout.logs, layout.secrets, layout.tls):
                files.make_private_folder(Path(folder))
            self._make_run_folder(Path(layout.run))
        except OSError as error:
            raise DeployError(
                f"the state folder {self.folder} cannot be written: {error.strerror}",
                hint=f"Free space or mend its permissions, or set {HOME_VARIABLE} to a folder that you may write.",
                code="state_not_writable",
            ) from error

    def _run_folder(self) -> Path:
        """Return a short path: a Unix socket's may have 107 bytes, and the state folder's may be long."""
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(base) / f"cloister-{os.getuid()}-{digest}"

    @staticmethod
    def _make_run_folder(folder: Path) -> None:
        """Make it, and refuse one that somebody else made first in a shared folder."""
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise DeployError(
                f"{folder} belongs to somebody else, or is open to others",
                hint="Remove it, or set XDG_RUNTIME_DIR to a folder of your own.",
                code="run_folder_not_private",
            )
