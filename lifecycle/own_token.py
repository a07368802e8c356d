"""Tokens that the toolkit asks its own endpoint with."""

from __future__ import annotations

from datetime import UTC, datetime

from lifecycle.stack import Stack
from lifecycle.tokens import issue


def own_token(stack: Stack, client: str, ttl_s: int) -> str:
    """Return a token for inference, from the stack's own issuer.

    Raises:
        UsageError: the stack has a foreign issuer.

    """
    scope = stack.plan.gateway.routes[0].scope
    return issue(stack.plan, stack.layout, client=client, ttl_s=ttl_s, scopes=(scope,), now=datetime.now(UTC)).token
