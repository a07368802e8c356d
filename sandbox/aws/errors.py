"""Errors as AWS words them."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """An error that the caller of the API gets to see, with AWS's own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


def not_found(code: str, what: str, resource_id: str) -> AwsError:
    """Return the error for an id that names nothing."""
    return AwsError(code, f"The {what} ID '{resource_id}' does not exist")
