"""Telling the engine what went wrong with one resource: in words, never as a traceback."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, struct_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.engine.failures import said
from sandbox.handlers.unanswered import is_unanswered

_NOTHING_MADE = re.compile("AlreadyExists|Duplicate|ResourceExists")
"""In the codes with which AWS refuses to make what is there already, and so made nothing."""

Answer = TypeVar("Answer")


class CancelledError(Exception):
    """The engine asked to stop, and this was not begun."""


class InitFailedError(Exception):
    """A resource exists, but is not finished. The engine keeps it, and the next `up` finishes it.

    Attributes:
        id: the resource's.
        properties: what is known of it.

    """

    def __init__(self, resource_id: str, properties: struct_pb2.Struct, reason: str) -> None:
        super().__init__(reason)
        self.id = resource_id
        self.properties = properties


def made_nothing(error: Exception) -> bool:
    """Tell whether a creation that failed cannot have made anything: what it would make is there already."""
    return _NOTHING_MADE.search(_code(error)) is not None


def telling(method: Callable[[Any, Any], Answer]) -> Callable[[Any, Any, grpc.ServicerContext], Answer]:
    """Make a gRPC method of one that takes a request alone, and tells failures as exceptions."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request)
        except InitFailedError as error:
            _refuse_half_made(context, error)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is told to the engine, under its resource
            _abort(context, _status(error), said(error))

    return answer


def _refuse_half_made(context: grpc.ServicerContext, error: InitFailedError) -> NoReturn:
    """Tell the engine what exists: as a detail of the status, in the trailer that gRPC has for it."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(id=error.id, properties=error.properties, reasons=[str(error)]),
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _abort(context, grpc.StatusCode.UNKNOWN, str(error))


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, words: str) -> NoReturn:
    context.abort(code, words)
    raise AssertionError("abort raises")


def _status(error: Exception) -> grpc.StatusCode:
    """Return a status: after `UNKNOWN` the engine cannot be sure what happened; after the others nothing did."""
    if isinstance(error, CancelledError):
        return grpc.StatusCode.CANCELLED
    if _code(error) and not is_unanswered(error):
        return grpc.StatusCode.FAILED_PRECONDITION
    if isinstance(error, ValueError | LookupError | NotImplementedError):
        return grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode.UNKNOWN


def _code(error: Exception) -> str:
    """Return AWS's code of an error; empty if the account did not answer."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
