"""Policy documents of IAM's language, read strictly: what cannot be read is a violation, not a guess."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.resources import UNKNOWN, Unknown

ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
"""Elements of a statement. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"""


class MalformedError(ValueError):
    """The text is no policy document; the message says why."""


class UndecidedError(ValueError):
    """A part without which nothing can be said is not known yet; the message names it."""


Word = str | Unknown
"""A text of the document, or UNKNOWN where it is not decided yet."""


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        label: its `Sid`, or its place, for messages.
        allows: whether it allows (else it denies).
        negated: its `Not...` elements.
        actions: what it is about.
        resources: on what.
        principals: (kind, who) of whom; kind is `*`, `AWS`, `Service`, `Federated` or `CanonicalUser`.
        conditions: (operator, key, value), one for each value.

    """

    label: str
    allows: bool
    negated: tuple[str, ...]
    actions: tuple[Word, ...]
    resources: tuple[Word, ...]
    principals: tuple[tuple[str, Word], ...]
    conditions: tuple[tuple[str, str, Word], ...]


def read(document: Any) -> tuple[Statement, ...]:
    """Return the statements of a document given as JSON text or as an object.

    Raises:
        MalformedError: it is not a policy document.
        UndecidedError: it, a statement or a condition is not known yet.

    """
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=_no_duplicates)
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"the policy document is not JSON: {error}") from error
    statements = _list(_mapping(document, "the policy document").get("Statement"))
    if not statements:
        raise MalformedError("the policy document has no statement")
    return tuple(_statement(statement, place) for place, statement in enumerate(statements))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what two readers may read differently."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _statement(statement: Any, place: int) -> Statement:
    statement = _mapping(statement, f"statement {place}")
    strange = sorted(set(statement) - ELEMENTS)
    if strange:
        raise MalformedError(f"statement {place} has an element that IAM does not know: {strange[0]}")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedError(f"statement {place} has the effect {effect!r}, neither Allow nor Deny")
    if not {"Action", "NotAction"} & set(statement):
        raise MalformedError(f"statement {place} names no action")
    return Statement(
        label=str(statement.get("Sid") or place),
        allows=effect == "Allow",
        negated=tuple(name for name in ("NotAction", "NotResource", "NotPrincipal") if name in statement),
        actions=_words(statement.get("Action")),
        resources=_words(statement.get("Resource")),
        principals=tuple(_principals(statement.get("Principal"))),
        conditions=tuple(_conditions(statement.get("Condition"))),
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _words(value: Any) -> tuple[Word, ...]:
    words = _list(value)
    for word in words:
        if not isinstance(word, str | Unknown):
            raise MalformedError(f"expected text, found {word!r}")
    return tuple(words)


def _principals(value: Any) -> Iterator[tuple[str, Word]]:
    if isinstance(value, Mapping):
        for kind, who in value.items():
            yield from ((kind, word) for word in _words(who))
    else:
        yield from (("*" if word == "*" else "AWS", word) for word in _words(value))


def _conditions(value: Any) -> Iterator[tuple[str, str, Word]]:
    for operator, tests in _mapping({} if value is None else value, "a condition").items():
        for key, wanted in _mapping(tests, "a condition").items():
            # Numbers and booleans are allowed here, and compare as the text that they are written as.
            words = (word if isinstance(word, Unknown) else str(word) for word in _list(wanted))
            yield from ((operator, key, word) for word in words)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if value is UNKNOWN:
        raise UndecidedError(what)
    if not isinstance(value, Mapping):
        raise MalformedError(f"{what} is not an object")
    return value
