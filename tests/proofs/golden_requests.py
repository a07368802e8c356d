"""Requests in a form that is the same on every run: ids become the names of what they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from planner.resources import Resource
from stacks.naming import tags_of
from tests.proofs.lives import Life
from tests.proofs.recorder import Call

GIVEN_BY_AWS = re.compile(r"[a-z]+-[0-9a-f]{8,17}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Z0-9]{14,32}")
ONCE = {"ClientToken", "CallerReference", "CreatorRequestId", "clientToken", "ClientRequestToken"}
"""Members whose value is another one for every request."""


def golden(life: Life) -> dict[str, Any]:
    """Return what is compared: every change in full, and which looks are taken at all (waiting repeats them)."""
    words = {**_names(life.resources), **life.given}
    changes = [{call.name: _shown(call, words, life)} for call in life.calls if call.changes]
    return {
        "tags": life.plan.tags,
        "changes": sorted(changes, key=lambda change: json.dumps(change, sort_keys=True)),
        "looks": sorted({call.name for call in life.calls if not call.changes}),
    }


def _shown(call: Call, words: Mapping[str, str], life: Life) -> Any:
    return _plain(call.parameters, words, _tag_words(life))


def _names(resources: Iterable[Resource]) -> dict[str, str]:
    """Return what ids and addresses are called in golden files."""
    words = {}
    for resource in resources:
        if GIVEN_BY_AWS.fullmatch(resource.id):
            words[resource.id] = f"<{resource.name}>"
        address = resource.outputs.get("privateIp")
        if address:
            words[str(address)] = f"<{resource.name}'s address>"
    return words


def _tag_words(life: Life) -> dict[str, str]:
    """Return a word for the tags that a resource has by being part of the stack."""
    names = {resource.name for resource in life.resources}
    return {_canonical(tags_of(life.plan, name)): f"tags of {name}" for name in names}


def _canonical(tags: Mapping[str, str]) -> str:
    return json.dumps(tags, sort_keys=True)


def _plain(value: Any, words: Mapping[str, str], tags: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if (word := tags.get(_canonical(value))) is not None:
            return word
        return {key: "<token>" if key in ONCE else _plain(inner, words, tags) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tags.get(_as_tags(value)) or [_plain(inner, words, tags) for inner in value]
    if isinstance(value, str):
        return _plain(json.loads(value), words, tags) if value.startswith("{") else _named(value, words)
    return value


def _as_tags(value: Iterable[Any]) -> str:
    """Return a list of tags as they are looked up, in either of the spellings; nothing for any other list."""
    pairs = {}
    for item in value:
        if not isinstance(item, dict) or {key.lower() for key in item} not in (
            {"key", "value"},
            {"tagkey", "tagvalue"},
        ):
            return ""
        key, text = item.values()
        pairs[key] = text
    return _canonical(pairs)


def _named(text: str, words: Mapping[str, str]) -> str:
    for found, word in words.items():
        text = text.replace(found, word) if len(found) > len("10.0.0.0") or found == text else text
    return re.sub(r"\b(ami|pl|eni|rtbassoc|sgr|cr)-[0-9a-f]{8,17}\b", r"<\1>", text)
