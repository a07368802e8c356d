"""Finding profiles: the shipped ones by name, a person's own by path."""

from __future__ import annotations

import difflib
from pathlib import Path

from lifecycle import files
from planner.errors import ProfileError, UsageError
from planner.profile import Profile
from planner.profile_text import LoadParent, ProfileText, parse_profile

SHIPPED = Path(__file__).resolve().parent.parent / "profiles"
MAX_BYTES = 256 * 1024
"""No profile is larger."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped profiles, smallest hardware first."""
    paths = sorted(SHIPPED.glob("*.toml"), key=lambda path: (not path.stem[0].isdigit(), path.stem))
    return tuple(path.stem for path in paths)


def load_profile(name_or_path: str) -> Profile:
    """Read a profile by its shipped name, or from a file of one's own.

    Raises:
        UsageError: there is no such profile or file.
        ProfileError: it cannot be read as a profile.

    """
    return parse_profile(profile_text(name_or_path), _parent_of(name_or_path))


def profile_text(name_or_path: str) -> ProfileText:
    """Return a profile's text.

    Raises:
        UsageError: there is no such profile or file.

    """
    return _text(_locate(name_or_path, Path()))


def _parent_of(child: str) -> LoadParent:
    """Return what loads a parent profile: shipped by name, or a path relative to the child's folder."""
    folder = _locate(child, Path()).parent
    return lambda name: _text(_locate(name, folder))


def _locate(name_or_path: str, folder: Path) -> Path:
    """Return the file of a profile; a path is relative to the folder of the file that names it."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        path = folder / Path(name_or_path).expanduser()
        if not path.is_file():
            raise UsageError(
                f"there is no profile file {path}",
                hint="`deploy profiles` lists the shipped ones; a file of your own needs its whole path.",
                code="unknown_profile",
            )
        return path
    path = SHIPPED / f"{name_or_path}.toml"
    if name_or_path not in shipped_names():
        near = difflib.get_close_matches(name_or_path, shipped_names(), n=3, cutoff=0.4) or shipped_names()
        raise UsageError(
            f"there is no profile {name_or_path!r}",
            hint=f"Did you mean {' or '.join(near)}? `deploy profiles` lists all; for your own: --profile ./mine.toml.",
            code="unknown_profile",
        )
    return path


def _text(path: Path) -> ProfileText:
    try:
        text = files.read_text(path, MAX_BYTES)
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot be read: {error.strerror}", hint="A profile is a UTF-8 TOML file."
        ) from error
    origin = f"profiles/{path.name}" if path.parent == SHIPPED else str(path)
    return ProfileText(name=path.stem.lower(), origin=origin, text=text)
