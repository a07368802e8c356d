"""The one way in that IAM alone guards: what a policy must say before it lets somebody open a tunnel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from planner.networks import is_private

ACTION = "ec2-instance-connect:OpenTunnel"
PORT, LONGEST_S = "22", 3600
"""What the endpoint is for, and its longest tunnel (EC2 user guide, EC2 Instance Connect Endpoint)."""
_KEY = "ec2-instance-connect"


def missing_conditions(statements: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what is missing in the statements that let somebody open a tunnel; nothing where all of them say it.

    A person must be known by more than a key (MFA, or the network they come from), and the tunnel must lead to SSH, at
    private addresses, and end.
    """
    granting = [one for one in statements if one.get("Effect") == "Allow" and _grants(one)]
    return tuple(dict.fromkeys(missing for one in granting for missing in _missing(one.get("Condition") or {})))


def _grants(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not any(fnmatchcase(ACTION.lower(), one.lower()) for one in _listed(statement["NotAction"]))
    return any(fnmatchcase(ACTION.lower(), one.lower()) for one in _listed(statement.get("Action")))


def _missing(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    who = (
        _listed(condition.get("Bool", {}).get("aws:MultiFactorAuthPresent")) == ["true"],
        _listed(condition.get("IpAddress", {}).get("aws:SourceIp")),
        _listed(condition.get("StringEquals", {}).get("aws:SourceVpc")),
    )
    if not any(who):
        yield "who asks: aws:MultiFactorAuthPresent, aws:SourceIp or aws:SourceVpc"
    if _listed(condition.get("NumericEquals", {}).get(f"{_KEY}:remotePort")) != [PORT]:
        yield f"the port: {_KEY}:remotePort {PORT}"
    addresses = _listed(condition.get("IpAddress", {}).get(f"{_KEY}:privateIpAddress"))
    if not addresses or not all(is_private(address) for address in addresses):
        yield f"the address: {_KEY}:privateIpAddress, a private network"
    longest = _listed(condition.get("NumericLessThanEquals", {}).get(f"{_KEY}:maxTunnelDuration"))
    if len(longest) != 1 or not longest[0].isdecimal() or int(longest[0]) > LONGEST_S:
        yield f"the end: {_KEY}:maxTunnelDuration, at most {LONGEST_S} seconds"


def _listed(value: Any) -> list[str]:
    """Return the values of an element, which IAM takes alone as well as in a list, and numbers as text."""
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
