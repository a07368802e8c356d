"""What is in an emulated account, read from its own memory: a look that shares nothing with the sweep's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.backends import get_backend

from planner.partitions import partition_of
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.inventory import items
from sandbox.aws.layer import Layer

_STORES: tuple[tuple[str, str], ...] = (
    ("autoscaling", "autoscaling_groups"),
    ("autoscaling", "scheduled_actions"),
    ("elbv2", "load_balancers"),
    ("elbv2", "target_groups"),
    ("iam", "roles"),
    ("iam", "instance_profiles"),
    ("logs", "groups"),
    ("route53", "zones"),
    ("s3", "buckets"),
    ("secretsmanager", "secrets"),
)
"""Service, and the attribute of moto's backend that holds things by id."""
_GLOBAL = {"budgets", "iam", "route53", "s3"}
"""Services whose state moto keeps by partition, not by region."""
_GOES_WITH_ITS_OWNER = {"security-group-rule"}
_WAITS_FOR_ITS_END = {"PendingDeletion", "PendingReplicaDeletion"}
_AWS_OWN = "alias/aws/"
"""Keys that AWS makes of itself when a service first needs one."""


def belongings(layer: Layer, region: str) -> frozenset[tuple[str, str]]:
    """Return (kind, id) of everything that exists; what AWS shows for a while after its end is left out."""
    return frozenset((*_ec2(layer, region), *_stored(region), *_keys(region), *_budgets(region)))


def _ec2(layer: Layer, region: str) -> Iterator[tuple[str, str]]:
    state = layer.region(region)
    ended = {one.id for one in state.ec2.all_instances() if one.state == "terminated"}
    for item in items(state):
        if item.kind not in _GOES_WITH_ITS_OWNER and item.id not in ended:
            yield item.kind, item.id


def _stored(region: str) -> Iterator[tuple[str, str]]:
    for service, attribute in _STORES:
        for key in getattr(_backend(service, region), attribute):
            yield f"{service}:{attribute}", str(key)


def _budgets(region: str) -> Iterator[tuple[str, str]]:
    yield from (("budgets:budgets", name) for name in _backend("budgets", region).budgets.get(ACCOUNT_ID, ()))


def _keys(region: str) -> Iterator[tuple[str, str]]:
    for key in _backend("kms", region).keys.values():
        if any(alias.startswith(_AWS_OWN) for alias in key.aliases):
            continue
        if key.key_state not in _WAITS_FOR_ITS_END:
            yield "kms:keys", str(key.id)
        yield from (("kms:aliases", alias) for alias in key.aliases)


def _backend(service: str, region: str) -> Any:
    backends: Any = get_backend(service)  # type: ignore[call-overload]  # moto types the names of its services
    return backends[ACCOUNT_ID][partition_of(region).name if service in _GLOBAL else region]
