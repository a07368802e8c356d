"""Errors as vLLM words and shapes them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from http import HTTPStatus

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True):
    """What went wrong. The order of the fields is vLLM's."""

    message: str
    type: str
    param: str | None
    code: int


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error that comes from vLLM itself."""

    error: ErrorInfo


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        message: what the client reads.
        kind: the error's `type`.
        param: the parameter at fault, if it is one.
        status: HTTP status, and the error's `code`.

    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "BadRequestError",
        param: str | None = None,
        status: int = HTTPStatus.BAD_REQUEST,
    ) -> None:
        super().__init__(message)
        self.status = int(status)
        self.body = ErrorBody(ErrorInfo(message, kind, param, self.status))


def bad_parameter(message: str, param: str | None = None, value: object = None) -> ApiError:
    """400: a parameter has a value that cannot be. vLLM repeats name and value, where known, at the end."""
    details = [f"{name}={shown}" for name, shown in (("parameter", param), ("value", value)) if shown is not None]
    return ApiError(f"{message} ({', '.join(details)})" if details else message, param=param)


def malformed(problem: str, param: str | None) -> ApiError:
    """400: the body does not parse or has the wrong types."""
    return ApiError(f"1 validation error:\n  {problem}", kind=HTTPStatus.BAD_REQUEST.phrase, param=param)


def unknown_model(name: str, served: tuple[str, ...]) -> ApiError:
    """404: another model was asked for."""
    return ApiError(
        f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}.",
        kind="NotFoundError",
        param="model",
        status=HTTPStatus.NOT_FOUND,
    )


def busy(what: str) -> ApiError:
    """503: a queue limit is reached."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return ApiError(f"{what} Please try again later or on a different instance.", kind=status.phrase, status=status)


def internal(status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> ApiError:
    """5xx: the engine failed; or the status that a fault asks for."""
    return ApiError("Internal server error", kind="InternalServerError", status=status)


def not_imitated(what: str) -> ApiError:
    """501: vLLM does this, the imitation does not."""
    return ApiError(
        f"{what} is not imitated by vllm_sim.", kind="NotImplementedError", status=HTTPStatus.NOT_IMPLEMENTED
    )
