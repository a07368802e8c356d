"""What a request is called: `service:Operation`, as IAM and botocore's models write it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from botocore.model import OperationModel
from moto.core.request import Request
from moto.core.utils import get_service_model

from sandbox.aws import wire

_LABEL = re.compile(r"\\\{\w+(?P<greedy>\\\+)?\\\}")
"""A label of a request's path, `{Bucket}` or `{Key+}`, as `re.escape` leaves it."""


def name_of(message: wire.Message) -> str:
    """Return the name of the call that a request makes."""
    return f"{message.service}:{message.action or _by_path(message)}"


def _by_path(message: wire.Message) -> str:
    """Find out by method and path, which is where REST protocols say it: of those that fit, the one that asks most."""
    request = message.request
    fitting = [path for path in _paths(wire.SERVICES[message.service]) if path.fits(request)]
    best = max(fitting, key=lambda path: (len(path.needs), len(path.pattern.pattern), -len(path.name)), default=None)
    return best.name if best else f"{request.method} {request.path}"


@dataclass(frozen=True)
class _Path:
    """How a REST protocol says an operation.

    Attributes:
        needs: query keys and headers without which it is another one.

    """

    name: str
    method: str
    pattern: re.Pattern[str]
    needs: frozenset[str]

    def fits(self, request: Request) -> bool:
        if request.method != self.method or not self.pattern.fullmatch(request.path):
            return False
        return all(name in request.args or name in request.headers for name in self.needs)


@functools.cache
def _paths(service: str) -> tuple[_Path, ...]:
    model = get_service_model(service)
    return tuple(_path(model.operation_model(name)) for name in model.operation_names)


def _path(operation: OperationModel) -> _Path:
    path, _, query = operation.http["requestUri"].partition("?")
    pattern = _LABEL.sub(lambda found: ".+" if found["greedy"] else "[^/]+", re.escape(path.rstrip("/")))
    shape = operation.input_shape
    needed = [shape.members[name].serialization for name in shape.required_members] if shape else []
    needs = {part.partition("=")[0] for part in query.split("&") if part and not part.startswith("x-id=")}
    needs |= {member["name"] for member in needed if member.get("location") in {"querystring", "header"}}
    return _Path(operation.name, operation.http["method"], re.compile(f"{pattern}/?"), frozenset(needs))
