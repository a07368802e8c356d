"""The tags by which the account's resources are told apart: whose they are, which one, and until when they stay."""

from __future__ import annotations

STACK_TAG = "cloister:stack"
"""The stack that a resource belongs to: what carries another one, or none, is never touched."""
RESOURCE_TAG = "cloister:resource"
"""The resource's name in the program: by it, what an interrupted creation left is found again."""
PROFILE_TAG = "cloister:profile"
"""The profile that the stack was made from."""
UNTIL_TAG = "cloister:until"
"""The deadline, ISO 8601 in UTC: it tells when to take the stack down, should all else be lost."""
