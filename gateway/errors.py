"""Refusals: an HTTP status, and a body in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web


class RefusalError(Exception):
    """A request that is not served, and what the client is told."""

    def __init__(self, status: int, message: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer."""
        return web.Response(status=self.status, body=self.body(), content_type="application/json", headers=self.headers)

    def body(self) -> bytes:
        """Return what stands in the answer, or in the last event of one that had begun."""
        said = {"error": {"message": self.message, "type": self.kind, "param": None, "code": self.status}}
        return json.dumps(said).encode()


class TokenRefusedError(RefusalError):
    """No token, or one that is not good (401), with RFC 6750's challenge.

    Attributes:
        reason: one of a few words, for metrics.

    """

    def __init__(self, reason: str, description: str = "") -> None:
        challenge = 'Bearer realm="cloister"'
        if description:
            challenge += f', error="invalid_token", error_description="{description}"'
        super().__init__(
            401, description or "a bearer token is needed", "authentication_error", {"WWW-Authenticate": challenge}
        )
        self.reason = reason


class ScopeMissingError(RefusalError):
    """A good token that is not for this (403)."""

    reason = "scope"

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="cloister", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            403, f"the token lacks the scope {scope!r}", "permission_error", {"WWW-Authenticate": challenge}
        )


def not_found() -> RefusalError:
    """Return the refusal of a path that is not in the list."""
    return RefusalError(404, "there is nothing at this path", "not_found_error")


def wrong_method(allowed: tuple[str, ...]) -> RefusalError:
    """Return the refusal of a method."""
    methods = ", ".join(allowed)
    return RefusalError(405, f"this path takes {methods}", "invalid_request_error", {"Allow": methods})


def too_large(limit: int) -> RefusalError:
    """Return the refusal of a body over the limit (bytes)."""
    return RefusalError(413, f"the request is larger than {limit} bytes", "invalid_request_error")


def too_many(whose: str, status: int) -> RefusalError:
    """Return the refusal of one request too many."""
    return RefusalError(status, f"too many requests at once {whose}", "rate_limit_error", {"Retry-After": "1"})


def upstream_failed(status: int, what: str) -> RefusalError:
    """Return the answer when the inference engine does not give one."""
    return RefusalError(status, f"the inference engine {what}", "upstream_error")
