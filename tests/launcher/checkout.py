"""A copy of the repository, and its launcher run as a process with an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKES = Path(__file__).parent / "fakes"
LAUNCHER_FILES = (
    "deploy",
    "tools",
    "pyproject.toml",
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-uv.lock",
)
NEEDED = {"sh", "dirname", "readlink", "cmp", "rm", "mkdir", "cp", "mv", "grep", "sed", "sleep"}
"""All that the launcher calls when uv is there, and what the stand-ins call."""
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "tests", "build")


@dataclass
class Checkout:
    """A copy of the repository below a path with spaces; `fakes` puts the stand-in for uv on PATH."""

    root: Path
    home: Path
    path: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def log(self) -> Path:
        return self.home / "uv.log"

    def calls(self, word: str) -> int:
        """Count the calls of the stand-in for uv that begin with these words."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.startswith(word) for line in lines)

    def start(
        self, *arguments: str, command: Path | None = None, cwd: Path | str = "/", user: int | None = None, **env: str
    ) -> subprocess.Popen[str]:
        """Start the launcher in a process group of its own."""
        return subprocess.Popen(
            [str(command or self.root / "deploy"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            user=user,
            env={"HOME": str(self.home), "PATH": self.path, "FAKE_UV_LOG": str(self.log), **self.env, **env},
            start_new_session=True,
        )

    def run(
        self, *arguments: str, command: Path | None = None, cwd: Path | str = "/", stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end."""
        process = self.start(*arguments, command=command, cwd=cwd, user=None, **env)
        out, err = process.communicate(stdin, timeout=100)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def with_fakes(folder: Path) -> Checkout:
    """Copy what the launcher needs, with the stand-in for uv first on PATH."""
    checkout = Checkout(folder / "a clone", folder / "home", f"{FAKES}:{tools(folder, NEEDED)}")
    checkout.env = {"UV_DEFAULT_INDEX": "https://index.example/simple"}  # so that pip is not asked for its own
    checkout.root.mkdir()
    checkout.home.mkdir()
    for name in LAUNCHER_FILES:
        copy(ROOT / name, checkout.root / name)
    return checkout


def whole(folder: Path) -> Checkout:
    """Copy everything, with no uv on PATH and an empty home, but with this machine's way to its package index."""
    checkout = Checkout(folder / "a clone", folder / "home", tools(folder))
    shutil.copytree(ROOT, checkout.root, ignore=NOT_COPIED)
    checkout.home.mkdir()
    kept = ("PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    checkout.env = {key: value for key, value in os.environ.items() if key.upper().startswith(kept)}
    return checkout


def tools(folder: Path, names: Iterable[str] | None = None) -> str:
    """Return a PATH that holds the system's tools (all, or these) and one Python, and no uv."""
    system = folder / "bin"
    system.mkdir()
    for program in [path for directory in ("/bin", "/usr/bin") for path in Path(directory).glob("*")]:
        wanted = program.name in names if names else not program.name.startswith(("python", "pip", "uv"))
        if wanted and not (system / program.name).is_symlink():
            (system / program.name).symlink_to(program)
    (system / "python3").symlink_to(os.path.realpath(sys.executable))
    return str(system)


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder with its modes."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_COPIED)
    else:
        shutil.copy2(source, target)
