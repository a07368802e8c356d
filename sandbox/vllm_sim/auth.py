"""vLLM's API key: it guards paths that begin with `/v1`, `/v2`, `/inference` or `/cohere`, and leaves the rest open."""

from __future__ import annotations

import hashlib
import hmac

_GUARDED = ("/v1", "/v2", "/inference", "/cohere")


class ApiKey:
    """Decides who may pass.

    Args:
        key: the key; empty or none lets everyone pass everywhere.

    """

    def __init__(self, key: str | None) -> None:
        self._digest = _digest(key) if key else None

    def allows(self, method: str, path: str, authorization: str | None) -> bool:
        """Whether a request may pass, given its `Authorization` header. `OPTIONS` always may."""
        if self._digest is None or method == "OPTIONS" or not path.startswith(_GUARDED):
            return True
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(token), self._digest)


def _digest(key: str) -> bytes:
    # aiohttp leaves bytes of a header that are no UTF-8 as lone surrogates.
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
