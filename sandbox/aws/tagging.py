"""Tags, as EC2 and the Resource Groups Tagging API show them: of what exists, and of nothing else.

moto goes on showing the tags of what was deleted, and its tagging API leaves out several of EC2's resource types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.resource_tagging import iter_taggable_backends, make_tag_matcher, match_resource_type
from moto.elbv2.models import elbv2_backends

from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError
from sandbox.aws.filters import select
from sandbox.aws.inventory import items
from sandbox.aws.region import LAYER_PREFIXES, Region

_PER_PAGE = 50


@dataclass(frozen=True)
class _Tag:
    """One tag of one resource."""

    resource_id: str
    kind: str
    key: str
    value: str

    def facts(self) -> dict[str, str]:
        return {
            "resource-id": self.resource_id,
            "resource-type": self.kind,
            "key": self.key,
            "value": self.value,
        }


def _describe(call: Call) -> object:
    region = call.region
    tags: list[tuple[_Tag, Mapping[str, str]]] = [
        (_Tag(item.id, item.kind, key, value), {key: value})
        for item in items(region)
        for key, value in region.tags(item.id).items()
    ]
    chosen = select(tags, call.parameters.get("Filters"))
    return {
        "Tags": [
            {"ResourceId": tag.resource_id, "ResourceType": tag.kind, "Key": tag.key, "Value": tag.value}
            for tag, _ in chosen
        ]
    }


def _change(call: Call) -> object:
    region, ids = call.region, call.parameters["Resources"]
    layer = tuple(f"{prefix}-" for prefix in LAYER_PREFIXES.values())
    unknown = {one for one in ids if one.startswith(layer)} - {item.id for item in items(region)}
    if unknown:
        raise AwsError("InvalidID", f"The ID '{min(unknown)}' is not valid")
    response = call.forward()
    for template in region.ec2.launch_templates.values():
        template.tags = template.get_tags()  # moto keeps a copy of the tags it was made with
    return response


@dataclass(frozen=True)
class _Tagged:
    """A resource of any service, with its tags."""

    arn: str
    kind: str
    tags: Mapping[str, str]


def _all(region: Region) -> Iterator[_Tagged]:
    for item in items(region):
        yield _Tagged(item.arn, f"ec2:{item.kind}", region.tags(item.id))
    for backend in iter_taggable_backends(ACCOUNT_ID, region.name):
        if backend.SERVICE_NAMESPACE != "ec2":
            for resource in backend.iter_tagged_resources():
                yield _Tagged(resource.arn, resource.resource_type, resource.tags)
    yield from _listeners(region)


def _listeners(region: Region) -> Iterator[_Tagged]:
    """Return the listeners of load balancers, which moto leaves out."""
    elb = elbv2_backends[ACCOUNT_ID][region.name]
    for balancer in elb.load_balancers.values():
        for listener in balancer.listeners.values():
            tags = elb.tagging_service.get_tag_dict_for_resource(listener.arn)
            yield _Tagged(listener.arn, "elasticloadbalancing:listener", tags)


def _wanted(region: Region, asked: dict[str, Any]) -> list[_Tagged]:
    has_tags = make_tag_matcher(asked.get("TagFilters"))
    arns = asked.get("ResourceARNList")
    return [
        one
        for one in _all(region)
        if one.tags
        and has_tags(dict(one.tags))
        and match_resource_type(one.kind, asked.get("ResourceTypeFilters"))
        and (not arns or one.arn in arns)
    ]


def _get_resources(call: Call) -> object:
    asked = call.parameters
    found = _wanted(call.region, asked)
    token = asked.get("PaginationToken") or "0"
    if not token.isdecimal():
        raise AwsError("PaginationTokenExpiredException", "The pagination token is not one of this account's.")
    start, size = int(token), asked.get("ResourcesPerPage", _PER_PAGE)
    page = found[start : start + size]
    return {
        "PaginationToken": str(start + size) if start + size < len(found) else "",
        "ResourceTagMappingList": [
            {"ResourceARN": one.arn, "Tags": [{"Key": key, "Value": value} for key, value in one.tags.items()]}
            for one in page
        ],
    }


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "DescribeTags"): _describe,
    ("ec2", "CreateTags"): _change,
    ("ec2", "DeleteTags"): _change,
    ("tagging", "GetResources"): _get_resources,
}
