"""What roles write on hosts is sound, and every way of spoiling it is caught."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from policies.run import evaluate, refusals
from tests.policies.role_files import host_files

CASES = Path(__file__).parent / "cases" / "host_mutants.toml"
FILES = dict(zip(("firewall", "sshd", "prometheus", "alertmanager"), host_files(), strict=True))


def caught(files: dict[str, str]) -> set[str]:
    return {one.rule for one in refusals(evaluate(None, (), files=files))} - ALWAYS


ALWAYS = {one.rule for one in refusals(evaluate(None, (), files={}))}
"""What is said where there are no files at all: those of services are missing."""


def cases() -> list[Any]:
    """Each is (file, rule that catches it, what is replaced, by what)."""
    table = tomllib.loads(CASES.read_text())
    return [
        pytest.param(FILES[group["file"]], group["rule"], *pair, id=f"{pair[0]} -> {pair[1]}")
        for group in table["group"]
        for pair in group["changes"]
    ]


def test_what_the_roles_write_is_sound() -> None:
    assert caught(host_files()) == set()


@pytest.mark.parametrize(("file", "rule", "old", "new"), cases())
def test_a_mutant_is_caught(file: str, rule: str, old: str, new: str) -> None:
    files = host_files()
    spoilt, count = re.subn(old, new, files[file], count=1, flags=re.MULTILINE)
    assert count, f"nothing is {old!r}"
    assert spoilt != files[file]
    assert rule in caught({**files, file: spoilt})
