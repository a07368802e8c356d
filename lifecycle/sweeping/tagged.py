"""What the tagging API knows: of every service, though a while late; and what no kind of the table is."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.sweeping.records import Kind, Place, Thing, pages, tags_of
from planner.tags import STACK_TAG

_GO_WITH_OTHERS = {"security-group-rule", "vpc-endpoint-connection", "key-pair"}
"""Tagged things of EC2 that end with what they belong to, or cost and open nothing."""
_LOOKED_AT = {
    "autoscaling",
    "budgets",
    "ec2",
    "elasticloadbalancing",
    "iam",
    "kms",
    "logs",
    "route53",
    "s3",
    "scheduler",
    "secretsmanager",
}
"""Services whose things have kinds of their own here."""


def tagged_arns(place: Place, resource_type: str) -> Iterator[str]:
    """Yield the ARNs of what carries the tag, of one resource type as the tagging API writes it."""
    tagging = place.client("resourcegroupstaggingapi")
    for page in pages(tagging, "get_resources", TagFilters=place.filters(), ResourceTypeFilters=[resource_type]):
        for mapping in page["ResourceTagMappingList"]:
            yield mapping["ResourceARN"]


def other(known: frozenset[str]) -> Kind:
    """Return the kind of everything else that carries the tag: shown, and left to whoever made it.

    Args:
        known: EC2's resource types that have kinds of their own.

    """

    def look(place: Place) -> Iterator[Thing]:
        wanted = (
            [{"Name": f"tag:{STACK_TAG}", "Values": [place.stack]}]
            if place.stack
            else [{"Name": "key", "Values": [STACK_TAG]}]
        )
        for page in pages(place.client("ec2"), "describe_tags", Filters=wanted):
            for tag in page["Tags"]:
                if tag["Key"] == STACK_TAG and tag["ResourceType"] not in known | _GO_WITH_OTHERS:
                    yield Thing(
                        "other", tag["ResourceId"], {STACK_TAG: tag["Value"]}, detail=f"ec2 {tag['ResourceType']}"
                    )
        tagging = place.client("resourcegroupstaggingapi")
        for page in pages(tagging, "get_resources", TagFilters=place.filters()):
            for mapping in page["ResourceTagMappingList"]:
                service = mapping["ResourceARN"].split(":")[2]
                if service not in _LOOKED_AT:
                    yield Thing("other", mapping["ResourceARN"], tags_of(mapping["Tags"]), detail=service)

    title = "anything else that carries the tag"
    return Kind("other", title, "ec2", ("ec2:DescribeTags", "tag:GetResources"), look, None)
