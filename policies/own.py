"""A team's own rules: Python files in the shape of the shipped ones, whose text whoever runs the rules hands in."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import PurePath
from types import ModuleType

from planner.errors import UsageError
from policies.rule import Rule
from policies.rules import RULES

Read = Callable[[str], Mapping[str, str] | None]
"""Returns the Python files of a folder, name -> text; None where there is no such folder. Nothing here reads one."""


def rules_in(folders: Iterable[str], read: Read) -> tuple[Rule, ...]:
    """Return the shipped rules and those of folders; the folders' code runs, so they are as trusted as the toolkit.

    Args:
        folders: by their whole paths.
        read: reads one of them.

    Raises:
        UsageError: a folder or a rule in it cannot be used.

    """
    return _with(tuple(source for folder in folders for source in sources_in(folder, read)))


def sources_in(folder: str, read: Read) -> tuple[tuple[str, str], ...]:
    """Return (path, text) of every rule of a folder, by name.

    Raises:
        UsageError: there is no such folder.

    """
    texts = read(folder)
    if texts is None:
        raise UsageError(
            f"there is no folder of policies {folder}",
            hint="`policies` in the profile names folders, from where the command runs or by their whole path, or "
            "Python packages that are installed beside the toolkit.",
            code="no_policies",
        )
    return tuple((str(PurePath(folder, name)), texts[name]) for name in sorted(texts) if not name.startswith("_"))


@cache
def _with(sources: tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    rules = list(RULES)
    for path, text in sources:
        rule = _load(path, text)
        if any(rule.id == other.id for other in rules):
            raise UsageError(
                f"{path}: there is a rule {rule.id} already",
                hint="A team's rule adds to the others and replaces none: `levels.toml` changes levels.",
                code="rule_invalid",
            )
        rules.append(rule)
    return tuple(rules)


def _load(path: str, text: str) -> Rule:
    """Run a rule's text and return its `RULE`.

    Raises:
        UsageError: it cannot be run, or holds no rule.

    """
    name = f"own_policies_{hashlib.sha256(path.encode()).hexdigest()[:12]}_{PurePath(path).stem}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(text, path, "exec"), module.__dict__)  # noqa: S102 - a team's rules are code, trusted as ours is
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
