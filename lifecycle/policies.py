"""A team's own policies: rules, waivers and levels from folders that a profile names."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from lifecycle import files
from planner.errors import UsageError
from planner.plan import Plan, PolicyPlan
from planner.profile import Profile
from policies.levels import read_levels
from policies.rule import Rule
from policies.rules import RULES
from policies.waivers import read_waivers

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


@cache
def rules_in(folders: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the shipped rules and those of folders; the folders' code runs, so they are as trusted as the toolkit.

    Raises:
        UsageError: a folder or a rule in it cannot be used.

    """
    rules = list(RULES)
    for folder in folders:
        for path in rule_files(Path(folder)):
            rule = _load(path)
            if any(rule.id == other.id for other in rules):
                raise UsageError(
                    f"{path}: there is a rule {rule.id} already",
                    hint="A team's rule adds to the others and replaces none: `levels.toml` changes levels.",
                    code="rule_invalid",
                )
            rules.append(rule)
    return tuple(rules)


def rule_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder's rules, by name.

    Raises:
        UsageError: there is no such folder.

    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder of policies {folder}",
            hint="`policies` in the profile names folders, from where the command runs or by their whole path.",
            code="no_policies",
        )
    yield from (path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_"))


def _load(path: Path) -> Rule:
    """Run a rule's file and return its `RULE`.

    Raises:
        UsageError: it cannot be run, or holds no rule.

    """
    name = f"own_policies_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file", code="rule_invalid")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(
            f"{path} does not load: {type(error).__name__}: {error}",
            hint="It is run as Python; `deploy policy test` says what a rule needs.",
            code="rule_invalid",
        ) from error
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise UsageError(
            f"{path} holds no rule",
            hint="It sets `RULE = Rule(...)`, as the shipped ones in `policies/rules` do.",
            code="rule_invalid",
        )
    return rule


def _texts(folders: tuple[str, ...], name: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of a file in each folder that has it."""
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            try:
                yield str(path), files.read_text(path, MAX_BYTES)
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{path} cannot be read: {error}", code="policies_unreadable") from error
