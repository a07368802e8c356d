"""What a request is called: `service:Operation`, as IAM and botocore's models write it."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

from botocore.model import OperationModel
from moto.core.utils import get_service_model

from sandbox.aws import wire

_LABEL = re.compile(r"\\\{\w+(?P<greedy>\\\+)?\\\}")
"""A label of a request's path, `{Bucket}` or `{Key+}`, as `re.escape` leaves it."""


def name_of(message: wire.Message) -> str:
    """Return the name of the call that a request makes."""
    return f"{message.service}:{message.action or _by_path(message)}"


def _by_path(message: wire.Message) -> str:
    """Find out by method and path, which is where REST protocols say it."""
    request = message.request
    service, asked = wire.SERVICES[message.service], {*request.args.keys()}
    fitting = [
        (len(queries), len(pattern.pattern), name)
        for name, method, pattern, queries in _paths(service)
        if method == request.method and queries <= asked and pattern.fullmatch(request.path)
    ]
    return max(fitting)[2] if fitting else f"{request.method} {request.path}"


@functools.cache
def _paths(service: str) -> Collection[tuple[str, str, re.Pattern[str], frozenset[str]]]:
    """Return name, method, path and query keys of every operation of a service."""
    model = get_service_model(service)
    return [_path(model.operation_model(name)) for name in model.operation_names]


def _path(operation: OperationModel) -> tuple[str, str, re.Pattern[str], frozenset[str]]:
    path, _, query = operation.http["requestUri"].partition("?")
    pattern = _LABEL.sub(lambda found: ".+" if found["greedy"] else "[^/]+", re.escape(path.rstrip("/")))
    queries = frozenset(part.partition("=")[0] for part in query.split("&") if part)
    return operation.name, operation.http["method"], re.compile(f"{pattern}/?"), queries
