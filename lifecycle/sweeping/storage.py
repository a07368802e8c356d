"""Buckets with all versions of what is in them, logs, and names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from lifecycle.sweeping.ec2 import code_of
from lifecycle.sweeping.records import Kind, Place, Thing, pages, refs, tags_of
from lifecycle.sweeping.tagged import tagged_arns
from planner.units import GIB
from sandbox.handlers.bucket import Bucket
from sandbox.handlers.route53 import Zone

_ZONES_AT_ONCE = 10
"""How many zones ListTagsForResources takes (API Route 53)."""
_PREFIX = "cloister-"
"""How the names of the toolkit's buckets begin."""


def _buckets(place: Place) -> Iterator[Thing]:
    """List the region's buckets; those that the tagging API names, or whose name may be a stack's, with their tags.

    The tagging API lags behind; and a stranger's bucket may have a policy that turns its own administrators away.
    """
    s3 = place.client("s3")
    listed = [one for page in pages(s3, "list_buckets", BucketRegion=place.region) for one in page["Buckets"]]
    named = {arn.rpartition(":")[2] for arn in tagged_arns(place, "s3")}

    def look(record: dict[str, Any]) -> Thing:
        name = record["Name"]
        tags = _bucket_tags(s3, name) if name in named or name.startswith(_PREFIX) else {}
        if not place.wants(tags):
            return Thing(kind="bucket", id=name, tags=tags)
        versions, size = _contents(s3, name)
        detail = f"{versions} versions of objects, {size / GIB:.1f} GiB"
        return Thing(kind="bucket", id=name, tags=tags, detail=detail, costs=(("s3-gib", size / GIB),))

    yield from place.each(look, listed)


def _bucket_tags(s3: Any, name: str) -> dict[str, str]:
    try:
        return tags_of(s3.get_bucket_tagging(Bucket=name)["TagSet"])
    except ClientError as error:
        if code_of(error) in {"NoSuchTagSet", "NoSuchBucket"}:
            return {}
        raise


def _contents(s3: Any, name: str) -> tuple[int, int]:
    """Return how many versions a bucket holds, and their size in bytes."""
    count = size = 0
    for page in pages(s3, "list_object_versions", Bucket=name):
        versions = page.get("Versions") or []
        count += len(versions) + len(page.get("DeleteMarkers") or [])
        size += sum(one.get("Size", 0) for one in versions)
    return count, size


def _delete_bucket(place: Place, thing: Thing) -> None:
    """Delete a bucket, every version in it, and uploads that were never finished."""
    Bucket().delete(place.clients, thing.id, {"forceDestroy": True})


def _log_groups(place: Place) -> Iterator[Thing]:
    """List log groups; what the tagging API names, or what lies where a stack's do, with its tags.

    A service that still had something to write makes a deleted group anew, without tags: it is shown, by its name.
    """
    logs = place.client("logs")
    named = {arn.partition(":log-group:")[2].removesuffix(":*") for arn in tagged_arns(place, "logs:log-group")}
    listed = [one for page in pages(logs, "describe_log_groups") for one in page["logGroups"]]

    def look(record: dict[str, Any]) -> Thing:
        name, tags = record["logGroupName"], {}
        if name in named or name.startswith("/cloister/"):
            tags = _log_tags(logs, record["arn"].removesuffix(":*"))
        size = record.get("storedBytes", 0) / GIB
        return Thing(
            kind="log-group",
            id=name,
            tags=tags,
            refs=refs(record.get("kmsKeyId"), "/".join(name.split("/")[:3])),
            detail=f"{size:.1f} GiB",
            costs=(("log-storage-gib", size),),
            record=record,
        )

    yield from place.each(look, listed)


def _log_tags(logs: Any, arn: str) -> dict[str, str]:
    try:
        tags: dict[str, str] = logs.list_tags_for_resource(resourceArn=arn)["tags"]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return {}
        raise
    return tags


def _delete_log_group(place: Place, thing: Thing) -> None:
    place.client("logs").delete_log_group(logGroupName=thing.id)


def _zones(place: Place) -> Iterator[Thing]:
    """List zones; no call makes one with its tags, so those without any are asked for their networks."""
    route53 = place.client("route53")
    records = {
        one["Id"].rpartition("/")[2]: one for page in pages(route53, "list_hosted_zones") for one in page["HostedZones"]
    }
    ids = list(records)
    groups = [ids[start : start + _ZONES_AT_ONCE] for start in range(0, len(ids), _ZONES_AT_ONCE)]
    ask = route53.list_tags_for_resources
    tags: dict[str, dict[str, str]] = {}
    for answer in place.each(lambda group: ask(ResourceType="hostedzone", ResourceIds=group), groups):
        tags |= {one["ResourceId"]: tags_of(one.get("Tags")) for one in answer["ResourceTagSets"]}
    unknown = [one for one in ids if not tags.get(one) and records[one]["Config"].get("PrivateZone")]
    vpcs = dict(zip(unknown, place.each(lambda one: _vpcs(route53, one), unknown), strict=True))
    for zone_id, record in records.items():
        yield Thing(
            kind="hosted-zone",
            id=zone_id,
            tags=tags.get(zone_id, {}),
            refs=refs(*vpcs.get(zone_id, ())),
            detail=record["Name"].removesuffix("."),
            costs=(("hosted-zone", 1),),
            record=record,
        )


def _vpcs(route53: Any, zone_id: str) -> list[str]:
    return [one["VPCId"] for one in route53.get_hosted_zone(Id=zone_id).get("VPCs") or ()]


def _delete_zone(place: Place, thing: Thing) -> None:
    Zone().delete(place.clients, thing.id, {"forceDestroy": True})


NAMES: tuple[Kind, ...] = (
    Kind(
        "hosted-zone",
        "hosted zones",
        "route53",
        ("route53:ListHostedZones", "route53:ListTagsForResources", "route53:GetHostedZone"),
        _zones,
        _delete_zone,
        everywhere=True,
        tagged_later=True,
    ),
)

STORAGE: tuple[Kind, ...] = (
    Kind(
        "log-group",
        "log groups",
        "logs",
        ("logs:DescribeLogGroups", "logs:ListTagsForResource", "tag:GetResources"),
        _log_groups,
        _delete_log_group,
    ),
    Kind(
        "bucket",
        "buckets",
        "s3",
        ("s3:ListAllMyBuckets", "s3:GetBucketTagging", "s3:ListBucketVersions", "tag:GetResources"),
        _buckets,
        _delete_bucket,
    ),
)
