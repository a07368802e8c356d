"""A request held against AWS's own model of the service, more closely than botocore does before it sends one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.proofs.recorder import Call


def faults(call: Call) -> list[str]:
    """Return what the model says against a request: types, required members, ranges; then enums, patterns, lengths."""
    shape = call.model.input_shape
    if shape is None:
        return [f"takes no parameters: {sorted(call.parameters)}"] if call.parameters else []
    report = ParamValidator().validate(call.parameters, shape)
    return [*([report.generate_report()] if report.has_errors() else []), *_against(shape, call.parameters, "")]


def _against(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from _text(shape, value, path)
    for inner, item, where in _inside(shape, value, path):
        if inner is None:
            yield f"{where}: the model knows no such member"
        else:
            yield from _against(inner, item, where)


def _inside(shape: Shape, value: Any, path: str) -> Iterator[tuple[Shape | None, Any, str]]:
    """Return what a value is made of, each part with its shape and its place."""
    if isinstance(shape, StructureShape):
        yield from ((shape.members.get(name), item, f"{path}.{name}") for name, item in value.items())
    elif isinstance(shape, ListShape):
        yield from ((shape.member, item, f"{path}[{number}]") for number, item in enumerate(value))
    elif isinstance(shape, MapShape):
        yield from ((shape.key, key, f"{path} (key)") for key in value)
        yield from ((shape.value, item, f"{path}.{key}") for key, item in value.items())


def _text(shape: Shape, value: str, path: str) -> Iterator[str]:
    model: dict[str, Any] = vars(shape)["_shape_model"]  # botocore's shapes tell all of the model but the pattern
    if model.get("enum") and value not in model["enum"]:
        yield f"{path}: {value!r} is none of {model['enum']}"
    if "max" in model and len(value) > model["max"]:
        yield f"{path}: longer than {model['max']}"
    if model.get("pattern") and not _compiled(model["pattern"]).fullmatch(value):
        yield f"{path}: {value!r} does not fit {model['pattern']}"


@cache
def _compiled(pattern: str) -> Any:
    """Return a pattern of the models, which are Java's: `regex` knows their Unicode classes, `re` does not."""
    return regex.compile(pattern.removeprefix("^").removesuffix("$"), regex.V0)
