"""A team's own policies: rules, waivers and levels from folders that a profile names."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from lifecycle import files
from planner.errors import UsageError
from planner.plan import Plan, PolicyPlan
from planner.profile import Profile
from policies import own
from policies.levels import read_levels
from policies.rule import Rule
from policies.waivers import read_waivers

PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""Name of a Python package."""
WAIVERS, LEVELS = "waivers.toml", "levels.toml"
MAX_BYTES = 1024 * 1024
"""No file of rules, waivers or levels is larger."""


def today() -> date:
    """Return the day by which waivers end and models age: UTC's."""
    return datetime.now(UTC).date()


def policy_of(profile: Profile) -> PolicyPlan:
    """Read what a profile's folders add to the rules.

    Raises:
        UsageError: a folder or a file in it cannot be used; the message names it.

    """
    return read_policy(profile.policies, profile.environment)


def read_policy(folders: tuple[str, ...], environment: str = "") -> PolicyPlan:
    """Read waivers and levels of folders, and check that their rules load.

    Raises:
        UsageError: a folder or a file in it cannot be used; the message names it.

    """
    paths = tuple(map(folder_of, folders))
    rules = rules_in(paths)
    waivers = [one for path, text in _texts(paths, WAIVERS) for one in read_waivers(text, path, rules)]
    levels = [one for path, text in _texts(paths, LEVELS) for one in read_levels(text, path, environment, rules)]
    if environment and not levels and not any(_texts(paths, LEVELS)):
        raise UsageError(
            f"the environment {environment!r} is named, and no folder of policies has a {LEVELS}",
            hint="`policies` in the profile names folders; leave `environment` out where all rules hold as they are.",
            code="levels_invalid",
        )
    return PolicyPlan(environment=environment, folders=paths, waivers=tuple(waivers), levels=tuple(levels))


def folder_of(name: str) -> str:
    """Return the whole path of a folder of policies: one here, or that of a Python package that is installed."""
    path = Path(name).expanduser()
    if not path.exists() and PACKAGE.fullmatch(name):
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            found = None
        if found and found.submodule_search_locations:
            return str(Path(found.submodule_search_locations[0]).absolute())
    return str(path.absolute())


def rules_in(folders: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the shipped rules and those of folders; the folders' code runs, so they are as trusted as the toolkit.

    Raises:
        UsageError: a folder or a rule in it cannot be used.

    """
    return own.rules_in(folders, _read)


def sources_in(folder: str) -> tuple[tuple[str, str], ...]:
    """Return (path, text) of every rule of a folder, by name.

    Raises:
        UsageError: there is no such folder, or a file in it cannot be read.

    """
    return own.sources_in(folder, _read)


def _read(folder: str) -> dict[str, str] | None:
    """Return the Python files of a folder, name -> text; None where there is no such folder."""
    place = Path(folder)
    return {path.name: _text(path) for path in place.glob("*.py")} if place.is_dir() else None


def rules_of(plan: Plan) -> tuple[Rule, ...]:
    """Return the shipped rules and those that the plan's folders add.

    Raises:
        UsageError: a folder or a rule in it cannot be used.

    """
    return rules_in(plan.policy.folders)


def _texts(folders: tuple[str, ...], name: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of a file in each folder that has it."""
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            yield str(path), _text(path)


def _text(path: Path) -> str:
    try:
        return files.read_text(path, MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", code="policies_unreadable") from error
