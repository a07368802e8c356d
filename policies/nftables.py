"""Chains of nftables, as a file has them or `nft list table` tells them: one rule a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CHAIN = re.compile(r"chain\s+(\S+)\s*\{")
_HOOK = re.compile(r"type\s+(\S+)\s+hook\s+(\S+)\s+priority\s+[^;]+;(?:.*?policy\s+(\w+)\s*;)?")
_COMMENT = re.compile(r"#.*$|comment\s+\"[^\"]*\"")


@dataclass(frozen=True)
class Chain:
    """A chain: its hook and policy are empty for one that others jump to.

    Attributes:
        name: its own.
        hook: where packets meet it, `input` for example.
        policy: what becomes of a packet that no rule decides; nftables accepts where nothing is said.
        rules: in order, without comments.

    """

    name: str
    hook: str
    policy: str
    rules: tuple[str, ...]


def chains(text: str) -> Iterator[Chain]:
    """Yield the chains of a rule set, in order."""
    name, hook, policy = "", "", ""
    rules: list[str] = []
    for raw in text.splitlines():
        line = " ".join(_COMMENT.sub("", raw).split())
        if begun := _CHAIN.match(line):
            name, hook, policy, rules = begun[1], "", "", []
        elif name and line == "}":
            yield Chain(name, hook, policy, tuple(rules))
            name = ""
        elif name and (held := _HOOK.match(line)):
            hook, policy = held[2], held[3] or "accept"
        elif name and line:
            rules.append(line)
