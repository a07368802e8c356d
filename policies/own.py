"""A team's own rules: the Python files of folders that a profile names, in the shape of the shipped ones."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from planner.errors import UsageError
from policies.rule import Rule
from policies.rules import RULES


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
