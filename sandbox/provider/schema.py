"""The provider's schema, as far as it goes: which types and data sources there are."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sandbox.handlers.base import Registry


def schema(version: str, registry: Registry, invokes: Iterable[str]) -> str:
    """Return the schema as JSON. Programs have the properties from the provider's package, not from here."""
    return json.dumps(
        {
            "name": "aws",
            "version": version,
            "resources": {token: {} for token in sorted(registry.handlers)},
            "functions": {token: {} for token in sorted(invokes)},
        }
    )
