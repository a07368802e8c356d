"""What the handlers of EC2's resources have in common: describe by id or tags, tag in the same call, retag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from botocore.exceptions import ClientError

from planner.partitions import partition_of
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone


def tag_filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return EC2 filters for what carries all of these tags."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def carries(record: Record, tags: Mapping[str, str]) -> bool:
    """Tell whether a described resource has all of these tags."""
    return bool(tags.items() <= tag_outputs(record.get("Tags"))["tags"].items())


def tag_specifications(kind: str, inputs: Properties) -> dict[str, Any]:
    """Return the part of a request that tags what it makes; empty for no tags."""
    tags = inputs.get("tags")
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tag_list(tags)}]} if tags else {}


def retag_ec2(change: Change, resource_id: str) -> None:
    """Change the tags of an EC2 resource.

    Args:
        change: what is to change.
        resource_id: what EC2 keeps the tags under; not every resource's id is.

    """
    old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
    dropped = [{"Key": key} for key in old if key not in new]
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if dropped:
        change.ec2.delete_tags(Resources=[resource_id], Tags=dropped)
    if changed:
        change.ec2.create_tags(Resources=[resource_id], Tags=tag_list(changed))


_ACCOUNTS: WeakKeyDictionary[Clients, str] = WeakKeyDictionary()


def account_id(clients: Clients) -> str:
    """Return the id of the account, for what EC2 describes without its owner; asked once of each account's clients."""
    if clients not in _ACCOUNTS:
        _ACCOUNTS[clients] = str(clients.client("sts").get_caller_identity()["Account"])
    return _ACCOUNTS[clients]


def ec2_arn(clients: Clients, kind: str, resource_id: str, owner: str) -> str:
    """Return the ARN of an EC2 resource."""
    return f"arn:{partition_of(clients.region).name}:ec2:{clients.region}:{owner}:{kind}/{resource_id}"


class Ec2Resource(Resource):
    """Base of the handlers of what EC2 describes by id and by tags."""

    kind: ClassVar[str]
    """EC2's resource type, as in `TagSpecifications` and in ARNs."""
    describe_call: ClassVar[str]
    records_key: ClassVar[str]
    ids_argument: ClassVar[str]
    id_key: ClassVar[str]
    filters_argument: ClassVar[str] = "Filters"

    def alive(self, record: Record) -> bool:  # most types do not linger
        """Tell whether a resource that is still described is there at all."""
        return True

    def describe(self, target: Target) -> Record | None:
        """Return the resource as EC2 describes it; None when it is gone."""
        call = getattr(target.ec2, self.describe_call)
        try:
            records = call(**{self.ids_argument: [target.id]})[self.records_key]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return next((record for record in records if self.alive(record)), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return what carries the resource's own tags."""
        mine = own_tags(inputs)
        if not mine:
            return
        call = getattr(clients.client("ec2"), self.describe_call)
        for record in call(**{self.filters_argument: tag_filters(mine)})[self.records_key]:
            if self.alive(record) and carries(record, mine):  # not every describe call of moto's filters by tags
                yield str(record[self.id_key]), record

    def retag(self, change: Change) -> None:
        """Change the tags."""
        retag_ec2(change, change.id)

    def tagged(self, inputs: Properties) -> dict[str, Any]:
        """Return the part of a request that tags what it makes."""
        return tag_specifications(self.kind, inputs)

    def arn(self, target: Target, owner: str) -> str:
        """Return the resource's ARN."""
        return ec2_arn(target.clients, self.kind, target.id, owner)
