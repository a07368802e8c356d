"""Fields of a Hugging Face `config.json`, read strictly: what is missing or wrong is named, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import UsageError

MOST = 10**9
"""Of layers, heads, words, tokens: the longest contexts are tens of millions of tokens."""


class ConfigError(UsageError):
    """A model's configuration cannot be sized; the message names the field."""

    code = "config_invalid"


class Fields:
    """One object of a configuration, with its path for messages."""

    def __init__(self, values: Mapping[str, Any], origin: str, path: str = "") -> None:
        self.values = values
        self.origin = origin
        self.path = path

    def name(self, field: str) -> str:
        """Return a field's full name."""
        return f"{self.path}.{field}" if self.path else field

    def wrong(self, field: str, why: str, hint: str = "") -> ConfigError:
        """Return the error for a field."""
        return ConfigError(f"{self.origin}: `{self.name(field)}` {why}", hint=hint)

    def has(self, field: str) -> bool:
        """Return whether a field is given and not null."""
        return self.values.get(field) is not None

    def count(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """Return the whole number under the first name given.

        Raises:
            ConfigError: it is missing without a default, no whole number, smaller than `least` or beyond belief.

        """
        for name in names:
            if not self.has(name):
                continue
            value = self.values[name]
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.wrong(name, f"is {value!r}, not a whole number")
            if value < least:
                raise self.wrong(name, f"is {value}, less than {least}")
            if value > MOST:
                raise self.wrong(name, f"is more than {MOST:,}, which no model has of anything")
            return value
        if default is None:
            raise self.wrong(names[0], "is missing", _also(names))
        return default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a truth value.

        Raises:
            ConfigError: it is something else.

        """
        value = self.values.get(name, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, f"is {value!r}, not true or false")
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return a string.

        Raises:
            ConfigError: it is something else.

        """
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(name, f"is {value!r}, not a string")
        return value

    def words(self, name: str, length: int | None = None) -> tuple[str, ...]:
        """Return a list of strings, empty when absent.

        Raises:
            ConfigError: it is something else, or of another length than wanted.

        """
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise self.wrong(name, "is not a list of strings")
        if length is not None and len(value) != length:
            raise self.wrong(name, f"has {len(value)} entries for {length} layers")
        return tuple(value)

    def numbers(self, name: str, length: int | None = None) -> tuple[int, ...]:
        """Return a list of whole numbers, empty when absent.

        Raises:
            ConfigError: it is something else, or of another length than wanted.

        """
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
            raise self.wrong(name, "is not a list of whole numbers")
        if length is not None and len(value) != length:
            raise self.wrong(name, f"has {len(value)} entries for {length} layers")
        return tuple(value)

    def inner(self, name: str) -> Fields | None:
        """Return an object within this one, None when absent.

        Raises:
            ConfigError: it is something else.

        """
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(name, "is not an object")
        return Fields(value, self.origin, self.name(name))


def _also(names: tuple[str, ...]) -> str:
    others = ", ".join(f"`{name}`" for name in names[1:])
    return f"Other names that are read as well: {others}." if others else ""
