"""From the provider's names to the API's: `httpTokens` to `HttpTokens`, all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.handlers.resource import tag_list

_RENAMED = {
    "enableResourceNameDnsAaaaRecord": "EnableResourceNameDnsAAAARecord",
    "ipv4AddressCount": "SecondaryPrivateIpAddressCount",
    "securityGroups": "Groups",
    "vpcSecurityGroupIds": "SecurityGroupIds",
}
_BOOLEAN_TEXTS = frozenset(
    {
        "associateCarrierIpAddress",
        "associatePublicIpAddress",
        "deleteOnTermination",
        "ebsOptimized",
        "encrypted",
        "primaryIpv6",
    }
)
"""Properties of launch templates that are booleans in the API and texts in the provider."""


def _value(name: str, value: Any) -> Any:
    if name in _BOOLEAN_TEXTS and isinstance(value, str):
        return value == "true"
    if name == "tags":
        return tag_list(value)
    return to_api(value)


def to_api(value: Any) -> Any:
    """Return a property under the API's names; what is not set is left out.

    Names that the API does not have are refused by botocore when the request is made.
    """
    if isinstance(value, Mapping):
        return {
            _RENAMED.get(name, f"{name[0].upper()}{name[1:]}"): _value(name, inner)
            for name, inner in value.items()
            if inner is not None and not (name in _BOOLEAN_TEXTS and inner == "")
        }
    if isinstance(value, list):
        return [to_api(item) for item in value]
    return value
