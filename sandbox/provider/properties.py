"""Properties as the engine sends them, and as the handlers know them: what is secret stays secret on the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, struct_pb2

from sandbox.engine.values import SECRET, SIGNATURE, WIRE_UNKNOWN
from sandbox.handlers.base import Properties

UNKNOWN = WIRE_UNKNOWN
"""Stands for a value that is decided later. Handlers compare it like any other text."""


@dataclass(frozen=True)
class Received:
    """Properties without their wrappers.

    Attributes:
        values: plain JSON, UNKNOWN where a value is decided later.
        secret: names of the properties in which a secret is.
        texts: the secrets themselves, as far as they are text.

    """

    values: Properties
    secret: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def received(struct: struct_pb2.Struct) -> Received:
    """Unwrap what the engine sent.

    Raises:
        ValueError: an asset or a reference to a resource is in it; no handler takes those.

    """
    raw: Properties = json_format.MessageToDict(struct)
    secrets = {name: [*_secrets(value)] for name, value in raw.items()}
    return Received(
        values={name: _plain(value) for name, value in raw.items()},
        secret=frozenset(name for name, inside in secrets.items() if inside),
        texts=frozenset(text for inside in secrets.values() for secret in inside for text in _texts(secret)),
    )


def answered(outputs: Properties, given: Iterable[Received] = (), *, secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Wrap what the engine gets; null is left out, as the provider's package expects.

    Args:
        outputs: plain JSON, or UNKNOWN.
        given: what was received: an output is secret where an input of that name was, or where a secret is in it.
        secret: names of outputs that are secret by themselves.

    """
    given = tuple(given)
    names = {*secret}.union(*(one.secret for one in given))
    texts = frozenset[str]().union(*(one.texts for one in given))
    struct = struct_pb2.Struct()
    for name, value in outputs.items():
        if value is not None:
            sealed = name in names or any(text in other for text in texts for other in _texts(value))
            struct.update({name: {SIGNATURE: SECRET, "value": value} if sealed else value})
    return struct


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value:
            if value[SIGNATURE] != SECRET:
                raise ValueError("assets and references to resources are not carried out by this provider")
            return _plain(value.get("value"))
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _secrets(value: Any) -> Iterator[Any]:
    """Yield the plain values of the secrets inside."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            yield _plain(value.get("value"))
            return
        value = [*value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _secrets(item)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text inside that says something."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and value and value != UNKNOWN:
        yield value
