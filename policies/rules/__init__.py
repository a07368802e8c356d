"""All rules: each file here holds one `RULE`. They are shown family by family, the gravest first."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import get_args

from policies.rule import FAMILIES, Rule, Severity

_GRAVEST_FIRST = get_args(Severity)[::-1]


def _found() -> Iterator[Rule]:
    for module in pkgutil.iter_modules(__path__):
        rule = import_module(f"{__name__}.{module.name}").RULE
        assert isinstance(rule, Rule), f"{module.name} holds no rule"  # noqa: S101 - a defect of a file here
        yield rule


RULES: tuple[Rule, ...] = tuple(
    sorted(_found(), key=lambda rule: (FAMILIES.index(rule.family), _GRAVEST_FIRST.index(rule.severity), rule.id))
)
