"""Which of the certificate's names clients find the endpoint by."""

from __future__ import annotations

import ipaddress
import re

from planner.errors import PlanError
from planner.plan import PrivateNamePlan, TlsPlan

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A host name with a dot in it (RFC 1123): `localhost` is everybody's own."""


def plan_private_name(tls: TlsPlan, stack: str, consumer_vpc_ids: tuple[str, ...]) -> PrivateNamePlan | None:
    """Choose the name: the stack's own where the certificate is valid for it, else the first that a zone can be.

    Raises:
        PlanError: VPCs are named that shall know the name, and there is none.

    """
    own = f"{stack}.cloister.internal"
    names = sorted(filter(_can_be_a_zone, tls.hostnames), key=lambda name: name != own)
    if names:
        return PrivateNamePlan(name=names[0], consumer_vpc_ids=consumer_vpc_ids)
    if consumer_vpc_ids:
        raise PlanError(
            "`aws.consumer_vpc_ids`: the certificate holds no name that these VPCs could know the endpoint by",
            hint="Add one to `tls.hostnames`; an address or a wildcard is none.",
        )
    return None


def _can_be_a_zone(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _NAME.fullmatch(name) is not None
    return False
