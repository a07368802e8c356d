"""From the API's names to the provider's: `HttpTokens` to `httpTokens`, all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RENAMED = {"Groups": "securityGroups", "SecurityGroupIds": "vpcSecurityGroupIds"}


def from_api(value: Any) -> Any:
    """Return what the API answers under the provider's names."""
    if isinstance(value, Mapping):
        return {_RENAMED.get(name, f"{name[0].lower()}{name[1:]}"): _value(name, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [from_api(one) for one in value]
    return value


def _value(name: str, value: Any) -> Any:
    if name == "Tags":
        return {tag["Key"]: tag["Value"] for tag in value}
    return from_api(value)
