"""TOML text -> Profile, with errors that name the file, the line and the field."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from planner.errors import ProfileError
from planner.profile import Profile
from planner.toml_faults import fault_of
from planner.toml_lines import line_of

LoadParent = Callable[[str], "ProfileText"]
MAX_EXTENDS = 8
"""Longest chain of `extends`: longer ones are a circle or beyond a reader's patience."""


class ProfileText(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as written.

    Attributes:
        name: what the profile is called; the file's name without `.toml`.
        origin: the file, as errors shall name it.
        text: its TOML.

    """

    name: str
    origin: str
    text: str


def parse_profile(source: ProfileText, load_parent: LoadParent) -> Profile:
    """Read a profile, and what it extends.

    Args:
        source: the profile.
        load_parent: gives the text of the profile that `extends` names.

    Raises:
        ProfileError: broken TOML, an unknown or missing field, a value out of range, or a circle of `extends`.

    """
    chain = _chain(source, load_parent)
    merged: dict[str, Any] = {}
    for _, values in reversed(chain):
        merged = _merge(merged, values)
    merged.pop("extends", None)
    if "name" in merged:
        raise _error(source, ["name"], "a profile is called what its file is called; remove `name`")
    try:
        return msgspec.convert({"name": source.name, **merged}, Profile)
    except msgspec.ValidationError as error:
        raise _explain(error, chain) from None


def _chain(source: ProfileText, load_parent: LoadParent) -> list[tuple[ProfileText, dict[str, Any]]]:
    """Return the profile and its ancestors, nearest first, each with its parsed values."""
    chain = [(source, _parse(source))]
    while (parent := chain[-1][1].get("extends")) is not None:
        if not isinstance(parent, str):
            raise _error(chain[-1][0], ["extends"], "`extends` names one profile, as text")
        if len(chain) >= MAX_EXTENDS:
            names = " -> ".join(text.name for text, _ in chain[:4])
            raise _error(source, ["extends"], f"`extends` goes in a circle or too deep: {names} -> ...")
        text = load_parent(parent)
        chain.append((text, _parse(text)))
    return chain


def _parse(source: ProfileText) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        message = f"{source.origin}: not TOML: {error}"
        raise ProfileError(
            message, hint="Mend the line named above; `deploy profiles show 2xh200` shows a whole one."
        ) from None


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the values of `above` laid over it, table by table."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: msgspec.ValidationError, chain: list[tuple[ProfileText, dict[str, Any]]]) -> ProfileError:
    """Turn msgspec's message into one with file, line and field, found in the file that sets the field."""
    path, what = fault_of(error, Profile)
    keys = [part for part in path if not part.isdigit()]
    source = next((text for text, values in chain if _sets(values, keys)), chain[0][0])
    return _error(source, keys, what)


def _sets(values: Mapping[str, Any], path: list[str]) -> bool:
    here: Any = values
    for key in path:
        if not isinstance(here, dict) or key not in here:
            return False
        here = here[key]
    return True


def _error(source: ProfileText, path: list[str], what: str) -> ProfileError:
    line = line_of(source.text, path)
    place = f"{source.origin}:{line}" if line is not None else source.origin
    field = ".".join(path) or "(profile)"
    hint = "Every field with its meaning: docs/profiles.md. Nothing was changed."
    return ProfileError(f"{place}: `{field}`: {what}", hint=hint)
