"""Tokens that are refused though they are still good by their own account."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """The file `revocations_file`.

    Attributes:
        revoked: token id -> when it expires (Unix time), after which it needs no mention.
        clients: client -> Unix time; its tokens issued at that second or before are refused.

    """

    revoked: dict[str, Annotated[float, Meta(ge=0)]]
    clients: dict[str, Annotated[float, Meta(ge=0)]]

    def revokes(self, jti: str, client: str, issued_at: float) -> bool:
        """Tell whether a token is revoked."""
        return jti in self.revoked or issued_at <= self.clients.get(client, -1)


def read(content: bytes) -> Revocations:
    """Read the file.

    Raises:
        ValueError: it is not such a file (msgspec's errors are ValueErrors).

    """
    return msgspec.json.decode(content, type=Revocations)
