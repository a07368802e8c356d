"""Network load balancers and what they send to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.sweeping.records import Kind, Place, Thing, pages, refs, tags_of

_TAGS_AT_ONCE = 20
"""How many resources DescribeTags takes (API Elastic Load Balancing v2)."""


def _tagged(place: Place, records: list[dict[str, Any]], arn: str) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield each record with its tags, which the listing leaves out."""
    elb, by_arn = place.client("elbv2"), {record[arn]: record for record in records}
    arns = list(by_arn)
    groups = [arns[start : start + _TAGS_AT_ONCE] for start in range(0, len(arns), _TAGS_AT_ONCE)]
    for answer in place.each(lambda group: elb.describe_tags(ResourceArns=group), groups):
        for described in answer["TagDescriptions"]:
            yield by_arn[described["ResourceArn"]], tags_of(described["Tags"])


def _load_balancers(place: Place) -> Iterator[Thing]:
    elb = place.client("elbv2")
    records = [one for page in pages(elb, "describe_load_balancers") for one in page["LoadBalancers"]]
    for record, tags in _tagged(place, records, "LoadBalancerArn"):
        yield Thing(
            kind="load-balancer",
            id=record["LoadBalancerArn"],
            tags=tags,
            refs=refs(record.get("VpcId")),
            detail=f"{record.get('Type', '')} {record.get('LoadBalancerName', '')}",
            costs=(("network-load-balancer", 1),),
            record=record,
        )


def _delete_load_balancer(place: Place, thing: Thing) -> None:
    """Lift the protection that its own stack gave it, and delete it; its listeners go along."""
    elb = place.client("elbv2")
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=thing.id)["Attributes"]
    if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
        off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
        elb.modify_load_balancer_attributes(LoadBalancerArn=thing.id, Attributes=off)
    elb.delete_load_balancer(LoadBalancerArn=thing.id)


def _target_groups(place: Place) -> Iterator[Thing]:
    elb = place.client("elbv2")
    records = [one for page in pages(elb, "describe_target_groups") for one in page["TargetGroups"]]
    for record, tags in _tagged(place, records, "TargetGroupArn"):
        yield Thing(
            kind="target-group",
            id=record["TargetGroupArn"],
            tags=tags,
            refs=refs(record.get("VpcId")),
            detail=record.get("TargetGroupName", ""),
            record=record,
        )


def _delete_target_group(place: Place, thing: Thing) -> None:
    place.client("elbv2").delete_target_group(TargetGroupArn=thing.id)


LOAD_BALANCERS: tuple[Kind, ...] = (
    Kind(
        "load-balancer",
        "load balancers",
        "elbv2",
        ("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags"),
        _load_balancers,
        _delete_load_balancer,
    ),
    Kind(
        "target-group",
        "target groups",
        "elbv2",
        ("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTags"),
        _target_groups,
        _delete_target_group,
    ),
)
