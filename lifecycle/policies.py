"""A team's own policies: rules, waivers and levels from folders that a profile names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from lifecycle import files
from planner.errors import UsageError
from planner.plan import Plan, PolicyPlan
from planner.profile import Profile
from policies.levels import read_levels
from policies.own import rule_files, rules_in
from policies.rule import Rule
from policies.waivers import read_waivers

__all__ = ["policy_of", "read_policy", "rule_files", "rules_in", "rules_of", "today"]

WAIVERS, LEVELS = "waivers.toml", "levels.toml"
MAX_BYTES = 1024 * 1024
"""No file of waivers or levels is larger."""


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
    paths = tuple(str(Path(folder).expanduser().absolute()) for folder in folders)
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
            try:
                yield str(path), files.read_text(path, MAX_BYTES)
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{path} cannot be read: {error}", code="policies_unreadable") from error
