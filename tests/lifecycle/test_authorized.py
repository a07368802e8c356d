"""What is written into a host's `authorized_keys`: a new key beside the old one, then without it, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.authorized import beside, lets_in, without

OLD = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDold+/=="
NEW = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInew"
THEIRS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAItheirs"
CASES = tomllib.loads(Path(__file__).with_name("authorized.toml").read_text(encoding="utf-8"))["case"]


def filled(text: str) -> str:
    words = {"TABBED": OLD.replace(" ", "\t"), "OLD": OLD, "NEW": NEW, "THEIRS": THEIRS}
    for word, key in words.items():
        text = text.replace(word, key)
    return text


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_new_key_comes_beside_and_the_old_one_goes(case: dict[str, Any]) -> None:
    before = filled(case["before"])
    both = beside(before, OLD, NEW, "cloister")
    assert both == filled(case["beside"])
    assert beside(both, OLD, NEW, "cloister") == both
    after = without(both, OLD)
    assert after == filled(case["after"])
    assert not lets_in(after, OLD)
    assert lets_in(after, NEW) == lets_in(before, OLD) or lets_in(before, NEW)
