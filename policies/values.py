"""Reading of property values as Pulumi's wire writes them, with "not known yet" carried through.

A property of a wrong shape raises TypeError: the rule is then reported as broken, which refuses, and never as holding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource, Unknown
from policies.paths import at
from policies.rule import Answer, NotKnown, Stack, Violated

__all__ = ["at", "each", "is_off", "is_on", "is_set", "must_be_own", "own_value", "require"]


def each(properties: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, item) of a list; one UNKNOWN item when the list itself is not known yet.

    Raises:
        TypeError: the value is not a list.

    """
    name = ".".join(path)
    value = at(properties, *path)
    if value is UNKNOWN:
        yield name, UNKNOWN
    elif value is not None:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list at {name!r}, found {type(value).__name__}")
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))


def is_on(value: Any) -> bool:
    """Tell whether a switch is certainly on; the wire writes some of them as text."""
    return value is True or value == "true"


def is_off(value: Any) -> bool:
    """Tell whether a switch is certainly off. What is neither on nor off is not off."""
    return value is None or value is False or value in ("", "false")


def is_set(value: Any) -> bool:
    """Tell whether a reference or a list is given at all, known or not."""
    return isinstance(value, Unknown) or bool(value)


def require(value: Any, holds: Callable[[Any], bool], path: str, otherwise: str) -> Iterator[Answer]:
    """Yield nothing when the value holds, `NotKnown(path)` when it is not known yet, else `Violated(otherwise)`."""
    if value is UNKNOWN:
        yield NotKnown(path)
    elif not holds(value):
        yield Violated(otherwise)


def must_be_own(stack: Stack, resource: Resource, path: str, type_: str) -> Iterator[Answer]:
    """Yield `Violated` when the property at a dotted path names something that is not of this stack.

    What stands outside of the stack is judged by nobody.
    """
    value = at(resource.inputs, *path.split("."))
    yield from own_value(stack, resource, path, value, type_)


def own_value(stack: Stack, resource: Resource, path: str, value: Any, type_: str) -> Iterator[Answer]:
    """Do the same for a value that is at hand already."""
    own = stack.contains(value, type_, seen_from=resource)
    if own is None:
        yield NotKnown(path, resource)
    elif not own:
        kind = type_.rpartition(":")[2]
        yield Violated(f"`{path}` names a {kind} that is not part of this stack: {value}", resource)
