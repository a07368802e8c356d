"""Placement groups: instances close together, or far apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.errors import AwsError
from sandbox.aws.filters import select
from sandbox.aws.region import Region

_TYPE = "placement-group"


@dataclass(frozen=True)
class PlacementGroup:
    """One placement group. Its name identifies it; its id is for tags."""

    id: str
    name: str
    strategy: str
    partitions: int | None
    spread_level: str | None

    def facts(self) -> dict[str, str]:
        """Return what filters may ask for."""
        return {
            "group-name": self.name,
            "state": "available",
            "strategy": self.strategy,
            "spread-level": self.spread_level or "",
        }


@dataclass
class PlacementGroups:
    """The placement groups of a region, by name."""

    by_name: dict[str, PlacementGroup] = field(default_factory=dict)


def get(region: Region, name: str) -> PlacementGroup:
    """Return the placement group of that name.

    Raises:
        AwsError: `InvalidPlacementGroup.Unknown`.

    """
    try:
        return region.part(PlacementGroups).by_name[name]
    except KeyError:
        raise AwsError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.") from None


def _describe(region: Region, group: PlacementGroup) -> dict[str, Any]:
    return {
        "GroupName": group.name,
        "GroupId": group.id,
        "GroupArn": region.arn(_TYPE, group.name),
        "State": "available",
        "Strategy": group.strategy,
        "PartitionCount": group.partitions,
        "SpreadLevel": group.spread_level,
        "Tags": region.tag_list(group.id),
    }


def _create(call: Call) -> object:
    region, asked = call.region, call.parameters
    store = region.part(PlacementGroups).by_name
    name, strategy = asked.get("GroupName", ""), asked.get("Strategy", "cluster")
    if not name:
        raise AwsError("MissingParameter", "The request must contain the parameter groupName")
    if strategy not in {"cluster", "partition", "spread"}:
        raise AwsError("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
    if name in store:
        raise AwsError("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
    group = PlacementGroup(
        id=region.new_id(_TYPE),
        name=name,
        strategy=strategy,
        partitions=asked.get("PartitionCount", 2) if strategy == "partition" else None,
        spread_level=asked.get("SpreadLevel", "rack") if strategy == "spread" else None,
    )
    region.tag_new(group.id, _TYPE, asked)
    store[name] = group
    return {"PlacementGroup": _describe(region, group)}


def _describe_all(call: Call) -> object:
    region = call.region
    store = region.part(PlacementGroups).by_name
    groups = [get(region, name) for name in call.parameters.get("GroupNames") or store]
    ids = call.parameters.get("GroupIds")
    if ids:
        groups = [group for group in groups if group.id in ids]
        for unknown in set(ids) - {group.id for group in groups}:
            raise AwsError("InvalidPlacementGroup.Unknown", f"The Placement Group '{unknown}' is unknown.")
    chosen = select([(group, region.tags(group.id)) for group in groups], call.parameters.get("Filters"))
    return {"PlacementGroups": [_describe(region, group) for group, _ in chosen]}


def _delete(call: Call) -> object:
    group = get(call.region, call.parameters["GroupName"])
    if any(instance.placement.group_name == group.name for instance in call.region.live_instances()):
        raise AwsError(
            "InvalidPlacementGroup.InUse", f"The placement group '{group.name}' is in use and may not be deleted."
        )
    call.region.forget_tags(group.id)
    del call.region.part(PlacementGroups).by_name[group.name]
    return {}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "CreatePlacementGroup"): _create,
    ("ec2", "DescribePlacementGroups"): _describe_all,
    ("ec2", "DeletePlacementGroup"): _delete,
}
