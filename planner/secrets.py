"""What secrets are called in the account."""

from __future__ import annotations


def secret_id(stack: str, name: str) -> str:
    """Return the name of a stack's entry in Secrets Manager."""
    return f"cloister/{stack}/{name}"
