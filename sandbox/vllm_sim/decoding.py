"""Reading a request body, and telling what is wrong with it the way vLLM does.

vLLM lists every problem that its validator (pydantic) finds; this names the first one, in the same words and shape.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from sandbox.vllm_sim.errors import ApiError, malformed

T = TypeVar("T", bound=msgspec.Struct)

_MISMATCH = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`(?: - at `(?P<path>.*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<field>.*?)`(?: - at `(?P<path>.*)`)?$")
_PLACE = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")
_TAIL = re.compile(r" - at `(?P<path>.*)`$")

_PROBLEMS = {
    "str": ("string_type", "Input should be a valid string"),
    "int": ("int_type", "Input should be a valid integer"),
    "float": ("float_type", "Input should be a valid number"),
    "bool": ("bool_type", "Input should be a valid boolean"),
    "array": ("list_type", "Input should be a valid list"),
    "object": ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from"),
}
"""Pydantic's name and words for a value of the wrong type, by msgspec's name of the right one."""

_LONGEST_INPUT = 200


def decode(body: bytes, content_type: str, kind: type[T]) -> T:
    """Read a request.

    Raises:
        ApiError: 400, the body is not JSON or not of this kind.

    """
    if content_type.lower() != "application/json":
        raise malformed("Unsupported Media Type: Only 'application/json' is allowed", None)
    if not body:
        raise _problem("missing", (), "Field required", None)
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error), msgspec.json.decode(body)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(body, str(error)) from error


def missing(field: str) -> ApiError:
    """400: an object lacks a field that its type does not demand by itself."""
    return _problem("missing", (field,), "Field required", {})


def _not_json(body: bytes, reason: str) -> ApiError:
    """Say where, in the words of Python's own parser, which vLLM reads bodies with."""
    place = 0
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        reason, place = error.msg, error.pos
    except ValueError:
        pass  # bytes that are no text: msgspec's reason says so
    return _problem("json_invalid", (place,), "JSON decode error", {}, context={"error": reason})


def _wrong_type(reason: str, document: object) -> ApiError:
    if missing := _MISSING.match(reason):
        place = _places(missing["path"])
        return _problem("missing", (*place, missing["field"]), "Field required", _at(document, place))
    if mismatch := _MISMATCH.match(reason):
        place = _places(mismatch["path"])
        wanted = mismatch["wanted"].split(" | ")[0]
        name, words = _PROBLEMS.get(wanted, ("value_error", reason))
        return _problem(name, place, words, _at(document, place))
    tail = _TAIL.search(reason)
    place = _places(tail["path"] if tail else None)
    return _problem("value_error", place, _TAIL.sub("", reason), _at(document, place))


def _problem(
    name: str, place: tuple[str | int, ...], words: str, found: object, *, context: dict[str, str] | None = None
) -> ApiError:
    param = ".".join(map(str, ("body", *place)))
    problem: dict[str, Any] = {"type": name, "loc": param, "msg": words, "input": _shown(found)}
    if context is not None:
        problem["ctx"] = context
    return malformed(str(problem), param)


def _places(path: str | None) -> tuple[str | int, ...]:
    """`$.messages[0].role` as its parts."""
    return tuple(match["name"] or int(match["index"]) for match in _PLACE.finditer(path or ""))


def _at(document: Any, place: tuple[str | int, ...]) -> object:
    for part in place:
        document = document[part]
    return document


def _shown(found: object) -> object:
    """Keep the value at fault short; describe containers only."""
    if isinstance(found, (list, dict)):
        return f"<{type(found).__name__} of {len(found)} items>"
    if isinstance(found, str) and len(found) > _LONGEST_INPUT:
        return f"{found[:_LONGEST_INPUT]}...[truncated]"
    return found if isinstance(found, str) else str(found)
